"""The nftables tables: loads their static rules, and adds, finds and removes elements of their sets.

The ledger decides which elements there should be.
"""

import posix
from _stat import S_ISREG
from fcntl import LOCK_EX, flock

from cni_bridge import errors
from cni_bridge.firewall import nft_elements
from cni_bridge.firewall.model import Element, Firewall, Ruleset
from cni_bridge.kernel import child, nftables, signals
from cni_bridge.kernel.netlink import KernelError
from cni_bridge.kernel.nftables import NFPROTO_BRIDGE, NFPROTO_INET
from cni_bridge.lean import bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TypeGuard

    from cni_bridge.kernel.netlink import Request
    from cni_bridge.kernel.nftables import Netfilter

TABLE = "cni_bridge"
FAMILY_NAMES = {NFPROTO_INET: "inet", NFPROTO_BRIDGE: "bridge"}
# The file with each table's rules, and a digest of its text: a table that was loaded from other text
# is loaded again.
RULES = {
    NFPROTO_INET: ("firewall/ruleset.nft", "5fd65eb127c533b9"),
    NFPROTO_BRIDGE: ("firewall/spoof.nft", "c15241d8d6ebd2a0"),
}
SETS = {
    NFPROTO_INET: (
        *nft_elements.HOST_SETS,
        *nft_elements.NETWORK_SETS,
        *nft_elements.ADDRESS_SETS,
        *nft_elements.PORT_MAPS,
    ),
    NFPROTO_BRIDGE: nft_elements.BRIDGE_SETS,
}
# Searched after PATH, which often lacks the administrator's directories in services.
TOOL_DIRS = ("/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin")
COMPLAINT_LIMIT = 1000
PATIENCE_MS = 30_000
OWN_NETNS = "/proc/self/ns/net"


def by_family(mixed: "Iterable[Element]") -> dict[int, list[Element]]:
    """Group elements by the family of their table; tables without elements are left out."""
    sorted_out: dict[int, list[Element]] = {}
    for item in mixed:
        family = NFPROTO_BRIDGE if item.set_name in nft_elements.BRIDGE_SETS else NFPROTO_INET
        sorted_out.setdefault(family, []).append(item)
    return sorted_out


def families(desired: Firewall) -> tuple[int, ...]:
    """Return the families of the tables that have elements for it."""
    rules = desired.rules
    is_checked = rules.checks_mac or rules.checks_ip or not rules.allows_icc
    return (NFPROTO_INET, NFPROTO_BRIDGE) if is_checked else (NFPROTO_INET,)


def handle(socket: "Netfilter", family: int) -> int | None:
    """Return the handle that tells our table from another one of its name; None if there is none."""
    return nftables.handle(socket, family, TABLE)


def is_untouched(family: int, known: Ruleset | None, boot_id: str, generation: int) -> bool:
    """Return whether only cni-bridge has changed nftables since this table was last found intact."""
    return _is_current(known, family, boot_id) and known.generation == generation


def is_loaded(socket: "Netfilter", family: int, known: Ruleset | None, boot_id: str) -> bool:
    """Return whether the table is the one that the ledger knows, with the rules of this version.

    Its rules are compared, because one that was replaced or flushed leaves no other trace.
    """
    return (
        _is_current(known, family, boot_id)
        and known.handle == handle(socket, family)
        and known.rules == nftables.fingerprint(socket, family, TABLE)
    )


def has_all(socket: "Netfilter", family: int, expected: "Mapping[str, int]") -> bool:
    """Return whether each set of the table has at least as many elements as expected."""
    from cni_bridge.kernel import nflisting  # only if another program has changed nftables

    return all(
        nflisting.count(socket, family, TABLE, name) >= number
        for name, number in expected.items()
        if name in SETS[family]
    )


