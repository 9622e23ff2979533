"""Rows about CHECK: what each plugin notices of what was changed by hand."""

from tests.differential.row import GATEWAY4, ByHand, Json, Row, Step, Write, add, check, delete


def noticed(
    name: str, words: str, *steps: Step, config: Json | None = None, differs: tuple[str, ...] = ()
) -> Row:
    """ADD, changes by hand, and a CHECK that both fail with these words."""
    return Row(
        f"CHECK: {name}",
        config=config or {},
        steps=(add(), *steps, check(refused=(120, words))),
        differs=differs,
    )


def inside(words: str) -> ByHand:
    """By hand, in the container."""
    return ByHand(words, container="c1")


ROWS = (
    noticed("address deleted", "10.88.0.2", inside("addr del 10.88.0.2/16 dev eth0")),
    noticed("IPv6 address deleted", "fd00:88::2", inside("addr del fd00:88::2/64 dev eth0")),
    noticed(
        "default route deleted",
        "0.0.0.0",
        inside("route del default"),
        config={"isDefaultGateway": True},
    ),
    noticed("container's interface gone", "eth0", inside("link del eth0")),
    noticed(
        "container's interface down",
        "eth0",
        inside("link set eth0 down"),
    ),
    noticed("bridge gone", "cni0", ByHand("link del cni0")),
    noticed("port off the bridge", "cni0", ByHand("link set {port} nomaster")),
    noticed("bridge down", "cni0", ByHand("link set cni0 down"), differs=("check-sees-more",)),
    noticed(
        "bridge without its address",
        "10.88.0.1",
        ByHand("addr del 10.88.0.1/16 dev cni0"),
        differs=("check-sees-more",),
    ),
    noticed("host end down", "down", ByHand("link set {port} down"), differs=("check-sees-more",)),
    noticed(
        "hairpin switched on",
        "hairpin",
        ByHand("link set {port} type bridge_slave hairpin on"),
        differs=("check-sees-more",),
    ),
    noticed(
        "isolation switched on",
        "isolated",
        ByHand("link set {port} type bridge_slave isolated on"),
        differs=("check-sees-more",),
    ),
    noticed(
        "forwarding switched off",
        "ip_forward",
        Write("/proc/sys/net/ipv4/ip_forward", "0"),
        differs=("check-sees-more",),
    ),
    noticed(
        "promiscuous mode switched off",
        "promisc",
        ByHand("link set cni0 promisc off"),
        config={"promiscMode": True},
    ),
    Row(
        "CHECK: promiscuous mode switched on",
        steps=(add(), ByHand("link set cni0 promisc on"), check()),
        differs=("check-tolerates",),
    ),
    Row(
        "CHECK: another MAC in the container",
        steps=(add(), ByHand("link set eth0 address 02:00:00:00:00:33", container="c1"), check()),
        differs=("check-tolerates",),
    ),
    Row(
        "CHECK: another MAC on the bridge",
        steps=(add(), ByHand("link set cni0 address 02:00:00:00:00:33"), check()),
        differs=("check-tolerates",),
    ),
    Row(
        "CHECK: another MAC on the host end",
        steps=(add(), ByHand("link set {port} address 02:00:00:00:00:33"), check()),
        differs=("check-tolerates",),
    ),
    Row(
        "CHECK: more addresses and routes than asked for",
        steps=(
            add(),
            inside("addr add 198.51.100.7/24 dev eth0"),
            inside(f"route add 203.0.113.0/24 via {GATEWAY4}"),
            check(),
        ),
    ),
    Row("CHECK: MTU changed", steps=(add(), inside("link set eth0 mtu 1400"), check())),
    Row(
        "CHECK without prevResult",
        steps=(
            add(),
            check(config={"prevResult": None}, refused=(7, "Required prevResult missing")),
        ),
    ),
    Row(
        "CHECK of another interface",
        steps=(
            add(),
            check(
                ifname="net1",
                config={
                    "prevResult": {"cniVersion": "1.0.0", "ips": [{"address": "10.88.0.2/16"}]}
                },
                refused=(120, ""),
            ),
        ),
    ),
    Row(
        "CHECK after DEL",
        steps=(
            add(),
            delete(),
            check(
                config={
                    "prevResult": {"cniVersion": "1.0.0", "ips": [{"address": "10.88.0.2/16"}]}
                },
                refused=(120, "c1"),
            ),
        ),
    ),
    Row(
        "CHECK of a netns that is gone",
        steps=(
            add(),
            check(environment={"CNI_NETNS": "/run/netns/gone"}, refused=(3, "/run/netns/gone")),
        ),
    ),
    Row(
        "CHECK of a netns by another spelling",
        steps=(add(), check(environment={"CNI_NETNS": "/run/../run/netns/c1"})),
        differs=("check-knows-netns",),
    ),
    Row(
        "CHECK of a second interface",
        steps=(add(), add(ifname="net1"), check(), check(ifname="net1")),
    ),
)
