"""Apply and remove an attachment's firewall: the order of steps in ledger, kernel and host ports.

Loaded only for networks that use the firewall. The ledger is the truth: what the kernel
lacks, for example after `nft flush ruleset`, is restored from it.
"""

import posix

from cni_bridge import address, errors
from cni_bridge.firewall import (
    connections,
    foreign,
    foreign_checks,
    loopback,
    nft_elements,
    nft_tables,
    port_assignment,
)
from cni_bridge.firewall.model import Element, Firewall
from cni_bridge.kernel import machine, nftables
from cni_bridge.kernel.netlink import KernelError
from cni_bridge.kernel.nftables import Netfilter
from cni_bridge.lean.record import record, replace
from cni_bridge.model import Attachment, Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from cni_bridge.firewall.register import Register


@record
class Claimed:
    """What the ledger recorded for an attachment."""

    firewall: Firewall  # with a number for every host port
    network: tuple[Element, ...]
    own: tuple[Element, ...]
    others: "foreign_checks.Others"
    is_stricter: bool  # the network got a flag that its running containers did not have


@record
class Change:
    """A change to one table's elements; with `fills`, all of them are rewritten."""

    family: int
    added: tuple[Element, ...]
    removed: tuple[Element, ...]
    fills: bool


def apply(
    register: "Register", attachment: Attachment, desired: Firewall, *, is_running: bool = False
) -> tuple[Element, ...]:
    """Record an attachment's firewall elements, then add them to the kernel; return its own.

    A running attachment keeps its connections. If this process dies in between, the next one that
    uses the firewall adds what is recorded; after an ADD, DEL removes it. Raises PortPublished if
    another container holds one of the host ports, PortInUse if a process does, and TryAgainLater if
    a DEL overtook this.
    """
    socket = Netfilter()
    try:
        needed = nft_tables.families(desired)
        others = foreign_checks.untouched(socket, register, needed)
        if others is None:
            ensure_loaded(socket, register, needed)
            others = foreign_checks.look(socket, register, desired.bridge)
        with register.transaction():
            claimed = _claim(register, attachment, desired, others)
            doubted = register.doubt() if is_running else ()
        with register.transaction():
            register.trust(doubted)
            _apply(socket, register, attachment, claimed)
        connections.forget(socket, () if is_running else desired.addresses, claimed.own)
        if claimed.is_stricter:
            subnets = [(address.first(each), address.last(each)) for each in desired.subnets]
            connections.forget_subnets(socket, subnets)
    finally:
        socket.close()
    foreign_checks.warn(attachment, claimed.others)
    return claimed.own


def without_ports(desired: Firewall) -> Firewall:
    """Return what can be applied before the container has addresses that ports could lead to."""
    return replace(desired, rules=replace(desired.rules, ports=()))


def remove(
    register: "Register",
    find: "Callable[[], Sequence[Attachment]]",
    addresses: "Iterable[bytes]" = (),
) -> Netfilter:
    """Remove all elements of the attachments; their identity is all that is needed.

    `find` returns them, with the ledger locked: another run may have added some again meanwhile.

    Then no connection of them is tracked any more; `addresses` are theirs as far as they are known.

    Close the returned socket after everything else is removed: closing it waits until the kernel
    has destroyed what was deleted.
    """
    socket = Netfilter()
    own: list[Element] = []
    try:
        try:
            ensure_loaded(socket, register)
        except (errors.FirewallRefused, errors.TryAgainLater):
            pass  # restoring the rules of other attachments is not this removal's task
        with register.transaction():
            attachments = find()
            own = _of_all(register, attachments)
            _remove(socket, register, attachments, own)
    except errors.LedgerUnusable:  # readable, but not writable
        _take_out(socket, own or _of_all(register, find()))
        raise
    connections.forget(socket, (*addresses, *nft_elements.addresses_of(own)))
    return socket


def problems(register: "Register", planned: Plan) -> "Iterator[str]":
    """Yield every difference between the plan, the ledger and the kernel."""
    desired = _firewall(planned)
    if not register.has(planned.attachment):
        yield "ledger: expected a record of the firewall, found none"
        return
    own = dict.fromkeys(register.of_attachment(planned.attachment))  # may be 200,000
    lacking = [item for item in nft_elements.of_attachment(desired) if item not in own]
    for item in _unrecorded(lacking, (*own, *register.waiting(planned.attachment))):
        yield f"ledger: expected {nft_elements.describe(item)}, found none"
    hidden = _hidden(register.intervals((desired.bridge,)))
    shared = [item for item in nft_elements.of_network(desired) if item not in hidden]
    socket = Netfilter()
    for family, some in nft_tables.by_family((*shared, *own)).items():
        yield from nft_tables.problems(socket, family, register.ruleset(family), some)
    yield from foreign_checks.problems(socket, desired.bridge)
    yield from loopback.problems(desired)


