"""Everything that the checks judge, read from the host once.

Nothing is judged or changed here; kernel features are tried in a namespace of their own.
"""

import subprocess
from collections.abc import Iterator

from cni_bridge import address, names, plan
from cni_bridge.address import Prefix
from cni_bridge.cli import conflists, inventory, network_managers
from cni_bridge.cli import gc as gc_command
from cni_bridge.cli.conflists import Network
from cni_bridge.cli.doctor import features, peers
from cni_bridge.cli.doctor.fixes import bridge_of
from cni_bridge.cli.doctor.peers import PeerAddress
from cni_bridge.cli.explain import kernel_queries
from cni_bridge.cli.inventory import Inventory
from cni_bridge.cli.network_managers import Managers
from cni_bridge.errors import FirewallRefused
from cni_bridge.firewall import foreign
from cni_bridge.firewall import nft_tables as firewall_tables
from cni_bridge.firewall.foreign import Obstacle
from cni_bridge.firewall.nft_elements import INTERVALS, effective
from cni_bridge.firewall.register import Register
from cni_bridge.kernel import sysctl
from cni_bridge.kernel.netns import OWN_NETNS
from cni_bridge.kernel.nftables import Netfilter
from cni_bridge.lean.record import record, replace
from cni_bridge.ledger import container_names, state_directory, store
from cni_bridge.model import Attachment, Grant, Holding, NetworkConfig, Plan
from cni_bridge.parts import bridge

BRIDGED_IS_FILTERED = "net/bridge/bridge-nf-call-iptables"
TRACKED, TRACKED_MAX = (f"net/netfilter/nf_conntrack_{each}" for each in ("count", "max"))
NFT_TIMEOUT_S = 30


@record
class Facts:
    """The host as it is, and as configs and ledgers describe it."""

    state_dirs: tuple[str, ...]
    plugin_dirs: tuple[str, ...]
    found: Inventory
    networks: tuple[Network, ...]
    plans: dict[Attachment, Plan]
    dead: dict[str, list[Holding]]  # by state directory
    tables: dict[str, tuple[str, ...]]  # problems of each nftables table of cni-bridge
    obstacles: dict[Obstacle, str]  # chains of others that drop what is forwarded; their rules
    features: features.Missing
    sysctls: dict[str, str | None]
    managers: Managers
    uplinks: dict[str, tuple[str, ...]]  # by bridge: the interfaces by which it gets out
    advertised: dict[str, str]  # accept_ra of interfaces with a route from an advertisement
    unheard: dict[str, tuple[PeerAddress, ...]]  # of other hosts, by cluster network

    @property
    def configs(self) -> tuple[NetworkConfig, ...]:
        """The configs of cni-bridge."""
        return tuple(each.config for each in self.networks if each.config)

    def is_chained(self, network: str) -> bool:
        """Whether other plugins, which may change anything, come after cni-bridge."""
        return any(
            each.is_chained for each in self.networks if each.config and each.config.name == network
        )

    def is_kept_down(self, network: str) -> bool:
        """Whether the config keeps container interfaces down."""
        return any(
            each.name == network and not each.container_interface_up for each in self.configs
        )

    @property
    def unconfigured(self) -> tuple[str, ...]:
        """Networks that have containers but no config, so that the desired state is unknown."""
        known = {each.name for each in self.configs}
        used = {each.attachment.network for each in self.found.attachments if each.created}
        return tuple(sorted(used - known))

    @property
    def gateways(self) -> dict[str, set[Prefix]]:
        """The gateway addresses that each bridge or VLAN interface should have."""
        wanted: dict[str, set[Prefix]] = {}
        for each in self.plans.values():
            wanted.setdefault(gateway_of(each), set()).update(bridge_of(each).gateways)
        return wanted


def gather(state_dir: str, conf_dir: str, plugin_dirs: tuple[str, ...]) -> Facts:
    """Inspect everything. Raises the ledger's errors if a ledger cannot be read."""
    networks = conflists.read(conf_dir)
    state_dirs = tuple(dict.fromkeys((state_dir, *conflists.state_dirs(networks))))
    found = inventory.take(*state_dirs)
    plans = _plans(state_dirs, networks)
    return Facts(
        state_dirs=state_dirs,
        plugin_dirs=plugin_dirs,
        found=found,
        networks=networks,
        plans=plans,
        dead={each: gc_command.dead(each) for each in state_dirs},
        tables=dict(_tables()),
        obstacles=_obstacles(plans),
        features=features.missing(),
        sysctls=_sysctls(plans),
        managers=network_managers.look(),
        uplinks=_uplinks(plans),
        advertised=dict(_advertised(found)),
        unheard={each.name: peers.unheard(each) for each in found.clusters},
    )


