"""Turns a `Firewall` into elements of nftables sets, and knows which set is in which table.

Pure. The rules that use the sets are in `ruleset.nft` and `spoof.nft`.
"""

from cni_bridge import address
from cni_bridge.firewall.model import Element, Firewall, PublishedPort, protocol_name
from cni_bridge.lean.csocket import csocket
from cni_bridge.lean.cstruct import Struct, pack, unpack
from cni_bridge.lean.record import tuple_records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    # Maps of single ports and of spans, addresses of host and container, what packs keys and data.
    Pack = Callable[..., bytes]
    Place = tuple[str, str, bytes, bytes, Pack, Pack]

# Options of a whole network: the newest config applies to containers that are already attached.
HOST_FLAGS = ("gateway_only", "no_host", "no_ipv6", "nameserver")
FLAGS = ("isolated", "strict", "internal", "no_icc", "closed", *HOST_FLAGS)
SUBNETS = ("subnet4", "subnet6")
CLUSTERS = ("cluster4", "cluster6")
INTERVALS = (*SUBNETS, *CLUSTERS)
HOST_SETS = ("marked",)
NETWORK_SETS = ("bridges", "same_bridge", *FLAGS, *INTERVALS)
ADDRESS_SETS = ("masq4", "masq6", "snat_off4", "snat_off6", "snat_all4", "snat_all6")
SPAN_MAPS = ("span4", "span6", "span4_at", "span6_at")  # consecutive ports that keep their numbers
PORT_MAPS = ("port4", "port6", "port4_at", "port6_at", *SPAN_MAPS)
SPOOF_SETS = ("mac_guarded", "mac_ok", "ip_guarded", "ip4_ok", "ip6_ok", "nd_ok")
HOST_END_SETS = (*SPOOF_SETS, "apart", "alone")
BRIDGE_SETS = (*HOST_END_SETS, "watched")

IFNAMSIZ = 16  # linux/if.h
ARPHRD_ETHER = 1  # linux/if_arp.h
PORT_KEY = ">B3xH2x"  # inet_proto . inet_service, each padded to four bytes
PORT_KEY_SIZE = 8
PORT_DATA = ">H2x"
# A container's address, with its port in the maps of single ports.
DATA_SIZES = {
    name: (16 if name[4] == "6" else 4) + (0 if name in SPAN_MAPS else 4) for name in PORT_MAPS
}


def of_network(firewall: Firewall) -> tuple[Element, ...]:
    """Return the elements that all attachments of the network share."""
    bridge = ifname(firewall.bridge)
    rules = firewall.rules
    has_gateway6 = any(len(subnet.ip) == 16 for subnet in firewall.subnets)
    desired = {
        "isolated": rules.isolation != "off",
        "strict": rules.isolation == "strict",
        "internal": rules.is_internal,
        "no_icc": not rules.allows_icc,
        "closed": rules.is_closed,
        "gateway_only": rules.host_access == "gateway",
        "no_host": rules.host_access == "none",
        "no_ipv6": rules.host_access != "all" and not has_gateway6,
        "nameserver": rules.serves_names,
    }
    return (
        Element(set_name="bridges", key=bridge),
        Element(set_name="same_bridge", key=bridge + bridge),
        *(Element(set_name=name, key=bridge) for name in FLAGS if desired[name]),
        *(
            Element(
                set_name=_of_family("subnet", subnet.ip),
                key=bridge + address.first(subnet),
                key_end=bridge + address.last(subnet),
            )
            for subnet in firewall.subnets
        ),
        *(
            Element(
                set_name=_of_family("cluster", subnet.ip),
                key=address.first(subnet) * 2,
                key_end=address.last(subnet) * 2,
            )
            for subnet in firewall.routed
        ),
    )


def of_families(families: "Iterable[int]") -> tuple[Element, ...]:
    """Return the elements of the families whose packets carry our mark: NFPROTO_IPV4 and _IPV6."""
    return tuple(
        Element(set_name="marked", key=bytes((family,))) for family in dict.fromkeys(families)
    )


def of_attachment(firewall: Firewall) -> tuple[Element, ...]:
    """Return the elements that belong to this attachment alone."""
    return (*_of_addresses(firewall), *_of_ports(firewall), *_of_host_end(firewall))


def isolation(host_name: str) -> tuple[Element, ...]:
    """Return the elements that isolate the container behind a host end."""
    return (
        Element(set_name="alone", key=ifname(host_name)),
        Element(set_name="watched", key=pack("H", ARPHRD_ETHER)),
    )


def is_isolated(own: "Iterable[Element]") -> bool:
    """Return whether an attachment's elements isolate its container."""
    return any(item.set_name == "alone" for item in own)


