"""Change the limits of a running pair: buckets are replaced in place, so that no packet is lost.

Loaded by commands for people only.
"""

from errno import ENODEV, ENOENT

from cni_bridge.kernel import links, shaping
from cni_bridge.kernel.netlink import KernelError, Socket
from cni_bridge.model_optional import NO_LIMIT, Limit, Shaping
from cni_bridge.parts import bandwidth

ONE_FRAME = 1518  # linux/if_ether.h, with a VLAN tag; a bucket below one would let none pass


def limits(host: Socket, outer: str, ifb: str) -> dict[str, Limit] | None:
    """Return what limits a host end, with a rate of 0 for none; None if it is gone."""
    answer = host.find(links.get(outer))
    if answer is None:
        return None
    end = links.parse(answer)
    return {"ingress": _bucket(host, end.index), "egress": _egress(host, end.index, ifb)}


def set_ingress(host: Socket, outer: str, limit: Limit) -> None:
    """Limit what the container receives; a limit of 0 is none."""
    end = links.parse(host.ask(links.get(outer)))
    if limit.bytes_per_second:
        host.run(bandwidth.bucket(end.index, _passable(limit, end.mtu), replaces=True))
    elif _bucket(host, end.index).bytes_per_second:
        host.run(shaping.remove_root(end.index))


def set_egress(host: Socket, outer: str, ifb: str, limit: Limit) -> None:
    """Limit what the container sends; a limit of 0 is none."""
    end = links.parse(host.ask(links.get(outer)))
    answer = host.find(links.get(ifb))
    wanted = _passable(limit, end.mtu)
    if answer is not None and limit.bytes_per_second and _is_redirected(host, end.index):
        host.run(bandwidth.bucket(links.parse(answer).index, wanted, replaces=True))
        return
    _remove_egress(host, end.index, ifb)
    if not limit.bytes_per_second:
        return
    try:
        bandwidth.apply(host, Shaping(host_name=outer, ifb_name=ifb, ingress=None, egress=wanted))
    except KernelError as error:
        if error.errno in (ENODEV, ENOENT):  # a DEL was faster, and has looked for the ifb before
            _delete(host, ifb)
        raise


def _passable(limit: Limit, mtu: int) -> Limit:
    burst = max(limit.burst_bytes, mtu + ONE_FRAME - 1500)
    return Limit(bytes_per_second=limit.bytes_per_second, burst_bytes=burst)


def _remove_egress(host: Socket, index: int, ifb: str) -> None:
    """Take the filter off first: what is redirected to an interface that is gone is lost."""
    host.attempt(shaping.remove_ingress(index))
    _delete(host, ifb)


def _delete(host: Socket, ifb: str) -> None:
    if host.find(links.get(ifb)) is not None:
        host.run(links.delete(ifb))


def _bucket(host: Socket, index: int) -> Limit:
    found = bandwidth.find_bucket(host, index)
    return bandwidth.limit_of(found) if found else NO_LIMIT


def _egress(host: Socket, index: int, ifb: str) -> Limit:
    actions = bandwidth.filters(host, index)
    if "police" in actions:
        return Limit(bytes_per_second=actions["police"].rate, burst_bytes=bandwidth.POLICED_BURST)
    answer = host.find(links.get(ifb)) if "mirred" in actions else None
    return _bucket(host, links.parse(answer).index) if answer else NO_LIMIT


def _is_redirected(host: Socket, index: int) -> bool:
    return "mirred" in bandwidth.filters(host, index)