def gateway_of(wanted: Plan) -> str:
    """Return the interface with an attachment's gateway addresses."""
    bridge = bridge_of(wanted)
    bridge_name, vlan = bridge.name, bridge.gateway_vlan
    return names.gateway(bridge_name, vlan) if vlan else bridge_name


def _plans(state_dirs: tuple[str, ...], networks: tuple[Network, ...]) -> dict[Attachment, Plan]:
    """Rebuild the plan of each living attachment that has a config.

    Of what a runtime adds for one container, its names are known, ports and a MAC are not.
    """
    configs = {each.config.name: each.config for each in networks if each.config}
    plans = {}
    for directory in state_dirs:
        ledger = store.find_ledger(directory)
        if ledger is None:
            continue
        for holding in ledger.holdings():
            settings = configs.get(holding.attachment.network)
            if settings and not settings.is_wire and holding.netns.inode and holding.is_confirmed:
                grant = Grant(leases=holding.leases, routes=settings.ipam.routes)
                given = container_names.given(ledger.database, holding.attachment)
                named = replace(settings, names=given)
                plans[holding.attachment] = plan.build(holding.attachment, named, grant)
    return plans


def _tables() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield cni-bridge's firewall tables, each with its problems."""
    ledger = store.find_ledger(state_directory.HOST)
    if ledger is None:
        return
    register = Register(ledger.database)
    everything = register.everything()
    intervals = {item for item in everything if item.set_name in INTERVALS}
    hidden = intervals - effective(intervals)
    for family, items in firewall_tables.by_family(everything).items():
        wanted = [item for item in items if item not in hidden]
        socket = Netfilter()
        name = f"{firewall_tables.FAMILY_NAMES[family]} {firewall_tables.TABLE}"
        yield (
            name,
            tuple(firewall_tables.problems(socket, family, register.ruleset(family), wanted)),
        )
        socket.close()


def _obstacles(plans: dict[Attachment, Plan]) -> dict[Obstacle, str]:
    devices = dict.fromkeys(gateway_of(each) for each in plans.values() if bridge_of(each).gateways)
    if not devices:
        return {}
    socket = Netfilter()
    try:
        found = foreign.obstacles(socket, *devices)
        return {each: _rules(each) for each in found}
    finally:
        socket.close()


def _rules(obstacle: Obstacle) -> str:
    """Return a chain's rules as text; empty for legacy iptables, or without nft."""
    try:
        nft = firewall_tables.find_nft()
    except FirewallRefused:
        return ""
    done = subprocess.run(
        [nft, "list", "chain", *obstacle.where.split(" ")],
        capture_output=True,
        text=True,
        timeout=NFT_TIMEOUT_S,
        check=False,
    )
    return done.stdout


def _sysctls(plans: dict[Attachment, Plan]) -> dict[str, str | None]:
    keys = [*bridge.FORWARDING.values(), BRIDGED_IS_FILTERED, TRACKED, TRACKED_MAX]
    keys += [sysctl.route_localnet(gateway_of(each)) for each in plans.values()]
    keys += [f"net/ipv6/conf/{gateway_of(each)}/disable_ipv6" for each in plans.values()]
    return {key: sysctl.read(key) for key in keys}


def _uplinks(plans: dict[Attachment, Plan]) -> dict[str, tuple[str, ...]]:
    """Ask the kernel by which interfaces packets of each bridge leave, whatever tables decide it."""
    found: dict[str, dict[str, None]] = {}
    for each in plans.values():
        device = gateway_of(each)
        if device in found:
            continue
        ways = found.setdefault(device, {})
        for source in (address.text(lease.address.ip) for lease in each.leases):
            for target in kernel_queries.FAR_AWAY[":" in source]:
                way = kernel_queries.route(OWN_NETNS, target, source=source, arrives_by=device)
                ways.update({way.device: None} if way.device else {})
    return {device: tuple(ways) for device, ways in found.items()}


def _advertised(found: Inventory) -> Iterator[tuple[str, str]]:
    devices = {each.device for each in found.host.routes if each.is_advertised}
    for device in sorted(devices):
        yield device, sysctl.read(f"net/ipv6/conf/{device}/accept_ra") or ""