def _unrecorded(lacking: "list[Element]", recorded: tuple[Element, ...]) -> "Iterator[Element]":
    """Yield which of these elements the ledger lacks; a port may be recorded in other parts.

    What is left open in the config has got a number.
    """
    yield from (item for item in lacking if not nft_elements.is_port(item))
    fixed = [
        item for item in lacking if nft_elements.is_port(item) and nft_elements.port_of(item)[1]
    ]
    if fixed:
        yield from nft_elements.uncovered(fixed, recorded)


def rehearse(register: "Register", bridge: str) -> None:
    """Raise FirewallRefused if the rules can't be loaded, LimitedConnectivity if they are not as
    they were loaded foreign rules drop what they allow, or the host's 127.0.0.1 lacks its filter."""
    nft_tables.find_nft()
    socket = Netfilter()
    generation = nftables.generation(socket)
    for family in register.rulesets():
        is_used = not register.counts().keys().isdisjoint(nft_tables.SETS[family])
        if is_used and not is_loaded(socket, register, family, generation):
            raise errors.LimitedConnectivity(
                f"nftables table {nft_tables.FAMILY_NAMES[family]} {nft_tables.TABLE} is not as cni-bridge "
                "left it: another program removed or replaced rules or elements",
                "containers are not protected: `cni-bridge restore` or the next ADD loads them again",
            )
    if register.answers_on_loopback(bridge):
        loopback.rehearse(bridge)
    foreign_checks.rehearse(bridge)


def restore(register: "Register") -> None:
    """Rewrite every table from the ledger. Raises FirewallRefused, KernelRefused."""
    socket = Netfilter()
    everything = register.everything()
    if not everything:
        return
    families = nft_tables.by_family(everything)
    found = foreign_checks.Others(generation=0)  # no matter where only bridges are filtered
    if nftables.NFPROTO_INET in families:
        found = foreign_checks.look(socket, register)
    with register.transaction():
        register.insert_accepting(found.places)
        register.insert_shared(found.marked)
    for family in families:
        turn = nft_tables.begin_loading()
        try:
            _load(socket, register, family)
        finally:
            posix.close(turn)
    with register.transaction():
        foreign.accept(socket, found.places)
    loopback.restore(everything)


# ---------------------------------------------------------------- without the ledger's lock


def ensure_loaded(socket: Netfilter, register: "Register", families: tuple[int, ...] = ()) -> None:
    """Load the tables that are needed, or were ever, if they are not as recorded.

    Raises FirewallRefused, TryAgainLater.
    """
    generation = nftables.generation(socket)
    for family in dict.fromkeys((*families, *register.rulesets())):
        if is_loaded(socket, register, family, generation) or (
            family not in families and register.counts().keys().isdisjoint(nft_tables.SETS[family])
        ):
            continue
        turn = nft_tables.begin_loading()
        try:
            # Another process may have done it meanwhile.
            if not is_loaded(socket, register, family, nftables.generation(socket)):
                _load(socket, register, family)
        finally:
            posix.close(turn)


def _load(socket: Netfilter, register: "Register", family: int) -> None:
    """Load a table's rules, then fill it from the ledger."""
    loaded = nft_tables.load(socket, family, machine.boot_id())
    with register.transaction():
        register.loaded(family, loaded)
        _fill(socket, register, family)


# ---------------------------------------------------------------- with the ledger locked


def _claim(
    register: "Register",
    attachment: Attachment,
    desired: Firewall,
    others: "foreign_checks.Others",
) -> Claimed:
    assigned = port_assignment.assign_ports(register, attachment, desired)
    network, own = nft_elements.of_network(assigned), nft_elements.of_attachment(assigned)
    before = register.of_network(attachment.network)
    held = register.insert(attachment, network, own)
    register.insert_accepting(others.places)
    register.insert_shared(others.marked)
    port_assignment.refuse_bound(attachment, assigned, desired)
    return Claimed(
        firewall=assigned,
        network=network,
        own=held,
        is_stricter=bool(before) and not nft_elements.flags(network) <= nft_elements.flags(before),
        others=others,
    )


def _apply(
    socket: Netfilter, register: "Register", attachment: Attachment, claimed: Claimed
) -> None:
    if not register.has(attachment):
        raise errors.TryAgainLater(f"{attachment.container} was deleted while it was being added")
    desired, network = claimed.firewall, claimed.network
    dropped = nft_tables.by_family(register.drop_flags(attachment.network, network))
    must_fill = bool(_hidden(register.intervals((desired.bridge,))))
    before, commits = nftables.generation(socket), socket.commits
    if claimed.others.places:
        foreign.accept(socket, claimed.others.places)
    sound = []
    for family, some in nft_tables.by_family(
        (*network, *claimed.own, *claimed.others.marked)
    ).items():
        change = Change(
            family=family,
            added=tuple(some),
            removed=tuple(dropped.get(family, ())),
            fills=must_fill,
        )
        if is_sound := is_loaded(socket, register, family, before):
            sound.append(family)
        reconcile(socket, register, change, is_loaded=is_sound)
    loopback.ensure(desired)
    if claimed.others.generation == before and not claimed.others.remaining:
        note_generation(socket, register, sound, (before, commits))


