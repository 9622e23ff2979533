"""Decide which blocks a member should take, keep and give back.

Pure: from the view, the ledger's rows and how long other hosts have been absent.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from random import Random

from cni_bridge.address import Prefix, contains, first, offset
from cni_bridge.cluster.model import Block, Host, Pool, Settings, View
from cni_bridge.lean.record import record
from cni_bridge.ledger.block_leases import Leased

TRIES = 64  # at random, before a pool is searched
ALL = 1 << 16  # blocks of a pool that are searched one by one


@record
class Claim:
    """A block to lease; `seen` is its record where there is one."""

    subnet: Prefix
    seen: Block | None


@record
class Decision:
    """What to do, in this order.

    `claims`: to be leased, each before it is published. `kept`: to be published for as long as the
    membership lasts. `lost`: containers have addresses of these, but they are another host's now.
    `surplus`: empty and not needed. `stale`: in the ledger, empty, and not this host's.
    """

    claims: tuple[Claim, ...]
    kept: tuple[Prefix, ...]
    lost: tuple[Prefix, ...]
    surplus: tuple[Block, ...]
    stale: tuple[Prefix, ...]
    exhausted: tuple[Pool, ...]  # pools of which one more block is needed, and none can be had


def decide(
    me: Host,
    view: View,
    rows: Sequence[Leased],
    settings: Settings,
    *,
    ripe: Container[str],
    random: Random,
) -> Decision:
    """Return what this host should do now. `ripe` are the hosts that have been absent for the grace.

    A block that is this host's in the store but not in the ledger is leased again before use: a request
    to give it back may still be under way, and must not take effect later.
    """
    own = {block.subnet: block for block in _blocks_of(me, view, settings)}
    here = {row.subnet: row for row in rows if row.boot_id == me.boot_id}
    kept = [each for each in here if each in own and own[each].boot_id == me.boot_id]
    claims = [Claim(subnet=each, seen=own[each]) for each in own if each not in kept]
    used = [each for each in here if here[each].used and each not in own]
    taken = view.blocks.keys() | view.malformed.values()
    claims += [Claim(subnet=each, seen=None) for each in used if each not in taken]
    surplus: list[Block] = []
    exhausted: list[Pool] = []
    for pool in settings.pools:
        if any(contains(pool.subnet, each.subnet.ip) for each in claims):
            continue  # wait for the outcome of those
        mine = [here[each] for each in kept if contains(pool.subnet, each.ip)]
        if _free(mine) < settings.low_water:
            claims += (found := _another(pool, view, ripe, random))
            exhausted += [] if found else [pool]
        else:
            surplus += (own[each.subnet] for each in _spare(mine, settings.low_water))
    return Decision(
        claims=tuple(claims),
        kept=tuple(kept),
        lost=tuple(each for each in used if each in view.blocks),
        surplus=tuple(surplus),
        stale=tuple(row.subnet for row in rows if row.subnet not in own and not row.used),
        exhausted=tuple(exhausted),
    )


def _blocks_of(me: Host, view: View, settings: Settings) -> Iterator[Block]:
    """Yield this host's blocks in the store; one of another size was not written by an agent."""
    for subnet, block in view.blocks.items():
        if block.host == me.id and is_cut_from(settings.pools, subnet):
            yield block


def is_cut_from(pools: Sequence[Pool], subnet: Prefix) -> bool:
    """Return whether a subnet has a pool's block size; without pools (`ranges`: node) any has."""
    sizes = [pool.length for pool in pools if contains(pool.subnet, subnet.ip)]
    return subnet.length in sizes or not pools


def ripe(absent: Mapping[str, float], grace: int, now: float) -> frozenset[str]:
    """Return the hosts whose blocks may become another's; `absent` since when, by the same clock as now."""
    return frozenset(host for host, since in absent.items() if now - since >= grace)


def absences(view: View, before: Mapping[str, float], now: float) -> dict[str, float]:
    """Return since when each host with blocks has been seen not to be a member."""
    owners = {block.host for block in view.blocks.values()}
    return {host: before.get(host, now) for host in owners - view.members}


def _free(rows: Sequence[Leased]) -> int:
    return sum(row.size - row.used for row in rows)


def _spare(mine: Sequence[Leased], low_water: int) -> list[Leased]:
    """Return an empty block that can be given back without being needed again at once."""
    empty = [row for row in mine if not row.used]
    free = _free(mine)
    return [row for row in empty if free - row.size >= low_water + row.size // 2][:1]


def _another(pool: Pool, view: View, ripe: Container[str], random: Random) -> list[Claim]:
    """Return a free block or else, of the blocks of ripe hosts, the one unchanged for longest."""
    malformed = view.malformed.values()
    for subnet in _candidates(pool, random):
        if subnet not in view.blocks and subnet not in malformed:
            return [Claim(subnet=subnet, seen=None)]
    left = [
        block
        for block in view.blocks.values()
        if contains(pool.subnet, block.subnet.ip) and block.host in ripe
    ]
    oldest = sorted(left, key=lambda block: block.revision)[:1]
    return [Claim(subnet=block.subnet, seen=block) for block in oldest]


def _candidates(pool: Pool, random: Random) -> Iterator[Prefix]:
    """Yield blocks of a pool at random, so that hosts that start together rarely choose the same one."""
    count = 1 << (pool.length - pool.subnet.length)
    size = 1 << (8 * len(pool.subnet.ip) - pool.length)
    start = first(pool.subnet)
    for _try in range(TRIES):
        yield Prefix(ip=offset(start, random.randrange(count) * size), length=pool.length)
    if count <= ALL:
        begin = random.randrange(count)
        for index in range(count):
            ip = offset(start, (begin + index) % count * size)
            yield Prefix(ip=ip, length=pool.length)
