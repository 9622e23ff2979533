"""Turns a `Firewall` into elements of nftables sets, and knows which set is in which table.

Pure. The rules that use the sets are in `ruleset.nft` and `spoof.nft`.
"""

from cni_bridge import address
from cni_bridge.firewall.model import Element, Firewall, PublishedPort, protocol_name
from cni_bridge.lean.csocket import csocket
from cni_bridge.lean.cstruct import pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Options of a whole network: the newest config applies to containers that are already attached.
HOST_FLAGS = ("gateway_only", "no_host", "no_ipv6", "nameserver")
FLAGS = ("isolated", "strict", "internal", "no_icc", "closed", *HOST_FLAGS)
SUBNETS = ("subnet4", "subnet6")
CLUSTERS = ("cluster4", "cluster6")
INTERVALS = (*SUBNETS, *CLUSTERS)
HOST_SETS = ("marked",)
NETWORK_SETS = ("bridges", "same_bridge", *FLAGS, *INTERVALS)
ADDRESS_SETS = ("masq4", "masq6", "snat_off4", "snat_off6", "snat_all4", "snat_all6")
PORT_MAPS = ("port4", "port6", "port4_at", "port6_at")
BRIDGE_SETS = ("mac_guarded", "mac_ok", "ip_guarded", "ip4_ok", "ip6_ok", "nd_ok", "apart")

IFNAMSIZ = 16  # linux/if.h
PORT_KEY = ">B3xH2x"  # inet_proto . inet_service, each padded to four bytes
PORT_KEY_SIZE = 8
PORT_DATA = ">H2x"
DATA_SIZES = (8, 20)  # a container's address and port


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


def first_addresses(firewall: Firewall) -> tuple[bytes, ...]:
    """Return the container's first address of each family: the one that published ports lead to."""
    firsts: dict[int, bytes] = {}
    for ip in firewall.addresses:
        firsts.setdefault(len(ip), ip)
    return tuple(firsts.values())


def targets(addresses: tuple[bytes, ...], port: PublishedPort) -> list[tuple[bytes, bytes]]:
    """Return pairs of host address (all zeros: every address) and container address.

    Empty if the container has no address of the family of `port.host_ip`.
    """
    wanted = port.host_ip
    return [
        (wanted or bytes(len(ip)), ip) for ip in addresses if not wanted or len(wanted) == len(ip)
    ]


def of_port(listens: bytes, leads_to: bytes, port: PublishedPort) -> Element:
    """Return the map element of a published port in one address family."""
    is_everywhere = not any(listens)
    key = pack(PORT_KEY, port.protocol, port.host_port)
    return Element(
        set_name=_of_family("port", leads_to) + ("" if is_everywhere else "_at"),
        key=key if is_everywhere else listens + key,
        data=leads_to + pack(PORT_DATA, port.container_port),
    )


def port_of(element: Element) -> tuple[int, int, bytes]:
    """Return a published port's protocol, host port and host address (empty: every address)."""
    protocol, number = unpack(PORT_KEY, element.key[-PORT_KEY_SIZE:])
    return protocol, number, element.key[:-PORT_KEY_SIZE]


def flags(network: "Iterable[Element]") -> "set[Element]":
    """Return the flags among a network's elements."""
    return {item for item in network if item.set_name in FLAGS}


def is_udp_port(element: Element) -> bool:
    """Return whether it is a published port of UDP."""
    return element.set_name in PORT_MAPS and port_of(element)[0] == csocket.IPPROTO_UDP


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
    (container_port,) = unpack(PORT_DATA, element.data[len(leads_to) :])
    return PublishedPort(
        protocol=protocol,
        host_port=number,
        container_port=container_port,
        host_ip=ip or bytes(len(leads_to)),
    )


def address_behind(element: Element) -> bytes:
    """Return the container's address: the key in a set, or the target of a published port."""
    return element.key if element.data is None else element.data[:-4]


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
    return f"host port {where}{number}/{protocol_name(protocol)}"


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


def _of_ports(firewall: Firewall) -> "Iterator[Element]":
    addresses = first_addresses(firewall)
    for port in firewall.rules.ports:
        for listens, leads_to in targets(addresses, port):
            yield of_port(listens, leads_to, port)


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


def _is_inside(one: Element, other: Element) -> bool:
    if one == other or one.set_name != other.set_name:
        return False
    assert one.key_end is not None, "subnets are intervals"
    assert other.key_end is not None, "subnets are intervals"
    return other.key <= one.key and one.key_end <= other.key_end


def _of_family(name: str, ip: bytes) -> str:
    return f"{name}{'4' if len(ip) == 4 else '6'}"
