"""Rows about ranges and range sets: what a config may say, and in which order addresses come."""

from tests.differential.row import (
    ABSENT,
    SUBNET4,
    SUBNET6,
    ByHand,
    Json,
    Row,
    add,
    check,
    delete,
)

SMALL = "10.88.0.0/29"


def one(**keys: object) -> Json:
    """Return a single range set of a single range."""
    return {"ranges": [[{"subnet": SUBNET4, **keys}]]}


def refused(name: str, ipam: Json, words: str, code: int = 7) -> Row:
    """Return a row whose only ADD is refused by both."""
    step = add(refused=(code, words))
    return Row(name, ipam=ipam, steps=(step,), differs=("no-rollback",))


ROWS = (
    Row("subnet of the old kind", ipam={"ranges": ABSENT, "subnet": SUBNET4}),
    Row(
        "subnet of the old kind goes first",
        ipam={"ranges": [[{"subnet": SUBNET6}]], "subnet": SUBNET4},
    ),
    Row(
        "old kind with start, end and gateway",
        ipam={
            "ranges": ABSENT,
            "subnet": SUBNET4,
            "rangeStart": "10.88.3.3",
            "rangeEnd": "10.88.3.9",
            "gateway": "10.88.3.1",
        },
    ),
    Row(
        "ranges by capability go first",
        config={"runtimeConfig": {"ipRanges": [[{"subnet": "10.77.0.0/24"}]]}},
        ipam={"ranges": [[{"subnet": SUBNET6}]]},
    ),
    Row(
        "range with start and end",
        ipam=one(rangeStart="10.88.0.9", rangeEnd="10.88.0.10"),
        steps=(add(), add("c2")),
    ),
    Row(
        "gateway inside the range is skipped",
        ipam=one(gateway="10.88.0.2", rangeEnd="10.88.0.4"),
        steps=(add(), add("c2")),
    ),
    Row("gateway outside of the range", ipam=one(rangeStart="10.88.9.0", gateway="10.88.0.254")),
    Row(
        "gateway outside of the subnet",
        ipam=one(gateway="192.0.2.1"),
        config={"isGateway": False},
        steps=(add(refused=(7, "gateway 192.0.2.1 not in network 10.88.0.0/16")),),
        differs=("no-rollback",),
    ),
    Row(
        "a link-local gateway",
        ipam={"ranges": [[{"subnet": SUBNET6, "gateway": "fe80::1"}]]},
        steps=(add(), check(), delete()),
        differs=("link-local-gateway",),
    ),
    Row(
        "several ranges in a set",
        ipam={"ranges": [[{"subnet": "10.88.0.0/30"}, {"subnet": "10.88.1.0/30"}]]},
        config={"isGateway": False},
        steps=(
            add(),
            add("c2"),
            add(
                "c3",
                refused=(
                    100,
                    "no IP addresses available in range set: 10.88.0.1-10.88.0.2,10.88.1.1-10.88.1.2",
                ),
            ),
        ),
        differs=("no-rollback",),
    ),
    Row(
        "several ranges of one subnet",
        ipam={
            "ranges": [
                [
                    {"subnet": SUBNET4, "rangeStart": "10.88.0.10", "rangeEnd": "10.88.0.10"},
                    {"subnet": SUBNET4, "rangeStart": "10.88.0.20", "rangeEnd": "10.88.0.21"},
                ]
            ]
        },
        steps=(add(), add("c2"), add("c3"), delete(), add("c4")),
    ),
    Row(
        "exhausted",
        ipam={"ranges": [[{"subnet": "10.88.0.0/30"}]]},
        steps=(
            add(),
            add(
                "c2",
                refused=(
                    100,
                    "failed to allocate for range 0: no IP addresses available in range set: 10.88.0.1-10.88.0.2",
                ),
            ),
        ),
        differs=("no-rollback",),
    ),
    Row(
        "the second set is exhausted",
        ipam={
            "ranges": [
                [{"subnet": SUBNET4}],
                [{"subnet": "fd00:88::/126", "rangeEnd": "fd00:88::2"}],
            ]
        },
        steps=(
            add(),
            add("c2", refused=(100, "failed to allocate for range 1: no IP addresses available")),
        ),
        differs=("no-rollback", "claim-is-whole"),
    ),
    Row(
        "round robin: a freed address rests",
        ipam={"ranges": [[{"subnet": SMALL}]]},
        steps=(add(), delete(), add(), delete(), add("c2"), add("c3"), delete("c2"), add("c4")),
    ),
    Row(
        "round robin wraps around",
        ipam={"ranges": [[{"subnet": SMALL}]]},
        steps=(*(step for _ in range(6) for step in (add(), delete())), add(), add("c2")),
    ),
    Row(
        "round robin after a start that moved",
        ipam={"ranges": [[{"subnet": SUBNET4}]]},
        steps=(
            add(),
            delete(),
            add(
                config={
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": SUBNET4, "rangeStart": "10.88.9.1"}]],
                    }
                }
            ),
        ),
    ),
    Row(
        "each network has its own addresses",
        config={"isGateway": False},
        steps=(add(), add("c2", config={"name": "other"})),
    ),
    Row(
        "a second ADD without DEL",
        steps=(add(), add(refused=(102, "exists"))),
    ),
    Row(
        "an address that is held by an interface that is gone",
        steps=(
            add(),
            ByHand("link del eth0", container="c1"),
            add(refused=(102, "duplicate allocation is not allowed")),
        ),
        differs=("added-again",),
    ),
    refused("no subnet at all", {"ranges": ABSENT}, "no IP ranges specified"),
    refused("ranges is empty", {"ranges": []}, "no IP ranges specified"),
    refused("ranges is null", {"ranges": None}, "no IP ranges specified"),
    refused("a range set is empty", {"ranges": [[{"subnet": SUBNET4}], []]}, "range"),
    refused(
        "mixed families in a set",
        {"ranges": [[{"subnet": SUBNET4}, {"subnet": SUBNET6}]]},
        "mixed address families",
    ),
    refused(
        "a /31",
        {"ranges": [[{"subnet": "10.88.0.0/31"}]]},
        "Network 10.88.0.0/31 too small to allocate from",
    ),
    refused("a /32", {"ranges": [[{"subnet": "10.88.0.0/32"}]]}, "too small to allocate from"),
    refused(
        "a /127",
        {"ranges": [[{"subnet": "fd00::/127"}]]},
        "Network fd00::/127 too small to allocate from",
    ),
    Row("a /30", ipam={"ranges": [[{"subnet": "10.88.0.4/30"}]]}),
    Row("a /126", ipam={"ranges": [[{"subnet": "fd00:88::4/126"}]]}, steps=(add(), add("c2"))),
    refused(
        "host bits",
        {"ranges": [[{"subnet": "10.88.1.2/16"}]]},
        "Network has host bits set. For a subnet mask of length 16 the network address is 10.88.0.0",
    ),
    refused(
        "start outside",
        one(rangeStart="10.89.0.1"),
        "RangeStart 10.89.0.1 not in network 10.88.0.0/16",
    ),
    refused(
        "end outside", one(rangeEnd="10.89.0.1"), "RangeEnd 10.89.0.1 not in network 10.88.0.0/16"
    ),
    refused(
        "start after end",
        one(rangeStart="10.88.0.9", rangeEnd="10.88.0.8"),
        "RangeStart 10.88.0.9 not in network",
    ),
    refused(
        "ranges of a set overlap",
        {"ranges": [[{"subnet": "10.88.0.0/16"}, {"subnet": "10.88.1.0/24"}]]},
        "subnets 10.88.0.1-10.88.255.254 and 10.88.1.1-10.88.1.254 overlap",
    ),
    refused(
        "range sets overlap",
        {"ranges": [[{"subnet": "10.88.0.0/16"}], [{"subnet": "10.88.1.0/24"}]]},
        "range set 0 overlaps with 1",
    ),
    refused("subnet that is none", {"ranges": [[{"subnet": "blue"}]]}, "blue"),
    refused("subnet without a length", {"ranges": [[{"subnet": "10.88.0.0"}]]}, "10.88.0.0"),
    refused("start that is no address", one(rangeStart="10.88.0.300"), "10.88.0.300"),
)
