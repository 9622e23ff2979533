"""Random configs of one plugin, from every key of the schema, most of them sensible."""

from random import Random
from typing import Any

Json = dict[str, Any]

IPV4 = ("10.99.0.0/24", "172.31.9.0/28", "192.168.99.0/30", "100.64.9.0/24")
IPV6 = ("fd00:99::/64", "fd00:98::/120")
KEYS: dict[str, tuple[Any, ...]] = {
    "isGateway": (True, True, False),
    "isDefaultGateway": (True, True, False),
    "forceAddress": (True, False),
    "ipMasq": (True, True, False),
    "ipMasqBackend": ("iptables", "nftables", ""),
    "mtu": (0, 68, 1279, 1280, 1500, 9000, 65535),
    "hairpinMode": (True, False),
    "promiscMode": (True, False),
    "vlan": (0, 1, 100, 4094),
    "vlanTrunk": ([{"id": 5}], [{"minID": 7, "maxID": 9}, {"id": 100}]),
    "preserveDefaultVlan": (True, False),
    "macspoofchk": (True, False),
    "ipspoofchk": (True, False),
    "isolation": ("on", "strict", "off", ""),
    "internal": (True, False),
    "hostAccess": ("all", "gateway", "none", ""),
    "icc": (True, False),
    "closed": (True, False),
    "snat": (True, False),
    "masqAll": (True, False),
    "enabledad": (True, False),
    "ipv6LinkLocal": (True, False),
    "disableContainerInterface": (True, False),
    "portIsolation": (True, False),
    "mac": ("02:11:22:33:44:55", "01:00:5e:00:00:01", "00:00:00:00:00:00"),
    "sysctl": (
        {"net.ipv4.conf.IFNAME.arp_filter": "1"},
        {"net.ipv4.ip_unprivileged_port_start": "0"},
    ),
    "promisc": (True, False),
    "allmulti": (True, False),
    "txQLen": (0, 500),
    "ingressRate": (1_000_000, 8),
    "ingressBurst": (1_000_000, 8),
    "egressRate": (1_000_000, 8),
    "egressBurst": (1_000_000, 8),
    "nameserver": (True, False, {"domain": "x.internal"}),
    "dns": ({"nameservers": ["192.0.2.1"], "search": ["a.b"]},),
    "capabilities": ({"portMappings": True, "ips": True}, {"mac": True, "aliases": True}),
}
TOGETHER = (("ingressRate", "ingressBurst"), ("egressRate", "egressBurst"))
ROUTES = (
    [{"dst": "192.0.2.0/24"}],
    [{"dst": "0.0.0.0/0"}],
    [{"dst": "192.0.2.0/24", "mtu": 1400, "priority": 7}],
    [{"dst": "198.51.100.0/24", "scope": 253}],
    [{"dst": "2001:db8::/32"}],
)


def plugin(random: Random) -> Json:
    """Return a plugin config: usually with addresses, and up to six more keys."""
    made: Json = {"type": "cni-bridge", "bridge": "truth0", "isGateway": True}
    for key in random.sample(sorted(KEYS), random.randint(0, 6)):
        made[key] = random.choice(KEYS[key])
    for rate, burst in TOGETHER:
        if random.random() < 0.9 and (rate in made or burst in made):
            made |= {rate: random.choice(KEYS[rate]), burst: random.choice(KEYS[burst])}
    if random.random() < 0.95:
        made["ipam"] = _ipam(random)
    return made


def _ipam(random: Random) -> Json:
    subnets = [random.choice(IPV4)] if random.random() < 0.8 else []
    subnets += [random.choice(IPV6)] if not subnets or random.random() < 0.4 else []
    ipam: Json = {"type": "cni-bridge", "ranges": [[{"subnet": each}] for each in subnets]}
    if random.random() < 0.3:
        ipam["routes"] = random.choice(ROUTES)
    if random.random() < 0.2:
        inside = ipam["ranges"][0][0]
        base = inside["subnet"].partition("/")[0]
        inside["gateway"] = f"{base.removesuffix('0')}2" if "." in base else f"{base}2"
    if random.random() < 0.2:
        ipam["resolvConf"] = "/etc/resolv.conf"
    return ipam


def gateways(made: Json) -> list[str]:
    """Return the addresses that the container should reach: the bridge's, if it has any."""
    is_gateway = made.get("isGateway") or made.get("isDefaultGateway")
    if not is_gateway or made.get("disableContainerInterface") or made.get("hostAccess") == "none":
        return []
    found = []
    for (inside,) in made.get("ipam", {}).get("ranges", []):
        base = inside["subnet"].partition("/")[0]
        first = f"{base.removesuffix('0')}1" if "." in base else f"{base}1"
        found.append(inside.get("gateway", first))
    return found
