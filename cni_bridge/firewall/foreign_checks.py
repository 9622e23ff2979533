"""The firewalls of others on this host: when they are looked at, and who hears of what is found.

What stands in the way, and the one rule against it, is in `parts.foreign`.
"""

import posix

from cni_bridge import errors
from cni_bridge.firewall import foreign, tables
from cni_bridge.kernel import machine, nftables
from cni_bridge.kernel.nftables import NFPROTO_INET, Netfilter
from cni_bridge.lean.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.firewall.register import Register
    from cni_bridge.model import Attachment


@record
class Others:
    """What was in the way at one generation of nftables."""

    generation: int
    places: tuple[str, ...] = ()  # the chains that are to have a rule of ours
    remaining: "tuple[foreign.Obstacle, ...]" = ()  # where none can be put


def look(socket: Netfilter, register: "Register", *bridges: str) -> Others:
    """Look, unless nobody has changed anything since all was well; record where rules will be.

    To be called with the ledger locked, in a transaction before that of the rules.
    """
    generation = nftables.generation(socket)
    known = register.ruleset(NFPROTO_INET)
    if tables.is_untouched(NFPROTO_INET, known, machine.boot_id(), generation):
        return Others(generation=generation)
    found = foreign.obstacles(socket, *bridges)
    places = tuple(item.place for item in found if item.place)
    register.insert_accepting(places)
    remaining = tuple(item for item in found if not item.place)
    return Others(generation=generation, places=places, remaining=remaining)


def warn(attachment: "Attachment", found: Others) -> None:
    """Tell the runtime's log: the container is attached, but somebody's rules are in its way."""
    for item in found.remaining:
        who = f"{attachment.container} {attachment.ifname}"
        posix.write(2, f"cni-bridge ADD {who}: {item}; {item.remedy}\n".encode(errors="replace"))


def rehearse(bridge: str) -> None:
    """Raise LimitedConnectivity if others drop what our rules allow, and no rule can help."""
    remaining = [item for item in foreign.obstacles(Netfilter(), bridge) if not item.place]
    if remaining:
        raise errors.LimitedConnectivity(
            f"{remaining[0]}: containers on {bridge} don't get through",
            "\n".join(item.remedy for item in remaining),
        )


def problems(socket: Netfilter, bridge: str) -> "Iterator[str]":
    """Every chain that lacks the rule of ours that it could have."""
    for item in foreign.obstacles(socket, bridge):
        if item.place:
            yield (
                f"nftables chain {item.place}: expected to accept the mark {foreign.MARK:#x}, "
                f"found no such rule, and {item}"
            )
