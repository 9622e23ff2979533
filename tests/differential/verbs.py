"""Rows about spec versions and verbs: what each version has, DEL in every state, GC, STATUS."""

from tests.differential.row import ABSENT, ByHand, Call, Row, add, check, delete

NEW = {"cniVersion": "1.1.0"}


def version(number: str) -> Row:
    """Everything that a spec version has, of dual stack."""
    has_check = number not in ("0.1.0", "0.2.0", "0.3.0", "0.3.1")
    steps = (add(), check(), delete()) if has_check else (add(), delete())
    dns = {"nameservers": ["192.0.2.1"]}
    ipam = {"routes": [{"dst": "192.0.2.0/24"}, {"dst": "2001:db8::/32"}]}
    return Row(
        f"version {number}", config={"cniVersion": number, "dns": dns}, ipam=ipam, steps=steps
    )


ROWS = (
    *map(version, ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")),
    Row("cniVersion 1.1.0 without DEL", config=NEW),
    Row("no version", config={"cniVersion": ABSENT}),
    Row("empty version", config={"cniVersion": ""}),
    Row("version null", config={"cniVersion": None}),
    Row(
        "version of the future",
        config={"cniVersion": "2.0.0"},
        steps=(add(refused=(1, "incompatible CNI versions")),),
    ),
    Row(
        "version in short",
        config={"cniVersion": "1.0"},
        steps=(add(refused=(1, "incompatible CNI versions")),),
    ),
    Row(
        "layer 2 in a version that can't say so",
        config={"cniVersion": "0.2.0"},
        ipam=None,
        steps=(add(refused=(7, "cannot convert: no valid IP addresses")),),
        differs=("no-rollback",),
    ),
    Row(
        "two addresses of a family in a version that can't say so",
        config={"cniVersion": "0.2.0", "isGateway": False},
        ipam={"ranges": [[{"subnet": "10.88.0.0/24"}], [{"subnet": "10.89.0.0/24"}]]},
        steps=(
            add(refused=(7, "CNI version 0.2.0 does not support more than 1 address per family")),
        ),
        differs=("no-rollback",),
    ),
    Row("cniVersions in the config", config={"cniVersions": ["0.4.0", "1.0.0"]}),
    Row(
        "CHECK before it existed",
        config={"cniVersion": "0.3.1"},
        steps=(add(), check(refused=(1, "config version does not allow CHECK"))),
    ),
    Row(
        "GC before it existed", steps=(Call("GC", refused=(1, "config version does not allow GC")),)
    ),
    Row(
        "STATUS before it existed",
        steps=(Call("STATUS", refused=(1, "config version does not allow STATUS")),),
    ),
    Row("STATUS", config=NEW, steps=(Call("STATUS"), add(), Call("STATUS"))),
    Row(
        "STATUS of an exhausted range",
        config=NEW,
        ipam={"ranges": [[{"subnet": "10.88.0.0/30"}]]},
        steps=(add(), Call("STATUS", refused=(50, "no IP addresses available"))),
        differs=("status",),
    ),
    Row("GC without a list", config=NEW, steps=(add(), Call("GC"))),
    Row(
        "GC with an attachment that is valid",
        config=NEW | {"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]},
        steps=(add(), Call("GC")),
    ),
    Row(
        "GC with an empty list",
        config=NEW,
        steps=(add(), Call("GC", config={"cni.dev/valid-attachments": []})),
        differs=("gc",),
    ),
    Row(
        "GC of an older runtime with an empty list",
        config=NEW,
        steps=(add(), Call("GC", config={"cni.dev/attachments": []})),
        differs=("gc",),
    ),
    Row("unknown command", steps=(Call("DANCE", refused=(4, "unknown CNI_COMMAND: DANCE")),)),
    Row(
        "DEL without CNI_NETNS",
        steps=(add(), delete(environment={"CNI_NETNS": None})),
        differs=("detached-without-netns",),
    ),
    Row(
        "DEL with an empty CNI_NETNS",
        steps=(add(), delete(environment={"CNI_NETNS": ""})),
        differs=("detached-without-netns",),
    ),
    Row(
        "DEL with a netns path that is gone",
        steps=(add(), delete(environment={"CNI_NETNS": "/run/netns/gone"})),
        differs=("detached-without-netns",),
    ),
    Row("DEL twice", steps=(add(), delete(), delete())),
    Row("DEL before ADD", steps=(delete(),)),
    Row("DEL of another interface", steps=(add(), delete(ifname="net1"))),
    Row(
        "DEL after the interface was deleted by hand",
        steps=(add(), ByHand("link del eth0", container="c1"), delete()),
    ),
    Row("DEL without prevResult", steps=(add(), delete(config={"prevResult": None}))),
    Row("DEL with an empty prevResult", steps=(add(), delete(config={"prevResult": {}}))),
    Row(
        "DEL with a range that is none",
        steps=(
            add(),
            delete(config={"ipam": {"type": "host-local", "ranges": [[{"subnet": "blue"}]]}}),
        ),
        differs=("del-always-works",),
    ),
    Row(
        "DEL with a wrong type",
        steps=(add(), delete(config={"mtu": "x"})),
        differs=("del-always-works",),
    ),
    Row(
        "DEL with bad CNI_ARGS",
        steps=(add(), delete(environment={"CNI_ARGS": "x"})),
        differs=("del-always-works",),
    ),
    Row(
        "DEL with unknown CNI_ARGS",
        steps=(add(), delete(environment={"CNI_ARGS": "K8S_POD_NAME=x"})),
        differs=("del-always-works",),
    ),
    Row(
        "DEL of a container that another network has too",
        steps=(
            add(),
            add(
                ifname="net1",
                config={
                    "name": "other",
                    "bridge": "cni1",
                    "ipam": {"type": "host-local", "subnet": "10.99.0.0/24"},
                },
            ),
            delete(),
        ),
    ),
    Row("ADD after DEL", steps=(add(), delete(), add(), check())),
)
