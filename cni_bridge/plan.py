"""(attachment, config, grant) -> Plan: what should exist.

Pure: no I/O, no clock, no environment. ADD creates it, CHECK compares it, `cni-bridge plan` prints it.
"""

from cni_bridge import address, names
from cni_bridge.address import Prefix
from cni_bridge.lean.record import replace
from cni_bridge.ledger import state_directory
from cni_bridge.model import (
    Attachment,
    Bridge,
    Dns,
    Grant,
    Holding,
    Lease,
    NetworkConfig,
    Plan,
    Port,
    Route,
    Veth,
)

ETH_DATA_LEN = 1500  # linux/if_ether.h: the kernel's default MTU
VLAN_ETH_HLEN = 18  # linux/if_vlan.h
RT_TABLE_UNSPEC, RT_TABLE_MAIN = 0, 254  # linux/rtnetlink.h
TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.firewall.model import Firewall, FirewallConfig
    from cni_bridge.model_optional import Limit, ServedNames, Shaping, TunedInterface

DEFAULT = {
    address.AF_INET: Prefix(ip=bytes(4), length=0),
    address.AF_INET6: Prefix(ip=bytes(16), length=0),
}


def build(attachment: Attachment, config: NetworkConfig, grant: Grant) -> Plan:
    """Return the desired state of one attachment."""
    leases = tuple(_with_gateway(lease, config) for lease in grant.leases)
    config = _with_possible_ports(config, leases)
    given = _reachable(grant.routes, leases, config) + _cluster_routes(leases, config)
    reported = given + _default_routes(leases, given, config)
    firewall = _firewall(attachment, config, leases)
    veth = _veth(attachment, config, leases, reported)
    dns = grant.dns if config.dns is None else config.dns
    return Plan(
        attachment=attachment,
        bridge=None if config.is_wire else _bridge(config, leases),
        veth=veth,
        leases=leases,
        routes=reported,
        dns=_with_nameserver(dns, leases, config) if config.nameserver else dns,
        firewall=firewall,
        tuned=_tuned(attachment, config),
        shaping=_shaping(attachment, config),
        served=_served(attachment, config, leases) if config.nameserver else None,
    )


def mac(attachment: Attachment, config: NetworkConfig) -> bytes:
    """Return the container end's MAC: the requested one, or one that no other attachment has.

    Known in advance, so that the ledger can record it and the firewall check it; an end that is
    created again keeps it.
    """
    return config.mac or names.container_mac(attachment)


def with_mac(config: NetworkConfig, holding: Holding) -> NetworkConfig:
    """Return the config with the MAC of the record, which need not be the derived one."""
    if holding.mac in (None, mac(holding.attachment, config)):
        return config
    return replace(config, mac=holding.mac)


