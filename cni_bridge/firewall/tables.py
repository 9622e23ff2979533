"""The nftables tables: loads their static rules, and adds, finds and removes elements of their sets.

The ledger decides which elements there should be.
"""

import posix
from _stat import S_ISREG

from cni_bridge import errors
from cni_bridge.firewall import elements
from cni_bridge.firewall.model import Element, Ruleset
from cni_bridge.kernel import child, nftables
from cni_bridge.kernel.netlink import KernelError
from cni_bridge.kernel.nftables import NFPROTO_BRIDGE, NFPROTO_INET
from cni_bridge.lean import bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeGuard

    from cni_bridge.kernel.netlink import Request
    from cni_bridge.kernel.nftables import Netfilter

TABLE = "cni_bridge"
FAMILY_NAMES = {NFPROTO_INET: "inet", NFPROTO_BRIDGE: "bridge"}
# The file with each table's rules, and a digest of its text: a table that was loaded from other text
# is loaded again.
RULES = {
    NFPROTO_INET: ("firewall/ruleset.nft", "437208e648fa5410"),
    NFPROTO_BRIDGE: ("firewall/spoof.nft", "96607a500f327edc"),
}
SETS = {
    NFPROTO_INET: (*elements.NETWORK_SETS, *elements.ADDRESS_SETS, *elements.PORT_MAPS),
    NFPROTO_BRIDGE: elements.BRIDGE_SETS,
}
# Searched after PATH, which often lacks the administrator's directories in services.
TOOL_DIRS = ("/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin")
COMPLAINT_LIMIT = 1000
PATIENCE_MS = 30_000


def by_family(mixed: "Iterable[Element]") -> dict[int, list[Element]]:
    """Group elements by the family of their table; tables without elements are left out."""
    sorted_out: dict[int, list[Element]] = {}
    for item in mixed:
        family = NFPROTO_BRIDGE if item.set_name in elements.BRIDGE_SETS else NFPROTO_INET
        sorted_out.setdefault(family, []).append(item)
    return sorted_out


def handle(socket: "Netfilter", family: int) -> int | None:
    """Return the handle that tells our table from another one of its name; None if there is none."""
    return nftables.handle(socket, family, TABLE)


def is_untouched(family: int, known: Ruleset | None, boot_id: str, generation: int) -> bool:
    """Return whether only cni-bridge has changed nftables since this table was last found intact."""
    return _is_current(known, family, boot_id) and known.generation == generation


def is_loaded(socket: "Netfilter", family: int, known: Ruleset | None, boot_id: str) -> bool:
    """Return whether the table is the one that the ledger knows, with the rules of this version.

    Rules are counted, because a flushed chain leaves no other trace.
    """
    return (
        _is_current(known, family, boot_id)
        and known.handle == handle(socket, family)
        and known.rules == nftables.count_rules(socket, family, TABLE)
    )


def load(socket: "Netfilter", family: int, boot_id: str) -> Ruleset:
    """Load the rules and keep the elements. Raises FirewallRefused."""
    file, digest = RULES[family]
    _run_nft(file)
    loaded = handle(socket, family)
    if loaded is None:
        raise errors.FirewallRefused(f"nftables table {TABLE} vanished while it was loaded")
    rules = nftables.count_rules(socket, family, TABLE)
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
    rules = nftables.count_rules(socket, family, TABLE)
    if rules != known.rules:
        yield f"{name}: expected {known.rules} rules, found {rules}"
    for item in expected:
        if not holds(socket, family, item):
            yield f"{name}: expected {elements.describe(item)}, found none"


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
    except OSError as error:
        raise errors.FirewallRefused("cannot execute nft", str(error)) from error
    if done.status:
        complaint = done.stderr.decode(errors="replace").strip()[:COMPLAINT_LIMIT]
        raise errors.FirewallRefused(
            f"nft refused the firewall's rules: exit status {done.status}",
            f"{complaint}\nThe firewall needs a kernel with nf_tables and NAT, and nft 1.0 or newer; a "
            "network without ipMasq, portMappings, isolation and spoof checks needs no firewall.",
        )