def _remove(
    socket: Netfilter,
    register: "Register",
    attachments: "Sequence[Attachment]",
    own: "Sequence[Element]",
) -> None:
    publishing = _bridges(register, attachments) if any(item.data for item in own) else set()
    gone = register.delete(attachments)
    successors = nft_tables.by_family(register.hand_over(gone))
    # No rule keeps these bridges from the host's loopback any more, or no port answers there.
    unused = {nft_elements.bridge_of(item) for item in gone if item.set_name == "bridges"}
    for bridge in unused | publishing:
        if bridge in unused or not register.answers_on_loopback(bridge):
            loopback.close(bridge)
        else:
            loopback.guard(bridge)
    subnets = [item for item in gone if item.set_name in nft_elements.INTERVALS]
    remaining = register.intervals(map(nft_elements.bridge_of, subnets))
    must_fill = bool(_hidden((*subnets, *remaining)))
    before, commits = nftables.generation(socket), socket.commits
    for family, some in nft_tables.by_family(gone).items():
        change = Change(
            family=family,
            added=tuple(successors.get(family, ())),
            removed=tuple(some),
            fills=must_fill,
        )
        is_sound = is_loaded(socket, register, family, before)
        try:
            reconcile(socket, register, change, is_loaded=is_sound)
        except errors.FirewallRefused:
            # The elements may have gone with the table; restoring those of other attachments is
            # not this removal's task.
            if nft_tables.handle(socket, family) is not None:
                reconcile(socket, register, change, is_loaded=True)
    if chains := register.delete_accepting():
        foreign.withdraw(socket, chains)
    note_generation(socket, register, (), (before, commits))


def _of_all(register: "Register", attachments: "Iterable[Attachment]") -> list[Element]:
    return [item for attachment in attachments for item in register.of_attachment(attachment)]


def _bridges(register: "Register", attachments: "Iterable[Attachment]") -> "set[str]":
    """Return the bridges of the attachments' networks."""
    return {
        nft_elements.bridge_of(item)
        for network in {each.network for each in attachments}
        for item in register.of_network(network)
        if item.set_name == "bridges"
    }


def is_loaded(socket: Netfilter, register: "Register", family: int, generation: int) -> bool:
    """Return whether a table is as recorded; looks at it only if nftables changed since."""
    known, boot_id = register.ruleset(family), machine.boot_id()
    if nft_tables.is_untouched(family, known, boot_id, generation):
        return True
    is_ours = nft_tables.is_loaded(socket, family, known, boot_id)
    return is_ours and nft_tables.has_all(socket, family, register.counts())


def note_generation(
    socket: Netfilter, register: "Register", sound: "Collection[int]", start: tuple[int, int]
) -> None:
    """Record the generation if nothing but this run has changed nftables."""
    before, commits = start
    after = nftables.generation(socket)
    if after == before + socket.commits - commits:
        register.advance(sound, before, after)


def _take_out(socket: Netfilter, own: "Iterable[Element]") -> None:
    """Delete from the kernel what it has of these elements, without the ledger."""
    for family, some in nft_tables.by_family(own).items():
        there = [item for item in some if nft_tables.holds(socket, family, item)]
        nft_tables.change(socket, family, (), there)


def reconcile(socket: Netfilter, register: "Register", change: Change, *, is_loaded: bool) -> None:
    """Change a table's elements or, if it is not as recorded, reload it from the ledger."""
    family = change.family
    if is_loaded and not change.fills:
        try:
            nft_tables.change(socket, family, change.added, change.removed)
            return
        except KernelError:
            pass  # changed by another program
    if not (is_loaded and change.fills):
        register.loaded(family, nft_tables.load(socket, family, machine.boot_id()))
    _fill(socket, register, family)


def _fill(socket: Netfilter, register: "Register", family: int) -> None:
    """Replace all elements of a table by those in the ledger. Raises FirewallRefused."""
    everything = nft_tables.by_family(register.everything()).get(family, [])
    hidden = _hidden(item for item in everything if item.set_name in nft_elements.INTERVALS)
    try:
        nft_tables.fill(socket, family, [item for item in everything if item not in hidden])
    except KernelError as error:
        raise nft_tables.refusal(error) from error


def _hidden(subnets: "Iterable[Element]") -> "set[Element]":
    """Return the subnets that the kernel must not get, because others contain them."""
    listed = set(subnets)
    return listed - nft_elements.effective(listed)


def _firewall(planned: Plan) -> Firewall:
    assert planned.firewall is not None, "called only for networks that use the firewall"
    return planned.firewall
