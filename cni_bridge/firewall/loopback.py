"""Let published ports answer on the host's 127.0.0.1, and keep containers out of it.

The kernel routes 127.0.0.0/8 by a bridge only with route_localnet, and then containers would reach
the services there as well. Rules keep them out, but another program may flush all rules of nftables:
so the setting is made only where a filter of traffic control stands too, which outlives that.
"""

from errno import EEXIST

from cni_bridge import errors
from cni_bridge.firewall import nft_elements
from cni_bridge.kernel import loopback as loopback_filter
from cni_bridge.kernel import sysctl
from cni_bridge.kernel.netlink import KernelError, Socket
from cni_bridge.lean.csocket import csocket
from cni_bridge.stderr import remark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cni_bridge.firewall.model import Element, Firewall


def ensure(desired: "Firewall") -> None:
    """Make published ports of the attachment reachable on 127.0.0.1, if it has any.

    Where the setting is made already, another program may have deleted the filter since: ensure it.
    Raises KernelRefused.
    """
    if _answers(desired):
        _open(desired.bridge)
    else:
        guard(desired.bridge)


def restore(everything: "Iterable[Element]") -> None:
    """Restore the filter, then the setting, on each bridge with published ports that need them.

    A bridge that was deleted has lost both, and another program may have removed either. Raises
    KernelRefused.
    """
    listed = tuple(everything)
    untranslated = {item.key for item in listed if item.set_name == "snat_off4"}
    behind = {
        nft_elements.address_behind(item)
        for item in listed
        if item.set_name in nft_elements.PORT_MAPS and len(nft_elements.address_behind(item)) == 4
    }
    for item in listed:
        if item.set_name != "subnet4" or item.key_end is None:
            continue
        bridge = nft_elements.bridge_of(item)
        first, last = item.key[-4:], item.key_end[-4:]
        if any(first <= ip <= last for ip in behind - untranslated) and _exists(bridge):
            _open(bridge)


def is_guarded(bridge: str) -> bool:
    """Return whether a bridge has the filter."""
    try:
        return _has_filter(Socket(), csocket.if_nametoindex(bridge))
    except OSError:  # no such interface
        return False


def _open(bridge: str) -> None:
    """Route 127.0.0.0/8 by a bridge if the filter can be had, and not otherwise."""
    if not _guard(bridge):
        close(bridge)
        return
    key = sysctl.route_localnet(bridge)
    try:
        sysctl.write(key, "1")
    except OSError as error:
        raise errors.KernelRefused(
            f"cannot make published ports reachable on 127.0.0.1: {key}: {error.strerror}",
            "make /proc/sys writable, or set snat to false",
        ) from error


def guard(bridge: str) -> None:
    """Ensure the filter of a bridge that has the setting; without a filter it loses the setting."""
    if _is_open(bridge) and not _guard(bridge):
        close(bridge)


def close(bridge: str) -> None:
    """Stop routing 127.0.0.0/8 by a bridge; the filter stays with it. Say so if the kernel refuses."""
    key = sysctl.route_localnet(bridge)
    try:
        sysctl.write(key, "0")
    except FileNotFoundError:
        pass  # the bridge is gone
    except OSError as error:
        remark(
            f"sysctl {sysctl.dotted(key)} can't be set to 0: {error.strerror}; set it on the host, or "
            f"containers on {bridge} reach the host's 127.0.0.1 when its filter is deleted"
        )


def rehearse(bridge: str) -> None:
    """Raise LimitedConnectivity if a bridge with published ports has the setting without the filter."""
    if _is_open(bridge) and not is_guarded(bridge):
        raise errors.LimitedConnectivity(
            f"{bridge} has no filter that drops 127.0.0.0/8: another program removed it",
            "containers reach the host's 127.0.0.1 once nftables is flushed: `cni-bridge restore` or "
            "the next ADD with published ports brings it back",
        )


def problems(desired: "Firewall") -> "Iterator[str]":
    """Yield what differs: the setting, or the filter without which it must not be made."""
    key = sysctl.route_localnet(desired.bridge)
    found = sysctl.read(key)
    if found != "1" and not _answers(desired):
        return
    has_filter = is_guarded(desired.bridge)
    if has_filter and found != "1":
        yield f"sysctl {key}: expected 1, found {found}"
    if found == "1" and not has_filter:
        yield f"interface {desired.bridge}: expected a filter that drops 127.0.0.0/8, found none"


def _answers(desired: "Firewall") -> bool:
    addresses = nft_elements.first_addresses(desired)
    return desired.rules.translates_source and any(
        len(leads_to) == 4
        for port in desired.rules.ports
        for _, leads_to in nft_elements.targets(addresses, port.host_ip)
    )


def _is_open(bridge: str) -> bool:
    return sysctl.read(sysctl.route_localnet(bridge)) == "1"


def _exists(bridge: str) -> bool:
    return sysctl.read(sysctl.route_localnet(bridge)) is not None


def _guard(bridge: str) -> bool:
    """Ensure the filter; return whether it stands."""
    host = Socket()
    try:
        index = csocket.if_nametoindex(bridge)
        if not _has_filter(host, index):
            host.run(loopback_filter.add_ingress(index), tolerate=EEXIST)
            host.run(loopback_filter.drop(index))
    except OSError as error:  # no such interface, or a KernelError
        remark(
            f"published ports do not answer on 127.0.0.1: {error}; that needs a kernel with "
            "sch_ingress and cls_bpf, so that containers are kept out of it"
        )
        return False
    finally:
        host.close()
    return True


def _has_filter(host: Socket, index: int) -> bool:
    try:
        return loopback_filter.is_among(host.dump(loopback_filter.filters(index)))
    except KernelError:
        return False
