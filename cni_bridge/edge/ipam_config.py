"""The config's `ipam` object -> Ipam, and an IPAM plugin's answer -> Grant.

The schema has checked types and bounds; this parses addresses and decides which source wins.
"""

from cni_bridge import address, errors
from cni_bridge.address import Prefix, prefix_text
from cni_bridge.edge import result_versions
from cni_bridge.ledger import ranges
from cni_bridge.model import Dns, Grant, Ipam, Lease, Range, RangeSet, Route

STICKY, LONGEST = "30d", "99999d"  # what `true` means, and the maximum
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]


def parse(folded: "Json", asked: str) -> Ipam:
    """Return the record of a prepared document's `ipam`; `asked` is the IP of CNI_ARGS.

    Raises InvalidConfig with a path.
    """
    ipam = folded["ipam"]
    return Ipam(
        type=ipam["type"],
        range_sets=()
        if "cluster" in folded
        else _range_sets(ipam, runtime(folded).get("ipRanges", [])),
        requested=tuple(_requested(folded, asked)),
        routes=_routes(ipam.get("routes", ()), "ipam.routes"),
        resolv_conf=ipam.get("resolvConf", ""),
        sticky=_seconds(ipam.get("sticky")),
    )


def grant(result: "Json") -> Grant:
    """Return what an IPAM plugin's result, in the newest shape, grants."""
    return Grant(
        leases=tuple(
            _lease(item, f"ips[{index}]") for index, item in enumerate(result.get("ips", ()))
        ),
        routes=_routes(result.get("routes", ()), "routes"),
        dns=dns(result.get("dns", {})),
    )


def check_texts(result: "Json", path: str) -> None:
    """Raise InvalidConfig for an address of a result that is none; `path` precedes its own."""
    for key, prefix, gateway in (("ips", "address", "gateway"), ("routes", "dst", "gw")):
        for index, item in enumerate(result.get(key, ())):
            _prefix(item[prefix], f"{path}{key}[{index}].{prefix}")
            if item.get(gateway):
                _address(item[gateway], f"{path}{key}[{index}].{gateway}")


def granted(previous: "Json", ifname: str) -> Grant:
    """Return what a prevResult reports for the interface in the container.

    Addresses without an interface count too: old versions can't name one.
    """
    own = [
        index
        for index, item in enumerate(previous.get("interfaces", ()))
        if item.get("name") == ifname and item.get("sandbox")
    ]
    ips = [item for item in previous.get("ips", ()) if item.get("interface") in (None, *own)]
    return grant({**previous, "ips": ips})


def unreported(leases: tuple[Lease, ...], previous: "Json", ifname: str) -> list[str]:
    """Return a problem for each leased address that prevResult lacks, for CHECK."""
    reported = [lease.address for lease in granted({**previous, "routes": ()}, ifname).leases]
    found = ", ".join(map(prefix_text, reported)) or "none"
    return [
        f"prevResult: expected address {prefix_text(lease.address)}, found {found}"
        for lease in leases
        if lease.address not in reported
    ]


def reported_addresses(document: "Json") -> tuple[bytes, ...]:
    """Return the addresses in the prevResult of an unvalidated document."""
    previous = document.get("prevResult")
    if not isinstance(previous, dict):
        return ()
    texts = [item.get("address") for item in result_versions.objects(previous, "ips")]
    texts += [
        item.get("ip") for key in ("ip4", "ip6") if isinstance(item := previous.get(key), dict)
    ]
    found = []
    for text in texts:
        try:
            found.append(address.parse(str(text).partition("/")[0]))
        except ValueError:
            continue
    return tuple(found)


def reported_mac(previous: "Json", ifname: str) -> str:
    """Return the MAC that a prevResult reports for the interface in the container, or "".

    A later plugin that changes the MAC changes the result too (SPEC 1.0, CHECK).
    """
    macs = [
        str(item.get("mac", "")).lower().replace("-", ":")
        for item in previous.get("interfaces", ())
        if item.get("name") == ifname and item.get("sandbox")
    ]
    return macs[-1] if macs else ""


def dns(section: "Json") -> Dns:
    """Return the record of a `dns` object of a config or a result."""
    return Dns(
        nameservers=tuple(section.get("nameservers", ())),
        domain=section.get("domain", ""),
        search=tuple(section.get("search", ())),
        options=tuple(section.get("options", ())),
    )


def runtime(folded: "Json") -> "Json":
    """Return `runtimeConfig`: what the runtime requests by capability."""
    return dict(folded.get("runtimeConfig", {}))


def cni_args(folded: "Json") -> "Json":
    """Return `args.cni`: what the runtime requests there."""
    return dict(folded.get("args", {}).get("cni", {}))


