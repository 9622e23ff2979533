"""(attachment, config, what IPAM granted) -> Plan: what should exist, decided once for everybody.

Pure and total: no I/O, no clock, no environment. ADD makes it, CHECK compares it, people see it.
"""

from cni_bridge import address, names
from cni_bridge.address import Prefix
from cni_bridge.lean.record import replace
from cni_bridge.model import (
    Attachment,
    Bridge,
    Grant,
    Lease,
    NetworkConfig,
    Plan,
    Port,
    Route,
    Veth,
)

ETH_DATA_LEN = 1500  # linux/if_ether.h: the kernel's default MTU
VLAN_ETH_HLEN = 18  # linux/if_vlan.h
TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.firewall.model import Firewall, FirewallConfig
    from cni_bridge.model_optional import Limit, Shaping, TunedInterface

DEFAULT = {
    address.AF_INET: Prefix(ip=bytes(4), length=0),
    address.AF_INET6: Prefix(ip=bytes(16), length=0),
}


def build(attachment: Attachment, config: NetworkConfig, grant: Grant) -> Plan:
    """The desired state of one attachment: same arguments, same plan."""
    leases = tuple(_with_gateway(lease, config) for lease in grant.leases)
    given = grant.routes + _cluster_routes(leases, config)
    reported = given + _default_routes(leases, given, config)
    firewall = _firewall(attachment, config, leases)
    veth = _veth(attachment, config, leases, reported)
    return Plan(
        attachment=attachment,
        bridge=None if config.is_wire else _bridge(config, leases),
        veth=replace(veth, mac=firewall.mac) if firewall else veth,
        leases=leases,
        routes=reported,
        dns=grant.dns if config.dns is None else config.dns,
        firewall=firewall,
        tuned=_tuned(attachment, config),
        shaping=_shaping(attachment, config),
    )


def _bridge(config: NetworkConfig, leases: tuple[Lease, ...]) -> Bridge:
    return Bridge(
        name=config.bridge,
        mtu=config.mtu,
        gateways=_bridge_addresses(leases) if config.is_gateway else (),
        replaces_address=config.force_address,
        is_promiscuous=config.promisc_mode,
        filters_vlans=config.vlan is not None,
        has_blocks=config.cluster is not None,
        gateway_vlan=_gateway_vlan(config, leases),
    )


def _veth(
    attachment: Attachment,
    config: NetworkConfig,
    leases: tuple[Lease, ...],
    routes: tuple[Route, ...],
) -> Veth:
    mac = config.mac
    if config.is_wire and mac is None:
        mac = names.container_mac(attachment)  # an end that is made anew keeps its MAC
    return Veth(
        host_name=names.host_name(attachment),
        container_name=attachment.ifname,
        alias=names.alias(attachment),
        mtu=config.attachment_mtu or config.mtu,
        mac=mac,
        port=None if config.is_wire else _port(config),
        is_up=config.container_interface_up,
        detects_duplicates=config.duplicate_address_detection,
        addresses=tuple(lease.address for lease in leases),
        routes=_kernel_routes(leases, routes),
    )


def _port(config: NetworkConfig) -> Port:
    rules = config.firewall
    # For its own published ports, which br_netfilter leads back by the port they came.
    is_published = rules is not None and bool(rules.ports) and not config.promisc_mode
    return Port(
        bridge=config.bridge,
        hairpin=config.hairpin_mode or is_published,
        isolated=config.port_isolation or _is_apart(rules),
        vlan=config.vlan,
    )


def _is_apart(rules: "FirewallConfig | None") -> bool:
    """Whether the port is to be isolated, which holds whatever becomes of the rules. Not one with
    published ports: br_netfilter leads to them over the bridge, and the rules alone know which."""
    return rules is not None and not rules.allows_icc and not rules.ports


