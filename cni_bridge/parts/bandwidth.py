"""Bandwidth limits of a container: token buckets on its host end and on an ifb device.

Everything is removed with the host end, except the ifb, whose name is derived from the attachment.
"""

from errno import ENOENT, EOPNOTSUPP

from cni_bridge.errors import UnsupportedField
from cni_bridge.kernel import links, shaping
from cni_bridge.kernel.netlink import KernelError
from cni_bridge.model import Interface
from cni_bridge.model_optional import Bandwidth, Limit, Shaping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Request, Socket

QUEUES_PER_SECOND = 40  # a packet waits 25 ms at most, as with the reference
QUEUE_LIMIT = 0xFFFFFFFF  # bytes; the kernel counts them in 32 bits
POLICED_BURST = 1 << 17  # bytes; less would drop every packet that the container's TCP batches
FOR_SHAPING = ("tbf", "ifb", "mirred")


def require(host: "Socket", desired: Bandwidth) -> None:
    """Raise UnsupportedField if the kernel lacks what the limits need; change nothing."""
    if desired.ingress and not _offers(host, "tbf"):
        raise UnsupportedField(
            f"ingressRate {desired.ingress.bytes_per_second * 8}: this kernel can't limit what a container receives",
            "the kernel module sch_tbf is missing: load or install it, or remove the key",
        )
    if desired.egress and not (_offers(host, *FOR_SHAPING) or _offers(host, "police")):
        raise UnsupportedField(
            f"egressRate {desired.egress.bytes_per_second * 8}: this kernel can't limit what a container sends",
            "the kernel needs the modules sch_tbf, ifb and act_mirred, or act_police: "
            "load or install them, or remove the key",
        )


def apply(host: "Socket", desired: Shaping) -> tuple[Interface, ...]:
    """Limit the pair; return the ifb if one was created."""
    outer = links.parse(host.ask(links.get(desired.host_name)))
    if desired.ingress:
        host.run(bucket(outer.index, desired.ingress))
    if not desired.egress:
        return ()
    host.run(shaping.add_ingress(outer.index))
    if _offers(host, *FOR_SHAPING):
        return (_shape(host, outer, desired.ifb_name, desired.egress),)
    burst = max(desired.egress.burst_bytes, POLICED_BURST)
    host.run(shaping.police(outer.index, rate=desired.egress.bytes_per_second, burst=burst))
    return ()


def problems(host: "Socket", desired: Shaping) -> "Iterator[str]":
    """Yield every difference between the plan and the kernel: what, expected, found."""
    answer = host.find(links.get(desired.host_name))
    if answer is None:
        return  # reported by the veth part
    outer = links.parse(answer)
    if desired.ingress:
        yield from _bucket_problems(host, outer, desired.ingress)
    if not desired.egress:
        return
    actions = filters(host, outer.index)
    if "mirred" in actions:
        yield from _ifb_problems(host, desired.ifb_name, actions["mirred"].target, desired.egress)
    elif "police" not in actions:
        yield f"filter of {outer.name}: expected a limit of {_text(desired.egress)}, found none"
    elif actions["police"].rate != desired.egress.bytes_per_second:
        found = actions["police"].rate
        yield f"policing of {outer.name}: expected {desired.egress.bytes_per_second} bytes/s, found {found} bytes/s"


def _shape(host: "Socket", outer: "Link", ifb_name: str, limit: Limit) -> Interface:
    """Redirect what the container sends through an ifb device, and limit that device.

    The redirection comes last, so that no packet is lost in between.
    """
    host.run(shaping.create_ifb(ifb_name, outer.mtu))
    ifb = links.parse(host.ask(links.get(ifb_name)))
    host.run(bucket(ifb.index, limit))
    host.run(shaping.redirect(outer.index, ifb.index))
    return Interface(name=ifb.name, mac=ifb.mac, mtu=ifb.mtu)


def _offers(host: "Socket", *kinds: str) -> bool:
    """Return whether the kernel has, or can load, all of these; each probe is refused either way.

    Probe only what is needed: a probe loads modules, and `ifb` creates two devices when loaded.
    """
    failures = host.attempt(*map(_probe, kinds))
    return all(each and each.errno not in (ENOENT, EOPNOTSUPP) for each in failures)


def _probe(kind: str) -> "Request":
    if kind == "ifb":
        return shaping.probe_ifb("ifb-probe")
    return shaping.probe_qdisc(kind) if kind == "tbf" else shaping.probe_action(kind)


def bucket(index: int, limit: Limit, *, replaces: bool = False) -> "Request":
    """Limit what an interface sends; one that `replaces` another keeps what is queued."""
    return shaping.add_bucket(
        index,
        rate=limit.bytes_per_second,
        burst=limit.burst_bytes,
        limit=_queue(limit),
        replaces=replaces,
    )


def _queue(limit: Limit) -> int:
    return min(limit.bytes_per_second // QUEUES_PER_SECOND + limit.burst_bytes, QUEUE_LIMIT)


def limit_of(found: "shaping.Bucket") -> Limit:
    """Return the limit of a bucket: its queue tells the burst, which the kernel rounds."""
    burst = max(found.limit - found.rate // QUEUES_PER_SECOND, 1)
    return Limit(bytes_per_second=found.rate, burst_bytes=burst)


def find_bucket(host: "Socket", index: int) -> "shaping.Bucket | None":
    """Return what limits what an interface sends, or None."""
    try:
        return shaping.parse_bucket(host.ask(shaping.get_root(index)))
    except KernelError as error:
        if error.errno != ENOENT:
            raise
        return None


def filters(host: "Socket", index: int) -> "dict[str, shaping.Action]":
    """Return what is done with what an interface receives, by kind: `mirred`, `police`."""
    found = map(shaping.parse_filter, host.dump(shaping.filters(index)))
    return {action.kind: action for action in found if action}


def _bucket_problems(host: "Socket", link: "Link", desired: Limit) -> "Iterator[str]":
    found = find_bucket(host, link.index)
    if found is None:
        yield f"queueing of {link.name}: expected a limit of {_text(desired)}, found none"
    elif (found.rate, found.limit) != (desired.bytes_per_second, _queue(desired)):
        yield (
            f"queueing of {link.name}: expected {_text(desired)} with a queue of {_queue(desired)} bytes"
            f", found {found.rate} bytes/s with a queue of {found.limit} bytes"
        )


def _ifb_problems(host: "Socket", name: str, target: int, desired: Limit) -> "Iterator[str]":
    answer = host.find(links.get(name))
    if answer is None:
        yield f"interface {name}: expected to exist, found no such interface"
        return
    ifb = links.parse(answer)
    if target != ifb.index:
        yield f"redirection: expected to {name} (index {ifb.index}), found to index {target}"
    if not ifb.is_up:
        yield f"interface {name}: expected up, found down"
    yield from _bucket_problems(host, ifb, desired)


def _text(limit: Limit) -> str:
    return f"{limit.bytes_per_second} bytes/s"
