"""Decides when foreign firewalls are inspected, and reports what they drop.

The inspection itself, and the one rule that helps, are in `firewall.foreign`.
"""

import posix

from cni_bridge import errors
from cni_bridge.firewall import foreign, nft_elements, nft_tables
from cni_bridge.kernel import machine, nftables
from cni_bridge.kernel.nftables import NFPROTO_INET, Netfilter
from cni_bridge.lean.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.firewall.model import Element
    from cni_bridge.firewall.register import Register
    from cni_bridge.model import Attachment


@record
class Others:
    """The foreign chains that drop containers' packets, at one generation of nftables."""

    generation: int
    places: tuple[str, ...] = ()  # chains that must have our rule
    marked: "tuple[Element, ...]" = ()  # families whose packets must carry our mark
    remaining: "tuple[foreign.Obstacle, ...]" = ()  # chains that our rule can't be added to


def untouched(
    socket: Netfilter, register: "Register", families: "tuple[int, ...]"
) -> "Others | None":
    """Return that no chain drops packets if only cni-bridge has changed nftables; None otherwise.

    Then no table needs to be loaded either: those of these families, and all that ever were.
    """
    generation, known, boot_id = nftables.generation(socket), register.rulesets(), machine.boot_id()
    is_untouched = all(
        nft_tables.is_untouched(family, known.get(family), boot_id, generation)
        for family in (*families, *known)
    )
    return Others(generation=generation) if is_untouched else None


def look(socket: Netfilter, register: "Register", *bridges: str) -> Others:
    """Inspect foreign chains if nftables has changed; the caller records which of them get our rule.

    Call without the ledger locked: with thousands of foreign rules it takes seconds.
    """
    generation = nftables.generation(socket)
    known = register.ruleset(NFPROTO_INET)
    if nft_tables.is_untouched(NFPROTO_INET, known, machine.boot_id(), generation):
        return Others(generation=generation)
    dropping = foreign.inspect(socket, *bridges)
    found = [each.obstacle for each in dropping if each.obstacle]
    overtaken = [place for place in register.accepting() if foreign.is_overtaken(socket, place)]
    return Others(
        generation=generation,
        places=tuple(dict.fromkeys([*(item.place for item in found if item.place), *overtaken])),
        marked=nft_elements.of_families(family for each in dropping for family in each.families),
        remaining=tuple(item for item in found if not item.place),
    )


def warn(attachment: "Attachment", found: Others) -> None:
    """Write to the runtime's log which foreign rules drop the packets of an attached container."""
    for item in found.remaining:
        who = f"{attachment.container} {attachment.ifname}"
        posix.write(2, f"cni-bridge ADD {who}: {item}; {item.remedy}\n".encode(errors="replace"))


def rehearse(bridge: str) -> None:
    """Raise LimitedConnectivity if a foreign chain drops allowed packets and can't get our rule."""
    remaining = [item for item in foreign.obstacles(Netfilter(), bridge) if not item.place]
    if remaining:
        raise errors.LimitedConnectivity(
            f"{remaining[0]}: packets of containers on {bridge} are dropped",
            "\n".join(item.remedy for item in remaining),
        )


def problems(socket: Netfilter, bridge: str) -> "Iterator[str]":
    """Yield every foreign chain that should have our rule and lacks it."""
    for item in foreign.obstacles(socket, bridge):
        if item.place:
            yield (
                f"nftables chain {item.place}: expected to accept the mark {foreign.MARK:#x}, "
                f"found no such rule, and {item}"
            )
