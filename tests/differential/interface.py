"""Rows about the container's interface: MAC, addresses of it, DAD, layer 2, names that are taken."""

from tests.differential.row import (
    SUBNET4,
    SUBNET6,
    ByHand,
    Row,
    Write,
    add,
    check,
    delete,
)

V4 = {"ranges": [[{"subnet": SUBNET4}]]}
V6 = {"ranges": [[{"subnet": SUBNET6}]]}
LAYER2 = {"isGateway": False}
MAC, OTHER_MAC, THIRD_MAC = "02:11:22:33:44:55", "02:aa:bb:cc:dd:ee", "02:00:5e:00:53:01"

ROWS = (
    Row(
        "MAC by capability",
        config={"runtimeConfig": {"mac": MAC}},
        steps=(add(), check(), delete()),
    ),
    Row("MAC without separators", config={"runtimeConfig": {"mac": MAC.replace(":", "")}}),
    Row("MAC by args", config={"args": {"cni": {"mac": MAC}}}),
    Row("MAC by CNI_ARGS", steps=(add(environment={"CNI_ARGS": f"IgnoreUnknown=1;MAC={MAC}"}),)),
    Row(
        "MAC by all three ways",
        config={"runtimeConfig": {"mac": MAC}, "args": {"cni": {"mac": OTHER_MAC}}},
        steps=(add(environment={"CNI_ARGS": f"IgnoreUnknown=1;MAC={THIRD_MAC}"}),),
    ),
    Row(
        "MAC by args and CNI_ARGS",
        config={"args": {"cni": {"mac": OTHER_MAC}}},
        steps=(add(environment={"CNI_ARGS": f"IgnoreUnknown=1;MAC={THIRD_MAC}"}),),
    ),
    Row(
        "MAC with dashes",
        config={"runtimeConfig": {"mac": "02-11-22-33-44-55"}},
        steps=(ByHand("link add other address 02:11:22:33:44:55 type bridge"), add()),
    ),
    Row(
        "MAC with dots",
        config={"runtimeConfig": {"mac": "0211.2233.4455"}},
        steps=(ByHand("link add other address 02:11:22:33:44:55 type bridge"), add()),
    ),
    Row(
        "MAC in capitals",
        config={"runtimeConfig": {"mac": MAC.upper()}},
        steps=(ByHand("link add other address 02:11:22:33:44:55 type bridge"), add()),
    ),
    Row(
        "MAC that is none",
        differs=("no-rollback",),
        config={"runtimeConfig": {"mac": "blue"}},
        steps=(add(refused=(7, "address blue: invalid MAC address")),),
    ),
    Row(
        "MAC of eight bytes",
        differs=("no-rollback",),
        config={"runtimeConfig": {"mac": "02:11:22:33:44:55:66:77"}},
        steps=(add(refused=(7, "")),),
    ),
    Row(
        "MAC that is multicast",
        differs=("no-rollback",),
        config={"runtimeConfig": {"mac": "03:11:22:33:44:55"}},
        steps=(add(refused=(7, "address")),),
    ),
    Row("empty MAC", config={"runtimeConfig": {"mac": ""}, "args": {"cni": {"mac": MAC}}}),
    Row("DAD off", config={"enabledad": False}, ipam=V6),
    Row("DAD on", config={"enabledad": True}, steps=(add(), check(), delete())),
    Row("DAD on without a gateway", config={"enabledad": True, "isGateway": False}, ipam=V6),
    Row(
        "DAD finds a duplicate",
        differs=(
            "bridge-first",
            "no-rollback",
        ),
        config={"enabledad": True},
        ipam=V6,
        steps=(
            ByHand("link add cni0 type bridge"),
            ByHand("addr add fd00:88::2/64 dev cni0 nodad"),
            ByHand("addr add fd00:88::1/64 dev cni0 nodad"),
            ByHand("link set cni0 up"),
            add(config={"forceAddress": False}, refused=(101, "failed to settle addresses")),
        ),
    ),
    Row("IPv4 only", ipam=V4, steps=(add(), check(), delete())),
    Row("IPv6 only", ipam=V6, steps=(add(), check(), delete())),
    Row(
        "IPv6 is off in the container",
        ipam=V6,
        steps=(
            Write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1", container="c1"),
            Write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1", container="c1"),
            add(),
        ),
    ),
    Row(
        "IPv6 is off in the container and not wanted",
        ipam=V4,
        steps=(
            Write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1", container="c1"),
            Write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1", container="c1"),
            add(),
        ),
    ),
    Row("layer 2", config=LAYER2, ipam=None, steps=(add(), delete())),
    Row(
        "layer 2 with an empty ipam",
        config=LAYER2 | {"ipam": {}},
        ipam=None,
        steps=(add(), delete()),
    ),
    Row("layer 2 with ipam null", config=LAYER2 | {"ipam": None}, ipam=None),
    Row("layer 2 with an empty type", config=LAYER2 | {"ipam": {"type": ""}}, ipam=None),
    Row("layer 2 and a gateway", ipam=None, steps=(add(), delete())),
    Row("layer 2 and a default gateway", config={"isDefaultGateway": True}, ipam=None),
    Row("CHECK of layer 2", config=LAYER2, ipam=None, steps=(add(), check())),
    Row(
        "layer 2 with the container's interface down",
        config=LAYER2 | {"disableContainerInterface": True},
        ipam=None,
        steps=(add(), delete()),
    ),
    Row(
        "the container's interface down, with IPAM",
        config={"disableContainerInterface": True},
        steps=(add(refused=(7, "cannot use IPAM when DisableContainerInterface flag is set")),),
    ),
    Row(
        "the interface's name is taken in the container",
        differs=("bridge-first", "del-by-identity", "claim-first"),
        steps=(
            ByHand("link add eth0 type veth peer name other", container="c1"),
            add(refused=(112, 'container veth name ("eth0") peer provided')),
            delete(),
        ),
    ),
    Row("two interfaces of one container", steps=(add(), add(ifname="net1"), delete())),
    Row("three containers", steps=(add(), add("c2"), add("c3"), delete("c2"))),
    Row("interface of the longest name", steps=(add(ifname="fifteen-letters"),)),
)
