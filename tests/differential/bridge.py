"""Rows about the bridge itself: its name, address, MTU, flags, and what was there before."""

from tests.differential.row import (
    ABSENT,
    GATEWAY4,
    SUBNET4,
    ByHand,
    Row,
    Write,
    add,
    check,
    delete,
)

V4 = {"ranges": [[{"subnet": SUBNET4}]]}

ROWS = (
    Row("plain dual stack", steps=(add(), check(), delete())),
    Row("no bridge name", config={"bridge": ABSENT}, steps=(add(), add("c2"))),
    Row("bridge is null", config={"bridge": None}),
    Row("bridge of the longest name", config={"bridge": "bridge-of-15-by"}),
    Row(
        "bridge of too long a name",
        config={"bridge": "bridge-of-16-byt"},
        steps=(add(refused=(7, "bridge")),),
    ),
    Row("bridge with a dot in its name", config={"bridge": "br.7"}, ipam=V4),
    Row("bridge of an empty name", config={"bridge": ""}, steps=(add(refused=(7, "bridge")),)),
    Row("not a gateway", config={"isGateway": False}, steps=(add(), check(), delete())),
    Row("default gateway", config={"isDefaultGateway": True}, steps=(add(), check(), delete())),
    Row(
        "default gateway implies gateway",
        config={"isGateway": False, "isDefaultGateway": True},
    ),
    Row("default gateway for IPv4 only", config={"isDefaultGateway": True}, ipam=V4),
    Row(
        "default gateway and a default route with a gateway",
        config={"isDefaultGateway": True},
        ipam=V4 | {"routes": [{"dst": "0.0.0.0/0", "gw": "10.88.0.9"}]},
    ),
    Row(
        "default gateway and a default route without a gateway",
        differs=("route-once",),
        config={"isDefaultGateway": True},
        ipam=V4 | {"routes": [{"dst": "0.0.0.0/0"}]},
    ),
    Row(
        "default gateway and default routes of both families",
        config={"isDefaultGateway": True},
        ipam={
            "routes": [{"dst": "0.0.0.0/0", "gw": GATEWAY4}, {"dst": "::/0", "gw": "fd00:88::1"}]
        },
    ),
    Row(
        "default gateway and two default routes",
        config={"isDefaultGateway": True},
        ipam=V4
        | {
            "routes": [
                {"dst": "0.0.0.0/0", "gw": "10.88.0.9", "priority": 7},
                {"dst": "0.0.0.0/0", "gw": GATEWAY4},
            ]
        },
    ),
    Row("MTU", config={"mtu": 1400}, steps=(add(), check(), delete())),
    Row(
        "MTU of an existing bridge stays",
        config={"mtu": 1400},
        steps=(ByHand("link add cni0 type bridge"), add()),
    ),
    Row(
        "MTU above that of an existing bridge",
        config={"mtu": 9000},
        steps=(add(), add("c2", config={"mtu": 1300})),
    ),
    Row(
        "MTU that no interface has",
        differs=("mtu-checked",),
        config={"mtu": 70000},
        steps=(add(refused=(7, "mtu")),),
    ),
    Row(
        "MTU below zero",
        differs=("mtu-checked",),
        config={"mtu": -5},
        steps=(add(refused=(7, "mtu")),),
    ),
    Row("MTU too small for IPv6", config={"mtu": 1000}, ipam=V4),
    Row("promiscuous bridge", config={"promiscMode": True}, steps=(add(), check(), delete())),
    Row(
        "promiscuous mode is never switched off",
        config={"promiscMode": True},
        steps=(add(), add("c2", config={"promiscMode": False})),
    ),
    Row("hairpin", config={"hairpinMode": True}, steps=(add(), check(), delete())),
    Row(
        "hairpin and promiscuous mode",
        config={"hairpinMode": True, "promiscMode": True},
        steps=(add(refused=(7, "cannot set hairpin mode and promiscuous mode at the same time")),),
    ),
    Row("isolated port", config={"portIsolation": True}, steps=(add(), check(), delete())),
    Row(
        "bridge that exists and is down",
        steps=(ByHand("link add cni0 type bridge"), add(), check()),
    ),
    Row(
        "bridge that exists with its own MAC",
        steps=(
            ByHand("link add cni0 address 02:00:00:00:00:77 type bridge"),
            add(),
            add("c2"),
            delete(),
        ),
    ),
    Row(
        "bridge that exists with the gateway's address",
        steps=(
            ByHand("link add cni0 address 02:00:00:00:00:77 type bridge"),
            ByHand(f"addr add {GATEWAY4}/16 dev cni0"),
            ByHand("link set cni0 up"),
            add(),
        ),
    ),
    Row(
        "bridge with an IPv4 address that is in the way",
        differs=("no-rollback",),
        ipam=V4,
        steps=(
            ByHand("link add cni0 type bridge"),
            ByHand("addr add 192.0.2.1/24 dev cni0"),
            add(refused=(7, '"cni0" already has an IP address different from 10.88.0.1/16')),
        ),
    ),
    Row(
        "forced address instead of one that is in the way",
        config={"forceAddress": True},
        ipam=V4,
        steps=(
            ByHand("link add cni0 type bridge"),
            ByHand("addr add 192.0.2.1/24 dev cni0"),
            add(),
            check(),
        ),
    ),
    Row(
        "bridge with another IPv6 address, not in the way",
        steps=(
            ByHand("link add cni0 type bridge"),
            ByHand("addr add 2001:db8::1/64 dev cni0 nodad"),
            add(),
        ),
    ),
    Row(
        "bridge with an IPv6 address that is in the way",
        differs=("no-rollback",),
        steps=(
            ByHand("link add cni0 type bridge"),
            ByHand("addr add fd00:88::7/64 dev cni0 nodad"),
            add(refused=(7, '"cni0" already has an IP address different from fd00:88::1/64')),
        ),
    ),
    Row(
        "forced IPv6 address",
        config={"forceAddress": True},
        steps=(
            ByHand("link add cni0 type bridge"),
            ByHand("addr add fd00:88::7/64 dev cni0 nodad"),
            add(),
        ),
    ),
    Row(
        "two IPv4 range sets on one bridge",
        differs=("several-gateways",),
        ipam={"ranges": [[{"subnet": SUBNET4}], [{"subnet": "10.99.0.0/24"}]]},
    ),
    Row(
        "two networks on one bridge",
        differs=("no-rollback",),
        ipam=V4,
        steps=(
            add(),
            add(
                "c2",
                config={
                    "name": "other",
                    "ipam": {"type": "host-local", "subnet": "10.99.0.0/24"},
                },
                refused=(7, "already has an IP address different from 10.99.0.1/24"),
            ),
        ),
    ),
    Row(
        "interface of another kind with the bridge's name",
        differs=("claim-first",),
        steps=(
            ByHand("link add cni0 type veth peer name other"),
            add(refused=(112, "already exists but is not a bridge")),
        ),
    ),
    Row(
        "forwarding is on already",
        steps=(
            Write("/proc/sys/net/ipv4/ip_forward", "1"),
            Write("/proc/sys/net/ipv6/conf/all/forwarding", "1"),
            add(),
        ),
    ),
)
