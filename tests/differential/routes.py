"""Rows about routes: their gateways, metrics, tables and scopes."""

from tests.differential.row import (
    GATEWAY4,
    GATEWAY6,
    SUBNET4,
    ByHand,
    Json,
    Row,
    add,
    check,
    delete,
)


def routes(*listed: Json, **ipam: object) -> Json:
    """`ipam` with these routes."""
    return {"routes": list(listed), **ipam}


NEW = {"cniVersion": "1.1.0"}
WHOLE = (add(), check(), delete())

ROWS = (
    Row(
        "routes without a gateway",
        ipam=routes({"dst": "192.0.2.0/24"}, {"dst": "2001:db8::/32"}),
        steps=(add(), check()),
    ),
    Row(
        "routes with a gateway",
        ipam=routes(
            {"dst": "192.0.2.0/24", "gw": "10.88.0.9"}, {"dst": "2001:db8::/32", "gw": "fd00:88::9"}
        ),
        steps=(add(), check()),
    ),
    Row(
        "route on the link, by an all-zero gateway",
        ipam=routes({"dst": "192.0.2.0/24", "gw": "0.0.0.0"}),
        steps=(add(), check()),
        differs=("check-finds-routes",),
    ),
    Row(
        "default route on the link",
        config={"isDefaultGateway": True},
        ipam=routes({"dst": "0.0.0.0/0", "gw": "0.0.0.0"}, ranges=[[{"subnet": SUBNET4}]]),
    ),
    Row(
        "IPv6 route on the link, by an all-zero gateway",
        ipam=routes({"dst": "2001:db8::/32", "gw": "::"}),
        differs=("route-on-link",),
    ),
    Row(
        "default routes without a gateway",
        ipam=routes({"dst": "0.0.0.0/0"}, {"dst": "::/0"}),
        steps=WHOLE,
    ),
    Row(
        "route without a gateway on a network that has none",
        config={"isGateway": False},
        ipam=routes({"dst": "192.0.2.0/24"}),
    ),
    Row(
        "route of a family that has no address",
        ipam=routes({"dst": "2001:db8::/32"}, ranges=[[{"subnet": SUBNET4}]]),
        steps=(add(),),
    ),
    Row(
        "route with host bits",
        differs=("route-host-bits",),
        ipam=routes({"dst": "192.0.2.7/24"}),
        steps=(add(), check()),
    ),
    Row(
        "route to one address",
        ipam=routes({"dst": "192.0.2.7/32"}, {"dst": "2001:db8::7/128"}),
        steps=(add(), check()),
    ),
    Row(
        "route with a priority",
        config=NEW,
        ipam=routes(
            {"dst": "192.0.2.0/24", "priority": 77}, {"dst": "2001:db8::/32", "priority": 78}
        ),
        steps=(add(), check()),
    ),
    Row(
        "route in a table",
        config=NEW,
        ipam=routes({"dst": "192.0.2.0/24", "table": 5}, {"dst": "2001:db8::/32", "table": 1000}),
    ),
    Row(
        "CHECK of a route in a table",
        differs=("check-finds-routes",),
        config=NEW,
        ipam=routes({"dst": "192.0.2.0/24", "table": 5}),
        steps=(add(), check()),
    ),
    Row(
        "route with a scope of its own",
        config=NEW,
        ipam=routes({"dst": "192.0.2.0/24", "scope": 200}, ranges=[[{"subnet": SUBNET4}]]),
    ),
    Row(
        "route with scope link, but through a gateway",
        config=NEW | {"isGateway": False},
        ipam=routes({"dst": "192.0.2.0/24", "scope": 253}, ranges=[[{"subnet": SUBNET4}]]),
        steps=(add(refused=(110, "route")),),
        differs=("no-rollback",),
    ),
    Row("route with scope 0", config=NEW, ipam=routes({"dst": "192.0.2.0/24", "scope": 0})),
    Row(
        "route with an MTU and an MSS",
        differs=("route-metrics",),
        config=NEW,
        ipam=routes({"dst": "192.0.2.0/24", "mtu": 1300, "advmss": 1200}),
    ),
    Row(
        "route with every key",
        differs=("route-metrics",),
        config=NEW,
        ipam=routes(
            {
                "dst": "192.0.2.0/24",
                "gw": GATEWAY4,
                "mtu": 1300,
                "advmss": 1200,
                "priority": 5,
                "table": 100,
                "scope": 0,
            }
        ),
    ),
    Row(
        "the same route twice",
        differs=("route-once",),
        ipam=routes({"dst": "192.0.2.0/24"}, {"dst": "192.0.2.0/24"}),
    ),
    Row(
        "the same route with two priorities",
        config=NEW,
        ipam=routes({"dst": "192.0.2.0/24", "priority": 1}, {"dst": "192.0.2.0/24", "priority": 2}),
    ),
    Row(
        "the same route with two gateways",
        ipam=routes(
            {"dst": "192.0.2.0/24", "gw": "10.88.0.8"}, {"dst": "192.0.2.0/24", "gw": "10.88.0.9"}
        ),
    ),
    Row(
        "route whose gateway can't be reached",
        differs=(
            "bridge-first",
            "no-rollback",
        ),
        ipam=routes({"dst": "192.0.2.0/24", "gw": "203.0.113.1"}),
        steps=(add(refused=(110, "route")),),
    ),
    Row(
        "route whose destination is none",
        differs=("no-rollback",),
        ipam=routes({"dst": "nowhere"}),
        steps=(add(refused=(7, "nowhere")),),
    ),
    Row(
        "route without a destination",
        differs=("no-rollback",),
        ipam=routes({"gw": GATEWAY4}),
        steps=(add(refused=(7, "")),),
    ),
    Row(
        "route whose gateway is none",
        differs=("no-rollback",),
        ipam=routes({"dst": "192.0.2.0/24", "gw": "blue"}),
        steps=(add(refused=(7, "blue")),),
    ),
    Row("route whose gateway is empty", ipam=routes({"dst": "192.0.2.0/24", "gw": ""})),
    Row(
        "route whose gateway is of the other family",
        differs=("no-rollback",),
        ipam=routes({"dst": "192.0.2.0/24", "gw": GATEWAY6}),
        steps=(add(refused=(7, "")),),
    ),
    Row(
        "the same IPv6 route with two gateways",
        ipam=routes(
            {"dst": "2001:db8::/32", "gw": "fd00:88::8"},
            {"dst": "2001:db8::/32", "gw": "fd00:88::9"},
        ),
        steps=(add(),),
    ),
    Row(
        "CHECK of a route with two gateways",
        ipam=routes(
            {"dst": "192.0.2.0/24", "gw": "10.88.0.8"}, {"dst": "192.0.2.0/24", "gw": "10.88.0.9"}
        ),
        steps=(add(), check()),
    ),
    Row(
        "CHECK of an IPv6 route with two gateways",
        ipam=routes(
            {"dst": "2001:db8::/32", "gw": "fd00:88::8"},
            {"dst": "2001:db8::/32", "gw": "fd00:88::9"},
        ),
        steps=(add(), check()),
        differs=("check-finds-routes",),
    ),
    Row("routes is null", ipam={"routes": None}),
    Row(
        "routes are reported in older versions too",
        config={"cniVersion": "0.2.0"},
        ipam=routes({"dst": "192.0.2.0/24"}, {"dst": "2001:db8::/32", "gw": "fd00:88::9"}),
    ),
    Row(
        "the interface's own route is deleted by hand",
        steps=(
            add(),
            ByHand("route del 10.88.0.0/16 dev eth0", container="c1"),
            check(refused=(120, "eth0")),
        ),
    ),
)
