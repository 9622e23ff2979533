"""What the tests of IPAM ask for: ranges from text, and claims with everything filled in."""

from pathlib import Path

from cni_bridge import address
from cni_bridge.ledger import database, ranges
from cni_bridge.ledger.store import Ledger
from cni_bridge.model import Attachment, Holding, Netns, Range, RangeSet
from cni_bridge.model_optional import Names

NETNS = Netns(path="/run/netns/caf\udce9", device=4, inode=4026532000)
BOOT_ID = "5cf0e4b9-4fd0-4aeb-8b64-1a8a1e8c1f5d"
NOW_MS = 1_700_000_000_123


def quick(state_dir: Path) -> Ledger:
    """Return a ledger that does not wait for the disk."""
    opened = database.created(str(state_dir), 1)
    opened.change("pragma synchronous = off")
    return Ledger(opened)


def range_of(
    subnet: str, start: str | None = None, end: str | None = None, gateway: str | None = None
) -> Range:
    rest = (address.parse(text) if text else None for text in (start, end, gateway))
    return ranges.make_range(address.parse_prefix(subnet), *rest)


def one_set(*args: str) -> tuple[RangeSet, ...]:
    return ((range_of(*args),),)


def attachment(container: str, network: str = "net", ifname: str = "eth0") -> Attachment:
    return Attachment(network=network, container=container, ifname=ifname)


def claim(
    ledger: Ledger,
    who: str | Attachment,
    range_sets: tuple[RangeSet, ...] = (),
    requested: tuple[str, ...] = (),
    host_name: str = "",
    mac: bytes | None = None,
    names: Names | None = None,
) -> Holding:
    if isinstance(who, str):
        who = attachment(who)
    holding = Holding(
        attachment=who,
        host_name=host_name or f"veth-{who.network}-{who.container}-{who.ifname}",
        netns=NETNS,
        boot_id=BOOT_ID,
        created=NOW_MS,
        pid=4711,
        bridge="cni0" if mac else None,
        mac=mac,
    )
    return ledger.claim(
        holding,
        range_sets=range_sets,
        requested=tuple(map(address.parse, requested)),
        names=names,
    )


def addresses(holding: Holding) -> list[str]:
    return [address.text(lease.address.ip) for lease in holding.leases]


def free(ledger: Ledger, network: str, range_set: RangeSet) -> int:
    """How many addresses of a range set are left, as the search for a free one counts them."""
    taken = ledger._counter(network, range_set)
    return sum(high - low + 1 - taken(low, high) for low, high in ranges.sweep(range_set))
