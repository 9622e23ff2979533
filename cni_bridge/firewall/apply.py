"""The firewall's order of steps, across the ledger, the kernel and the host's ports.

Loaded only for networks that use the firewall. The ledger is the truth: what the kernel lacks is
made anew from it.
"""

from cni_bridge import errors
from cni_bridge.firewall import elements, foreign, foreign_checks, host_ports, tables
from cni_bridge.firewall.model import Element, Firewall
from cni_bridge.kernel import machine, nftables, sysctl
from cni_bridge.kernel.netlink import KernelError
from cni_bridge.kernel.nftables import Netfilter
from cni_bridge.lean.record import record
from cni_bridge.model import Attachment, Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cni_bridge.firewall.register import Register


@record
class Claimed:
    """What the ledger has for an attachment."""

    firewall: Firewall  # with every host port chosen
    network: tuple[Element, ...]
    own: tuple[Element, ...]
    others: "foreign_checks.Others"


@record
class Change:
    """What is to become of one table; `fills`: by writing all of it anew."""

    family: int
    added: tuple[Element, ...]
    removed: tuple[Element, ...]
    fills: bool


def apply(register: "Register", wanted: Plan) -> None:
    """Record what the firewall is to do for an attachment, then let the kernel do it.

    Raises PortPublished if another container has one of the host ports, PortInUse if a process has,
    and TryAgainLater if a DEL has overtaken the ADD.
    """
    want = _firewall(wanted)
    socket = Netfilter()
    try:
        claimed = register.locked(lambda: _claim(socket, register, wanted.attachment, want))
        register.locked(lambda: _apply(socket, register, wanted.attachment, claimed))
        host_ports.forget_udp(claimed.own, has_begun=True)
    finally:
        socket.close()
    foreign_checks.warn(wanted.attachment, claimed.others)


def remove(register: "Register", attachments: "Sequence[Attachment]") -> Netfilter:
    """Undo it for attachments, whatever they have; nothing else is asked than who they are.

    Close the socket that is returned after everything else has been removed: the kernel makes its
    closing wait for what was deleted.
    """
    socket = Netfilter()
    own = [item for attachment in attachments for item in register.of_attachment(attachment)]
    try:
        register.locked(lambda: _remove(socket, register, attachments))
    except errors.LedgerUnusable:  # it can be read, but not written
        _take_out(socket, own)
        raise
    ports = [item for item in own if item.set_name in elements.PORT_MAPS]
    host_ports.forget_udp(ports, has_begun=False)
    return socket


def problems(register: "Register", wanted: Plan) -> "Iterator[str]":
    """Every difference between the plan, the ledger and the kernel."""
    want = _firewall(wanted)
    if not register.has(wanted.attachment):
        yield "ledger: expected a record of the firewall, found none"
        return
    own = register.of_attachment(wanted.attachment)
    for item in elements.of_attachment(want):
        is_chosen_later = item.data is not None and elements.port_of(item)[1] == 0
        if item not in own and not is_chosen_later:
            yield f"ledger: expected {elements.describe(item)}, found none"
    hidden = _hidden(register.intervals((want.bridge,)))
    shared = [item for item in elements.of_network(want) if item not in hidden]
    socket = Netfilter()
    for family, some in tables.by_family((*shared, *own)).items():
        yield from tables.problems(socket, family, register.ruleset(family), some)
    yield from foreign_checks.problems(socket, want.bridge)
    key = _loopback_key(want.bridge)
    if _answers_on_loopback(want) and sysctl.read(key) != "1":
        yield f"sysctl {key}: expected 1, found {sysctl.read(key)}"


def rehearse(bridge: str) -> None:
    """Raise FirewallRefused if the rules could not be loaded now, and LimitedConnectivity if others'
    rules drop what they allow."""
    tables.find_nft()
    foreign_checks.rehearse(bridge)


def restore(register: "Register") -> int:
    """Make every table of ours anew from the ledger; how many elements there are.

    Raises FirewallRefused.
    """
    socket = Netfilter()
    everything = register.everything()
    if not everything:
        return 0
    found = register.locked(lambda: foreign_checks.look(socket, register))

    def work() -> int:
        everything = register.everything()
        foreign.accept(socket, found.places)
        for family in tables.by_family(everything):
            change = Change(family=family, added=(), removed=(), fills=True)
            _bring_about(socket, register, change, is_loaded=False)
        return len(everything)

    return register.locked(work)


# ---------------------------------------------------------------- with the ledger locked


def _claim(
    socket: Netfilter, register: "Register", attachment: Attachment, want: Firewall
) -> Claimed:
    settled = host_ports.settled(register, attachment, want)
    network, own = elements.of_network(settled), elements.of_attachment(settled)
    register.insert(attachment, network, own)
    host_ports.refuse_bound(attachment, settled, want)
    return Claimed(
        firewall=settled,
        network=network,
        own=own,
        others=foreign_checks.look(socket, register, want.bridge),
    )


