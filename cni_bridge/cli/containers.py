"""Find a container by what people call it: a namespace's name or path, a process, or an id."""

import os

from cni_bridge import address
from cni_bridge.cli import conflists, container_names
from cni_bridge.cli.container_names import Known
from cni_bridge.edge.config import STATE_DIR
from cni_bridge.errors import InvalidConfig
from cni_bridge.lean.record import record
from cni_bridge.ledger import store
from cni_bridge.model import Holding

NAMESPACES = "/run/netns"  # iproute2's


@record
class Target:
    """A container's id, and the path of its network namespace; empty if that is gone."""

    container: str
    netns_path: str


def find(which: str) -> Target:
    """Return the container that `which` means. Raises InvalidConfig."""
    holdings = _holdings()
    path = _path(which)
    if os.path.exists(path):
        there = os.stat(path).st_ino
        known = next(
            (each.attachment.container for each in holdings if each.netns.inode == there), ""
        )
        return Target(container=known or _id(which), netns_path=path)
    named = container_names.matching(which, map(_known, holdings))
    if len(named) > 1:
        raise InvalidConfig(f"{which} may be any of: {', '.join(sorted(named))}")
    if not named:
        raise InvalidConfig(
            f"no network namespace and no container is named {which}",
            f"`ip netns add {which}` makes one; or give a path, or the id of a process",
        )
    (container,) = named
    path = next(each.netns.path for each in holdings if each.attachment.container == container)
    return Target(container=container, netns_path=path if os.path.exists(path) else "")


def _known(holding: Holding) -> Known:
    container, path = holding.attachment.container, holding.netns.path
    names = container_names.name(container, path), os.path.basename(path)
    addresses = (address.text(lease.address.ip) for lease in holding.leases)
    return Known(container=container, names=names, addresses=tuple(addresses))


def _path(which: str) -> str:
    if which.isdecimal():
        return f"/proc/{which}/ns/net"
    return which if "/" in which else f"{NAMESPACES}/{which}"


def _id(which: str) -> str:
    return f"process-{which}" if which.isdecimal() else os.path.basename(which)


def _holdings() -> tuple[Holding, ...]:
    ledgers = (store.find_ledger(each) for each in conflists.ledgers(STATE_DIR))
    return tuple(holding for each in ledgers if each for holding in each.holdings())