def _firewall(
    attachment: Attachment, config: NetworkConfig, leases: tuple[Lease, ...]
) -> "Firewall | None":
    rules = config.firewall
    if rules is None:
        return None
    from cni_bridge.firewall.model import Firewall  # most networks leave the firewall alone

    ranges = [item.subnet for range_set in config.ipam.range_sets for item in range_set]
    subnets = [address.subnet(lease.address) for lease in leases]
    mac = config.mac
    if rules.checks_mac and mac is None:
        mac = names.container_mac(attachment)  # to be checked it has to be known beforehand
    vlan = _gateway_vlan(config, leases)
    return Firewall(
        # What is routed in and out passes the interface that has the gateway addresses.
        bridge=names.gateway(config.bridge, vlan) if vlan else config.bridge,
        host_name=names.host_name(attachment),
        mac=mac,
        addresses=tuple(lease.address.ip for lease in leases),
        subnets=tuple(dict.fromkeys((*ranges, *subnets))),
        rules=rules,
        routed=config.cluster or (),
    )


def _gateway_vlan(config: NetworkConfig, leases: tuple[Lease, ...]) -> int:
    """The VLAN that has a gateway interface of its own; 0 where the bridge is it, or there is none."""
    return config.vlan.access if config.vlan and config.is_gateway and leases else 0


def _with_gateway(lease: Lease, config: NetworkConfig) -> Lease:
    """A gateway bridge without a named gateway takes the subnet's first address."""
    if lease.gateway or not config.is_gateway:
        return lease
    return replace(lease, gateway=address.offset(address.first(lease.address), 1))


def _bridge_addresses(leases: tuple[Lease, ...]) -> tuple[Prefix, ...]:
    gateways = [
        Prefix(ip=lease.gateway, length=lease.address.length) for lease in leases if lease.gateway
    ]
    return tuple(dict.fromkeys(gateways))


def _default_routes(
    leases: tuple[Lease, ...], routes: tuple[Route, ...], config: NetworkConfig
) -> tuple[Route, ...]:
    """One default route a family, unless the config's routes hold one already.

    The reference adds a second where the config's has no gateway, and then fails on it: EEXIST.
    """
    if not config.is_default_gateway:
        return ()
    present = {route.destination for route in routes}
    gateways: dict[Prefix, bytes] = {}
    for lease in leases:
        default = DEFAULT[address.family(lease.address.ip)]
        if lease.gateway and default not in present:
            gateways.setdefault(default, lease.gateway)
    return tuple(Route(destination=default, gateway=ip) for default, ip in gateways.items())


def _cluster_routes(leases: tuple[Lease, ...], config: NetworkConfig) -> tuple[Route, ...]:
    """To the blocks of other hosts, wherever the container's other routes lead."""
    if config.cluster is None:
        return ()
    families = {len(lease.address.ip) for lease in leases}
    return tuple(
        Route(destination=network) for network in config.cluster if len(network.ip) in families
    )


def _kernel_routes(leases: tuple[Lease, ...], routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """The routes as the kernel gets them: gateways filled in, each once."""
    gateways: dict[int, bytes] = {}
    for lease in leases:
        if lease.gateway:
            gateways.setdefault(address.family(lease.gateway), lease.gateway)
    resolved = [
        replace(route, gateway=route.gateway or gateways.get(address.family(route.destination.ip)))
        for route in routes
    ]
    return tuple(dict.fromkeys(resolved))


def _tuned(attachment: Attachment, config: NetworkConfig) -> "TunedInterface | None":
    if config.tuning is None:
        return None
    from cni_bridge.model_optional import TunedInterface

    name = attachment.ifname
    sysctls = {
        path: replace(item, path=path)
        for item in config.tuning.sysctls
        for path in [item.path.replace("IFNAME", name, 1)]
    }
    return TunedInterface(name=name, tuning=replace(config.tuning, sysctls=tuple(sysctls.values())))


def _shaping(attachment: Attachment, config: NetworkConfig) -> "Shaping | None":
    if config.bandwidth is None:
        return None
    from cni_bridge.model_optional import Shaping

    frame = (config.attachment_mtu or config.mtu or ETH_DATA_LEN) + VLAN_ETH_HLEN
    return Shaping(
        host_name=names.host_name(attachment),
        ifb_name=names.ifb_name(attachment),
        ingress=_passable(config.bandwidth.ingress, frame),
        egress=_passable(config.bandwidth.egress, frame),
    )


def _passable(limit: "Limit | None", frame: int) -> "Limit | None":
    """A limit whose burst holds a frame: a bucket that is smaller lets none pass, ever."""
    return replace(limit, burst=max(limit.burst, frame)) if limit else None