def _apply(
    socket: Netfilter, register: "Register", attachment: Attachment, claimed: Claimed
) -> None:
    if not register.has(attachment):
        raise errors.TryAgainLater(f"{attachment.container} was deleted while it was being added")
    want, network = claimed.firewall, claimed.network
    dropped = tables.by_family(register.drop_flags(attachment.network, network))
    must_fill = bool(_hidden(register.intervals((want.bridge,))))
    before, commits = nftables.generation(socket), socket.commits
    if claimed.others.places:
        foreign.accept(socket, claimed.others.places)
    sound = []
    for family, some in tables.by_family((*network, *claimed.own)).items():
        change = Change(
            family=family,
            added=tuple(some),
            removed=tuple(dropped.get(family, ())),
            fills=must_fill,
        )
        if is_loaded := _is_loaded(socket, register, family, before):
            sound.append(family)
        _bring_about(socket, register, change, is_loaded=is_loaded)
    if _answers_on_loopback(want):
        _route_loopback(want.bridge)
    if claimed.others.generation == before and not claimed.others.remaining:
        _note_generation(socket, register, sound, (before, commits))


def _remove(socket: Netfilter, register: "Register", attachments: "Sequence[Attachment]") -> None:
    gone = register.delete(attachments)
    for item in gone:
        if item.set_name == "bridges":
            # The rules stop to keep the host's loopback closed for this bridge.
            sysctl.try_write(_loopback_key(elements.bridge_of(item)), "0")
    subnets = [item for item in gone if item.set_name in elements.INTERVALS]
    remaining = register.intervals(map(elements.bridge_of, subnets))
    must_fill = bool(_hidden((*subnets, *remaining)))
    before, commits = nftables.generation(socket), socket.commits
    for family, some in tables.by_family(gone).items():
        change = Change(family=family, added=(), removed=tuple(some), fills=must_fill)
        is_loaded = _is_loaded(socket, register, family, before)
        try:
            _bring_about(socket, register, change, is_loaded=is_loaded)
        except errors.FirewallRefused:
            # What was to be removed may have gone with the table; that others lack their rules is
            # not our failure.
            if tables.handle(socket, family) is not None:
                _bring_about(socket, register, change, is_loaded=True)
    if chains := register.delete_accepting():
        foreign.withdraw(socket, chains)
    _note_generation(socket, register, (), (before, commits))


def _is_loaded(socket: Netfilter, register: "Register", family: int, generation: int) -> bool:
    """Whether a table is as the ledger knows it: looked at only if anybody else changed anything."""
    known, boot_id = register.ruleset(family), machine.boot_id()
    is_untouched = tables.is_untouched(family, known, boot_id, generation)
    return is_untouched or tables.is_loaded(socket, family, known, boot_id)


def _note_generation(
    socket: Netfilter, register: "Register", sound: "Iterable[int]", start: tuple[int, int]
) -> None:
    """Let the next run know that nobody else has changed anything, if that is so."""
    before, commits = start
    after = nftables.generation(socket)
    if after == before + socket.commits - commits:
        register.advance(sound, before, after)


def _take_out(socket: Netfilter, own: "Iterable[Element]") -> None:
    """Let the kernel forget what it has of these, although the ledger can't."""
    for family, some in tables.by_family(own).items():
        there = [item for item in some if tables.holds(socket, family, item)]
        tables.change(socket, family, (), there)


def _bring_about(
    socket: Netfilter, register: "Register", change: Change, *, is_loaded: bool
) -> None:
    """Change a table or, where it is not what the ledger thinks, make it anew from there."""
    family = change.family
    if is_loaded and not change.fills:
        try:
            tables.change(socket, family, change.added, change.removed)
            return
        except KernelError:
            pass  # somebody else has changed it
    everything = tables.by_family(register.everything()).get(family, [])
    hidden = _hidden(item for item in everything if item.set_name in elements.INTERVALS)
    if not (is_loaded and change.fills):
        register.loaded(family, tables.load(socket, family, machine.boot_id()))
    try:
        tables.fill(socket, family, [item for item in everything if item not in hidden])
    except KernelError as error:
        raise tables.refusal(error) from error


def _hidden(subnets: "Iterable[Element]") -> "set[Element]":
    """The subnets that the kernel is not to have, as others contain them."""
    listed = set(subnets)
    return listed - elements.effective(listed)


# ---------------------------------------------------------------- what else there is to do


def _answers_on_loopback(want: Firewall) -> bool:
    addresses = elements.first_addresses(want)
    return want.rules.translates_source and any(
        len(leads_to) == 4
        for port in want.rules.ports
        for _, leads_to in elements.targets(addresses, port)
    )


def _route_loopback(bridge: str) -> None:
    """Let 127.0.0.1 reach published ports. The rules that keep containers out are there already."""
    key = _loopback_key(bridge)
    try:
        sysctl.write(key, "1")
    except OSError as error:
        raise errors.KernelRefused(
            f"failed to let 127.0.0.1 reach published ports: {key}: {error.strerror}",
            "make /proc/sys writable, or set snat to false",
        ) from error


def _loopback_key(bridge: str) -> str:
    return f"net/ipv4/conf/{bridge}/route_localnet"


def _firewall(wanted: Plan) -> Firewall:
    assert wanted.firewall is not None, "asked only where there is something to do"
    return wanted.firewall