def _bridge(config: NetworkConfig, leases: tuple[Lease, ...]) -> Bridge:
    return Bridge(
        name=config.bridge,
        mtu=config.mtu,
        gateways=_bridge_addresses(leases) if config.is_gateway else (),
        is_default_gateway=config.is_default_gateway,
        routed=_routed_subnets(leases) if config.is_gateway else (),
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
    state_dir = config.state_dir
    return Veth(
        host_name=names.host_name(attachment),
        container_name=attachment.ifname,
        alias=names.alias(
            attachment, "" if state_dir == state_directory.HOST else state_dir, config.names
        ),
        mtu=config.attachment_mtu or config.mtu,
        mac=mac(attachment, config),
        port=None if config.is_wire else _port(config),
        is_up=config.container_interface_up,
        detects_duplicates=config.duplicate_address_detection,
        disables_ipv6=_disables_ipv6(config, leases, routes),
        addresses=tuple(lease.address for lease in leases),
        routes=_kernel_routes(leases, routes),
        ignores_routers=_ignores_routers(config, leases),
    )


def _ignores_routers(config: NetworkConfig, leases: tuple[Lease, ...]) -> bool:
    """Return whether every router of the network is known, so that an advertisement is a forgery.

    They are where the bridge is the gateway, or IPAM names one for IPv6. A bridge that is a port of
    a LAN may have a router of its own.
    """
    knows_router = any(lease.gateway and len(lease.address.ip) == 16 for lease in leases)
    return bool(leases) and not config.is_wire and (config.is_gateway or knows_router)


def _disables_ipv6(
    config: NetworkConfig, leases: tuple[Lease, ...], routes: tuple[Route, ...]
) -> bool:
    """Tell whether to turn IPv6 off: where the host is the gateway and gives no IPv6 address, nothing
    answers, and what the kernel sends for a link-local address is flooded to every container.

    An IPv6 route needs IPv6, whether or not there is an address to go with it.
    """
    if not config.is_gateway or not leases or config.keeps_link_local:
        return False
    used = (*(lease.address.ip for lease in leases), *(route.destination.ip for route in routes))
    return not any(len(ip) == 16 for ip in used)


def _port(config: NetworkConfig) -> Port:
    rules = config.firewall
    # With br_netfilter, a container's own published ports return by the port they came from.
    is_published = rules is not None and bool(rules.ports) and not config.promisc_mode
    return Port(
        bridge=config.bridge,
        hairpin=config.hairpin_mode or is_published,
        isolated=config.port_isolation or _is_apart(rules),
        vlan=config.vlan,
        is_checked=rules is not None and (rules.checks_mac or rules.checks_ip),
    )


def _with_possible_ports(config: NetworkConfig, leases: tuple[Lease, ...]) -> NetworkConfig:
    """Leave out ports published on all host addresses of a family that the container lacks.

    The reference ignores them too. A single host address of that family stays, and is refused.
    """
    rules = config.firewall
    if rules is None or not rules.ports:
        return config
    sizes = {0, *(len(lease.address.ip) for lease in leases)}
    possible = tuple(
        port for port in rules.ports if any(port.host_ip) or len(port.host_ip) in sizes
    )
    return replace(config, firewall=replace(rules, ports=possible))


def _is_apart(rules: "FirewallConfig | None") -> bool:
    """Tell whether to isolate the port, which holds even if the nft rules are lost.

    Never with published ports: br_netfilter reaches them over the bridge, and only the nft rules
    can tell them apart.
    """
    return rules is not None and not rules.allows_icc and not rules.ports


def _firewall(
    attachment: Attachment, config: NetworkConfig, leases: tuple[Lease, ...]
) -> "Firewall | None":
    rules = config.firewall
    if rules is None:
        return None
    from cni_bridge.firewall.model import Firewall  # most networks use no firewall

    ranges = [item.subnet for range_set in config.ipam.range_sets for item in range_set]
    subnets = [address.subnet(lease.address) for lease in leases]
    vlan = _gateway_vlan(config, leases)
    return Firewall(
        # Routed packets pass the interface that has the gateway addresses.
        bridge=names.gateway(config.bridge, vlan) if vlan else config.bridge,
        host_name=names.host_name(attachment),
        mac=mac(attachment, config) if rules.checks_mac or rules.checks_ip else config.mac,
        addresses=tuple(lease.address.ip for lease in leases),
        subnets=tuple(dict.fromkeys((*ranges, *subnets))),
        rules=rules,
        routed=config.cluster or (),
    )


def _with_nameserver(dns: Dns, leases: tuple[Lease, ...], config: NetworkConfig) -> Dns:
    """Return the settings with the gateways as the only nameservers: others know no container."""
    assert config.nameserver, "asked for networks that have one"
    domain = config.nameserver.domain
    gateways = (address.text(lease.gateway) for lease in leases if lease.gateway)
    return replace(
        dns,
        nameservers=tuple(dict.fromkeys(gateways)),
        search=tuple(dict.fromkeys((domain, *dns.search))),
    )


def _served(
    attachment: Attachment, config: NetworkConfig, leases: tuple[Lease, ...]
) -> "ServedNames":
    from cni_bridge.model_optional import ServedNames  # few networks have a nameserver

    assert config.nameserver, "asked for networks that have one"
    vlan = _gateway_vlan(config, leases)
    return ServedNames(
        network=attachment.network,
        interface=names.gateway(config.bridge, vlan) if vlan else config.bridge,
        domain=config.nameserver.domain,
        upstream=config.nameserver.upstream,
        addresses=tuple(lease.address.ip for lease in leases),
        names=config.names,
        spans_hosts=config.cluster is not None,
    )


def _gateway_vlan(config: NetworkConfig, leases: tuple[Lease, ...]) -> int:
    """Return the VLAN with its own gateway interface; 0 if the bridge has the gateway, or none."""
    return config.vlan.access if config.vlan and config.is_gateway and leases else 0


def _with_gateway(lease: Lease, config: NetworkConfig) -> Lease:
    """Give the lease of a gateway bridge the subnet's first address where it names no gateway."""
    if lease.gateway or not config.is_gateway:
        return lease
    return replace(lease, gateway=address.offset(address.first(lease.address), 1))


def _bridge_addresses(leases: tuple[Lease, ...]) -> tuple[Prefix, ...]:
    gateways = [
        Prefix(ip=lease.gateway, length=lease.address.length) for lease in leases if lease.gateway
    ]
    return tuple(dict.fromkeys(gateways))


def _routed_subnets(leases: tuple[Lease, ...]) -> tuple[Prefix, ...]:
    """Return the subnets that the host reaches by a route, as their gateway is link-local."""
    return tuple(
        address.subnet(lease.address)
        for lease in leases
        if lease.gateway and len(lease.gateway) == 16 and address.is_link_local(lease.gateway)
    )


def _default_routes(
    leases: tuple[Lease, ...], routes: tuple[Route, ...], config: NetworkConfig
) -> tuple[Route, ...]:
    """Return one default route per family, unless the config's routes have one.

    The reference adds a second where the config's has no gateway, and then fails with EEXIST.
    """
    if not config.is_default_gateway or _is_internal(config):
        return ()
    present = {route.destination for route in routes}
    gateways: dict[Prefix, bytes] = {}
    for lease in leases:
        default = DEFAULT[address.family(lease.address.ip)]
        if lease.gateway and default not in present:
            gateways.setdefault(default, lease.gateway)
    return tuple(Route(destination=default, gateway=ip) for default, ip in gateways.items())


def _is_internal(config: NetworkConfig) -> bool:
    return config.firewall is not None and config.firewall.is_internal


def _reachable(
    routes: tuple[Route, ...], leases: tuple[Lease, ...], config: NetworkConfig
) -> tuple[Route, ...]:
    """Return the routes without the default routes of an internal network.

    Its bridge forwards nothing to other networks, so such a route would only take a container's way
    out over its other networks. One through another container of the network stays.
    """
    if not _is_internal(config):
        return routes
    dead_ends = {None, *(lease.gateway for lease in leases), *map(bytes, (4, 16))}
    return tuple(
        route
        for route in routes
        if route.destination.length
        or route.gateway not in dead_ends
        or route.table not in (None, RT_TABLE_UNSPEC, RT_TABLE_MAIN)
    )


def _cluster_routes(leases: tuple[Lease, ...], config: NetworkConfig) -> tuple[Route, ...]:
    """Return routes to other hosts' blocks, which no other route of the container may divert."""
    if config.cluster is None:
        return ()
    families = {len(lease.address.ip) for lease in leases}
    return tuple(
        Route(destination=network) for network in config.cluster if len(network.ip) in families
    )


def _kernel_routes(leases: tuple[Lease, ...], routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Return the routes for the kernel: gateways filled in, without duplicates.

    An all-zero gateway means that the destination is on the link; the kernel reports none then.
    """
    gateways: dict[int, bytes] = {}
    for lease in leases:
        if lease.gateway:
            gateways.setdefault(address.family(lease.gateway), lease.gateway)
    resolved = []
    for route in routes:
        gateway = route.gateway or gateways.get(address.family(route.destination.ip))
        is_on_link = gateway is None or not any(gateway)
        resolved.append(replace(route, gateway=None if is_on_link else gateway))
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
    """Raise the burst to the size of one frame: a smaller bucket would never let one pass."""
    return replace(limit, burst_bytes=max(limit.burst_bytes, frame)) if limit else None
