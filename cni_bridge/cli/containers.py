"""Find a container by what people call it: a namespace's name or path, a process, or an id."""

import os
from collections.abc import Iterable, Mapping
from contextlib import closing

from cni_bridge import address
from cni_bridge.cli import conflists, container_names, units
from cni_bridge.cli.container_names import Known
from cni_bridge.edge.config import STATE_DIR
from cni_bridge.errors import InvalidConfig
from cni_bridge.kernel.netlink import Socket
from cni_bridge.lean.record import record
from cni_bridge.ledger import container_names as recorded_names
from cni_bridge.ledger import store
from cni_bridge.ledger.container_names import LAB_PREFIX
from cni_bridge.ledger.store import Ledger
from cni_bridge.model import Holding
from cni_bridge.recovery import stale

NAMESPACES = "/run/netns"  # iproute2's


@record
class Target:
    """A container's id, the path of its network namespace, empty if that is gone, and its name."""

    container: str
    netns_path: str
    title: str  # what to call it
    name: str = ""  # the best one, NAMESPACE/NAME of a pod; empty if it has none
    networks: tuple[str, ...] = ()


def find(which: str, conf_dir: str = conflists.DIRECTORY) -> Target:
    """Return the container that `which` means, to the ledgers of a directory's networks too.

    Raises InvalidConfig.
    """
    ledgers = _ledgers(conf_dir)
    holdings = [holding for each in ledgers for holding in each.holdings()]
    names = container_names.of_ledgers(ledgers)
    titles = container_names.titles(names)
    path = _path(which)
    if os.path.exists(path):
        container = _recorded(path, holdings) or _id(which)
        return Target(
            container=container,
            netns_path=path,
            title=titles.get(container, container),
            name=next(iter(names.get(container, ())), recorded_names.of_namespace(path)),
            networks=_networks(container, holdings),
        )
    named = container_names.matching(which, (_known(each, names) for each in holdings))
    if len(named) > 1:
        meant = ", ".join(sorted(titles[each] for each in named))
        raise InvalidConfig(f"{which} may be any of several containers", f"containers: {meant}")
    if not named:
        raise InvalidConfig(
            f"no network namespace and no container is named {which}",
            f"`ip netns add {which}` makes one; or give a path, or the id of a process",
        )
    (container,) = named
    path = next(each.netns.path for each in holdings if each.attachment.container == container)
    return Target(
        container=container,
        netns_path=path if os.path.exists(path) else "",
        title=titles[container],
        name=next(iter(names[container]), ""),
        networks=_networks(container, holdings),
    )


def _networks(container: str, holdings: Iterable[Holding]) -> tuple[str, ...]:
    own = (each.attachment for each in holdings if each.attachment.container == container)
    return tuple(dict.fromkeys(each.network for each in own))


def _recorded(path: str, holdings: Iterable[Holding]) -> str:
    """Return the container whose namespace a path leads to; empty if none is recorded.

    The kernel gives the number of a namespace that is gone to a new one.
    """
    there = os.stat(path).st_ino
    found = [each for each in holdings if each.netns.inode == there]
    if not found:
        return ""
    with closing(Socket()) as host:
        gone = [each for each, _ in stale.provably_gone(host, found)]
    living = (each for each in found if each not in gone)
    lost = (each for each in gone if each.netns.path == path)
    return next((each.attachment.container for each in (*living, *lost)), "")


def described() -> dict[str, str]:
    """Return what to call each recorded container, with its networks and addresses."""
    ledgers = _ledgers()
    names = container_names.of_ledgers(ledgers)
    found: dict[str, list[str]] = {}
    for holding in (each for ledger in ledgers for each in ledger.holdings()):
        container = holding.attachment.container
        held = (address.text(lease.address.ip) for lease in holding.leases)
        title = names[container][0] if names[container] else units.short(container)
        found.setdefault(title, []).append(" ".join((holding.attachment.network, *held)))
    return {title: ", ".join(facts) for title, facts in found.items()}


def namespaces() -> list[str]:
    """Return the names of network namespaces that people have made."""
    try:
        listed = sorted(os.listdir(NAMESPACES))
    except OSError:
        return []
    return [each for each in listed if recorded_names.of_namespace(f"{NAMESPACES}/{each}")]


def _ledgers(conf_dir: str = conflists.DIRECTORY) -> list[Ledger]:
    directories = conflists.ledgers(STATE_DIR, conf_dir)
    return [found for each in directories if (found := store.find_ledger(each))]


def _known(holding: Holding, names: Mapping[str, tuple[str, ...]]) -> Known:
    container, path = holding.attachment.container, holding.netns.path
    addresses = (address.text(lease.address.ip) for lease in holding.leases)
    return Known(
        container=container,
        names=(*names[container], os.path.basename(path)),
        addresses=tuple(addresses),
    )


def _path(which: str) -> str:
    if which.isdecimal():
        return f"/proc/{which}/ns/net"
    if "/" in which:
        return which
    of_lab = f"{NAMESPACES}/{LAB_PREFIX}{which}"
    path = f"{NAMESPACES}/{which}"
    return of_lab if os.path.exists(of_lab) and not os.path.exists(path) else path


def _id(which: str) -> str:
    name = os.path.basename(which).removeprefix(LAB_PREFIX)
    return f"process-{which}" if which.isdecimal() else name