def first_addresses(firewall: Firewall) -> tuple[bytes, ...]:
    """Return the container's first address of each family: the one that published ports lead to."""
    firsts: dict[int, bytes] = {}
    for ip in firewall.addresses:
        firsts.setdefault(len(ip), ip)
    return tuple(firsts.values())


def targets(addresses: tuple[bytes, ...], wanted: bytes) -> list[tuple[bytes, bytes]]:
    """Return pairs of host address (all zeros: every address) and container address.

    `wanted` is a port's `host_ip`. Empty if the container has no address of its family.
    """
    return [
        (wanted or bytes(len(ip)), ip) for ip in addresses if not wanted or len(wanted) == len(ip)
    ]


def of_port(listens: bytes, leads_to: bytes, port: PublishedPort) -> tuple[Element, ...]:
    """Return the map elements of a published port in one address family.

    Consecutive ports are one element if the container has them by the same numbers: a map can't
    add the difference.
    """
    return tuple(tuple_records(Element, _rows(_place(listens, leads_to), port)))


def port_of(element: Element) -> tuple[int, int, bytes]:
    """Return a published port's protocol, host port and host address (empty: every address)."""
    protocol, number = unpack(PORT_KEY, element.key[-PORT_KEY_SIZE:])
    return protocol, number, element.key[:-PORT_KEY_SIZE]


def is_port(element: Element) -> bool:
    """Return whether it publishes ports."""
    return element.set_name in DATA_SIZES


def place_of(element: Element) -> tuple[str, bytes]:
    """Return the address family and the host address of a published port: where it has its number."""
    return element.set_name[4], element.key[:-PORT_KEY_SIZE]


def flags(network: "Iterable[Element]") -> "set[Element]":
    """Return the flags among a network's elements."""
    return {item for item in network if item.set_name in FLAGS}


def is_udp_port(element: Element) -> bool:
    """Return whether it is a published port of UDP."""
    return is_port(element) and element.key[-PORT_KEY_SIZE] == csocket.IPPROTO_UDP


def addresses_of(own: "Iterable[Element]") -> "Iterator[bytes]":
    """Yield the container's addresses in an attachment's elements."""
    for item in own:
        if item.set_name in (*ADDRESS_SETS, *PORT_MAPS):
            yield address_behind(item)
        elif item.set_name in ("ip4_ok", "ip6_ok"):
            yield item.key[IFNAMSIZ:]


def published_port(element: Element) -> PublishedPort:
    """Return the port that `of_port` made this element of."""
    assert element.data is not None, "only elements of maps publish ports"
    protocol, number, ip = port_of(element)
    leads_to = address_behind(element)
    container_port, count = number, 1
    if element.set_name in SPAN_MAPS:
        _, last = unpack(PORT_KEY, (element.key_end or element.key)[-PORT_KEY_SIZE:])
        count = last - number + 1
    else:
        (container_port,) = unpack(PORT_DATA, element.data[len(leads_to) :])
    return PublishedPort(
        protocol=protocol,
        host_port=number,
        container_port=container_port,
        host_ip=ip or bytes(len(leads_to)),
        count=count,
    )


def address_behind(element: Element) -> bytes:
    """Return the container's address: the key in a set, or the target of a published port."""
    if element.data is None:
        return element.key
    return element.data if element.set_name in SPAN_MAPS else element.data[:-4]


def uncovered(wanted: "Iterable[Element]", held: "Iterable[Element]") -> "Iterator[Element]":
    """Yield the published ports that none of `held` publishes, in whatever elements it does."""
    from cni_bridge.firewall import port_runs  # CHECK only

    there: dict[tuple[object, ...], list[PublishedPort]] = {}
    for item in filter(is_port, held):
        port = published_port(item)
        there.setdefault(_target(item, port), []).append(port)
    for item in wanted:
        port = published_port(item)
        for part in port_runs.without(port, there.get(_target(item, port), ())):
            yield from of_port(part.host_ip, address_behind(item), part)


def effective(subnets: "Iterable[Element]") -> "set[Element]":
    """Return the subnets that the kernel can hold together: it refuses overlapping intervals.

    Two subnets are nested or disjoint, so a subnet inside another one is left out.
    """
    listed = set(subnets)
    return {one for one in listed if not any(_is_inside(one, other) for other in listed)}


def describe(element: Element) -> str:
    """Return a published port, or the name of the set, as text for people."""
    if element.set_name not in PORT_MAPS:
        return f"element of set {element.set_name}"
    protocol, number, ip = port_of(element)
    where = f"{address.text(ip)}:" if ip else ""
    count = published_port(element).count
    last = f"-{number + count - 1}" if count > 1 else ""
    return f"host port {where}{number}{last}/{protocol_name(protocol)}"


def bridge_of(element: Element) -> str:
    """Return the bridge in the key of a network's element."""
    return element.key[:IFNAMSIZ].rstrip(b"\0").decode(errors="surrogateescape")