def begin_loading() -> int:
    """Wait until no other process loads rules in this network namespace; return what to close after.

    Not the ledger's lock: nft may take long, and other networks do not need it.
    """
    descriptor = posix.open(OWN_NETNS, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        signals.limit(PATIENCE_MS * 2 // 1000, _give_up)
        flock(descriptor, LOCK_EX)
        signals.limit(0, _give_up)
    except BaseException:
        posix.close(descriptor)
        raise
    return descriptor


def _give_up(_number: int, _frame: object) -> None:
    raise errors.TryAgainLater(
        "another process has been loading the firewall's rules for a minute",
        "`nft -f` of cni-bridge hangs: look for it with `ps`, and stop it",
    )


def load(socket: "Netfilter", family: int, boot_id: str) -> Ruleset:
    """Load the rules and keep the elements. Raises FirewallRefused."""
    file, digest = RULES[family]
    _run_nft(file)
    loaded = handle(socket, family)
    if loaded is None:
        raise errors.FirewallRefused(f"nftables table {TABLE} vanished while it was loaded")
    rules = nftables.fingerprint(socket, family, TABLE)
    return Ruleset(boot_id=boot_id, digest=digest, handle=loaded, rules=rules)


def change(
    socket: "Netfilter", family: int, added: "Iterable[Element]", removed: "Iterable[Element]"
) -> None:
    """Change a table's elements in one transaction. Raises KernelError."""
    socket.commit(
        *nftables.delete(family, TABLE, removed),
        *nftables.add(family, TABLE, added),
    )


def holds(socket: "Netfilter", family: int, item: Element) -> bool:
    """Return whether our table has that element."""
    return nftables.contains(socket, family, TABLE, item)


def fill(socket: "Netfilter", family: int, everything: "Iterable[Element]") -> None:
    """Replace all elements of a table by these, in one transaction. Raises KernelError."""
    emptied: list[Request] = [nftables.flush(family, TABLE, name) for name in SETS[family]]
    socket.commit(*emptied, *nftables.add(family, TABLE, everything))


def problems(
    socket: "Netfilter", family: int, known: Ruleset | None, expected: "Iterable[Element]"
) -> "Iterator[str]":
    """Yield every difference between the expected table and the kernel's."""
    name = f"nftables table {FAMILY_NAMES[family]} {TABLE}"
    found = handle(socket, family)
    if known is None or found is None:
        yield f"{name}: expected to exist, found none"
        return
    if found != known.handle:
        yield f"{name}: expected the one that was loaded, found another"
    if nftables.fingerprint(socket, family, TABLE) != known.rules:
        yield f"{name}: expected the loaded rules, found others"
    for item in expected:
        if not holds(socket, family, item):
            yield f"{name}: expected {nft_elements.describe(item)}, found none"


def refusal(error: KernelError) -> errors.FirewallRefused:
    """Turn the kernel's refusal into a CNI error."""
    return errors.FirewallRefused(
        f"nftables refused: {error}",
        "run `nft list ruleset`; a table `cni_bridge` of another program would be the reason",
    )


def find_nft() -> str:
    """Return the path of nft. Raises FirewallRefused."""
    search = posix.environ.get(b"PATH", b"").decode(errors="surrogateescape").split(":")
    for directory in (*filter(None, search), *TOOL_DIRS):
        path = f"{directory}/nft"
        try:
            if S_ISREG(posix.stat(path).st_mode) and posix.access(path, posix.X_OK):
                return path
        except (OSError, ValueError):
            continue
    raise errors.FirewallRefused(
        "nft is not installed",
        "install nftables: ipMasq, portMappings, isolation and spoof checks need it to load their rules",
    )


def _is_current(known: Ruleset | None, family: int, boot_id: str) -> "TypeGuard[Ruleset]":
    return known is not None and (known.boot_id, known.digest) == (boot_id, RULES[family][1])


def _run_nft(file: str) -> None:
    try:
        done = child.run((find_nft(), "-f", "-"), bundle.data(file), timeout_ms=PATIENCE_MS)
    except TimeoutError:
        raise errors.FirewallRefused(
            f"nft did not finish within {PATIENCE_MS // 1000} s",
            "the host is overloaded, or another program keeps changing nftables: try again",
        ) from None
    except OSError as error:
        raise errors.FirewallRefused("cannot execute nft", str(error)) from error
    if done.status:
        complaint = done.stderr.decode(errors="replace").strip()[:COMPLAINT_LIMIT]
        raise errors.FirewallRefused(
            f"nft refused the firewall's rules: exit status {done.status}",
            f"{complaint}\nThe firewall needs a kernel with nf_tables and NAT, and nft 1.0 or newer; a "
            "network without ipMasq, portMappings, isolation and spoof checks needs no firewall.",
        )