def _seconds(sticky: "str | bool | None") -> int:
    """Return how long to remember addresses; 0 for not at all. Raises InvalidConfig."""
    if sticky is None or sticky is False:
        return 0
    text = STICKY if sticky is True else sticky
    number, unit = text[:-1], UNITS.get(text[-1:], 0)
    if not (unit and number.isascii() and number.isdecimal()):
        raise errors.InvalidConfig(
            f"ipam.sticky: expected true, false or a time such as 24h, found {text!r:.100}",
            "units are s, m, h and d",
        )
    seconds = int(number[:20]) * unit  # enough digits to be too many
    if not 1 <= seconds <= int(LONGEST[:-1]) * UNITS["d"]:
        raise errors.InvalidConfig(
            f"ipam.sticky: expected a time from 1s to {LONGEST}, found {text!r:.100}",
            "`false` turns it off",
        )
    return seconds


def _range_sets(ipam: "Json", asked: "list[Any]") -> tuple[RangeSet, ...]:
    """Return runtimeConfig's ranges, the old single range, then `ranges`: the reference's order."""
    sources = [(f"runtimeConfig.ipRanges[{index}]", item) for index, item in enumerate(asked)]
    if ipam.get("subnet"):
        sources.append(("ipam", [ipam]))
    sources += [
        (f"ipam.ranges[{index}]", item) for index, item in enumerate(ipam.get("ranges", ()))
    ]
    range_sets = tuple(
        tuple(
            _range(item, path if path == "ipam" else f"{path}[{index}]")
            for index, item in enumerate(items)
        )
        for path, items in sources
    )
    try:
        ranges.check_sets(range_sets)
    except ValueError as error:
        raise errors.InvalidConfig(f"ipam: {error}", "see ipam.subnet and ipam.ranges") from None
    return range_sets


def _range(item: "Json", path: str) -> Range:
    if "subnet" not in item:
        raise errors.InvalidConfig(f"{path}.subnet: missing")
    subnet = _prefix(item["subnet"], f"{path}.subnet")
    start, end, gateway = (
        _address(item[key], f"{path}.{key}") if item.get(key) else None
        for key in ("rangeStart", "rangeEnd", "gateway")
    )
    try:
        return ranges.make_range(subnet, start, end, gateway)
    except ValueError as error:
        raise errors.InvalidConfig(f"{path}: {error}") from None


def _requested(folded: "Json", asked: str) -> list[bytes]:
    """Return the addresses of runtimeConfig and those of `args.cni`, or else of CNI_ARGS.

    Source: CONVENTIONS of CNI, "args" takes precedence over CNI_ARGS.
    """
    by_args = cni_args(folded).get("ips", ())
    sources = [
        (f"{path}[{index}]", text)
        for path, texts in (
            ("runtimeConfig.ips", runtime(folded).get("ips", ())),
            ("args.cni.ips", by_args),
        )
        for index, text in enumerate(texts)
    ]
    if asked and not by_args:
        sources.append(("CNI_ARGS IP", asked))
    return list(dict.fromkeys(_requested_address(text, path) for path, text in sources))


def _requested_address(text: str, path: str) -> bytes:
    """Return the address of `10.1.2.3` or `10.1.2.3/24`; the range decides the prefix length."""
    return _prefix(text, path).ip if "/" in text else _address(text, path)


def _lease(item: "Json", path: str) -> Lease:
    prefix = _prefix(str(item.get("address")), f"{path}.address")
    gateway = _address(item["gateway"], f"{path}.gateway") if item.get("gateway") else None
    if gateway and len(gateway) != len(prefix.ip):
        raise errors.InvalidConfig(
            f"{path}.gateway: {item['gateway']} is not of the family of {item['address']}"
        )
    return Lease(address=prefix, gateway=gateway)


def _routes(items: "list[Json]", path: str) -> tuple[Route, ...]:
    return tuple(_route(item, f"{path}[{index}]") for index, item in enumerate(items))


def _route(route: "Json", path: str) -> Route:
    destination = address.subnet(_prefix(route["dst"], f"{path}.dst"))
    gateway = _address(route["gw"], f"{path}.gw") if route.get("gw") else None
    if gateway and len(gateway) != len(destination.ip):
        raise errors.InvalidConfig(
            f"{path}.gw: {route['gw']} is not of the family of {route['dst']}"
        )
    return Route(
        destination=destination,
        gateway=gateway,
        **{key: route.get(key) for key in ("mtu", "advmss", "priority", "table", "scope")},
    )


def _prefix(text: str, path: str) -> Prefix:
    try:
        return address.parse_prefix(text)
    except ValueError as error:
        raise errors.InvalidConfig(f"{path}: {error}") from None


def _address(text: str, path: str) -> bytes:
    try:
        return address.parse(text)
    except ValueError as error:
        raise errors.InvalidConfig(f"{path}: {error}") from None