def ifname(name: str) -> bytes:
    """Return an interface as keys have it."""
    return name.encode(errors="surrogateescape").ljust(IFNAMSIZ, b"\0")


def host_end_of(element: Element) -> str:
    """Return the host end in the key of an element of the bridge table."""
    return bridge_of(element)


def _of_addresses(firewall: Firewall) -> "Iterator[Element]":
    rules = firewall.rules
    wanted = (
        ("masq", rules.masquerades),
        ("snat_off", bool(rules.ports) and not rules.translates_source),
        ("snat_all", bool(rules.ports) and rules.translates_every_source),
    )
    for name, is_wanted in wanted:
        if is_wanted:
            for ip in firewall.addresses:
                yield Element(set_name=_of_family(name, ip), key=ip)


def _of_ports(firewall: Firewall) -> "list[Element]":
    """There can be thousands of ports, so that their elements are made of rows, all at once."""
    addresses = first_addresses(firewall)
    known: dict[bytes, list[Place]] = {}
    rows: list[tuple[object, ...]] = []
    for port in firewall.rules.ports:
        places = known.get(port.host_ip)
        if places is None:
            pairs = targets(addresses, port.host_ip)
            places = known[port.host_ip] = [_place(*pair) for pair in pairs]
        for place in places:
            rows += _rows(place, port)
    return tuple_records(Element, rows)


def _place(listens: bytes, leads_to: bytes) -> "Place":
    """Return the maps that have ports of a host address, and what packs their keys and data, which
    begin with the addresses."""
    suffix, at = _of_family("", leads_to), b""
    if any(listens):
        suffix, at = f"{suffix}_at", listens
    key = Struct(f">{len(at)}s{PORT_KEY.removeprefix('>')}").pack
    data = Struct(f">{len(leads_to)}s{PORT_DATA.removeprefix('>')}").pack
    return f"port{suffix}", f"span{suffix}", at, leads_to, key, data


def _rows(place: "Place", port: PublishedPort) -> "Iterable[tuple[object, ...]]":
    """Return the values of a published port's elements."""
    single, span, at, leads_to, key, data = place
    protocol, first, to, count = port.protocol, port.host_port, port.container_port, port.count
    if count == 1:
        return ((single, key(at, protocol, first), None, data(leads_to, to)),)
    if first == to:
        last = key(at, protocol, first + count - 1)
        return ((span, key(at, protocol, first), last, leads_to),)
    return [
        (single, key(at, protocol, first + each), None, data(leads_to, to + each))
        for each in range(count)
    ]


def _of_host_end(firewall: Firewall) -> "Iterator[Element]":
    host_end = ifname(firewall.host_name)
    if not firewall.rules.allows_icc:
        yield Element(set_name="apart", key=host_end)
    if firewall.rules.checks_mac and firewall.mac:
        yield Element(set_name="mac_guarded", key=host_end)
        yield Element(set_name="mac_ok", key=host_end + firewall.mac + b"\0\0")
    if firewall.rules.checks_ip:
        yield Element(set_name="ip_guarded", key=host_end)
        own = (address.link_local(firewall.mac),) if firewall.mac else ()
        for ip in (*firewall.addresses, *own):
            names = ("ip4_ok",) if len(ip) == 4 else ("ip6_ok", "nd_ok")
            yield from (Element(set_name=name, key=host_end + ip) for name in names)


def overlapping(items: "Iterable[Element]", others: "Iterable[Element]") -> "list[Element]":
    """Return the published ports among `items` that have a number of one of `others`."""
    ports = [each for each in others if is_port(each)]
    runs = [each for each in ports if each.key_end is not None]
    single = {(each.set_name, each.key) for each in ports if each.key_end is None}
    return [
        item
        for item in items
        if (item.set_name, item.key) in single
        or any(_meet(item, each) for each in (ports if item.key_end else runs))
    ]


def _meet(one: Element, other: Element) -> bool:
    """Return whether two published ports have a number in one place."""
    return (
        place_of(one) == place_of(other)
        and one.key <= (other.key_end or other.key)
        and other.key <= (one.key_end or one.key)
    )


def _target(item: Element, port: PublishedPort) -> tuple[object, ...]:
    """Return what ports of one run have in common."""
    moved = port.container_port - port.host_port
    return (*place_of(item), port.protocol, address_behind(item), moved)


def _is_inside(one: Element, other: Element) -> bool:
    if one == other or one.set_name != other.set_name:
        return False
    assert one.key_end is not None, "subnets are intervals"
    assert other.key_end is not None, "subnets are intervals"
    return other.key <= one.key and one.key_end <= other.key_end


def _of_family(name: str, ip: bytes) -> str:
    return f"{name}{'4' if len(ip) == 4 else '6'}"
