"""Rows about what a runtime sends around the config: variables, CNI_ARGS, stdin, namespaces, verbs."""

from tests.differential.row import ABSENT, Row, add

NEW = {"cniVersion": "1.1.0"}


def variable(name: str, value: str | None, code: int, words: str) -> Row:
    """Return an ADD with one variable changed, which both refuse."""
    shown = "absent" if value is None else repr(value)
    return Row(f"{name} {shown}", steps=(add(environment={name: value}, refused=(code, words)),))


def arguments(text: str, words: str = "", code: int = 4, differs: tuple[str, ...] = ()) -> Row:
    """Return an ADD with CNI_ARGS, refused if there are words."""
    step = add(environment={"CNI_ARGS": text}, refused=(code, words) if words else None)
    return Row(f"CNI_ARGS {text!r}", steps=(step,), differs=differs)


RUNTIME = {
    "dns": {"servers": ["192.0.2.53"], "searches": ["example.org"], "options": ["ndots:2"]},
    "aliases": ["db"],
    "cgroupPath": "/c1",
    "deviceID": "0000:00:00.0",
    "infinibandGUID": "c2:11:22:33:44:55:66:77",
}
PREVIOUS = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "tap0", "mac": "02:00:00:00:00:09"}],
    "dns": {"nameservers": ["192.0.2.53"]},
}

ROWS = (
    variable("CNI_CONTAINERID", None, 4, "required env variables [CNI_CONTAINERID] missing"),
    variable("CNI_NETNS", None, 4, "required env variables [CNI_NETNS] missing"),
    variable("CNI_IFNAME", None, 4, "required env variables [CNI_IFNAME] missing"),
    variable("CNI_IFNAME", "sixteen-letters-", 4, "interface name is too long"),
    variable("CNI_IFNAME", "..", 4, "interface name is . or .."),
    variable("CNI_IFNAME", "a/b", 4, "interface name contains / or : or whitespace characters"),
    variable("CNI_IFNAME", "a b", 4, "interface name contains / or : or whitespace characters"),
    variable("CNI_CONTAINERID", "../x", 4, "invalid characters in containerID"),
    variable("CNI_CONTAINERID", "_x", 4, "invalid characters in containerID"),
    Row(
        "several variables absent",
        steps=(
            add(
                environment={"CNI_NETNS": None, "CNI_IFNAME": ""},
                refused=(4, "required env variables [CNI_NETNS,CNI_IFNAME] missing"),
            ),
        ),
    ),
    Row(
        "CNI_PATH absent",
        config={"isGateway": False},
        steps=(add(environment={"CNI_PATH": None}),),
        differs=("path-when-needed",),
    ),
    Row(
        "netns that is gone",
        steps=(add(environment={"CNI_NETNS": "/run/netns/gone"}, refused=(3, "/run/netns/gone")),),
        differs=("no-rollback",),
    ),
    Row(
        "netns that is a file",
        steps=(
            add(environment={"CNI_NETNS": "/proc/self/ns/mnt"}, refused=(8, "/proc/self/ns/mnt")),
        ),
        differs=("no-rollback",),
    ),
    Row(
        "netns that is a device",
        steps=(add(environment={"CNI_NETNS": "/dev/null"}, refused=(8, "/dev/null")),),
        differs=("no-rollback",),
    ),
    Row(
        "netns that is the host's",
        steps=(
            add(
                environment={"CNI_NETNS": "/proc/self/ns/net"},
                refused=(8, "plugin's netns and netns from CNI_NETNS should not be the same"),
            ),
        ),
        differs=("own-netns", "no-rollback"),
    ),
    arguments(""),
    arguments(
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=7"
    ),
    arguments("IgnoreUnknown=true;COLOUR=blue"),
    arguments("IgnoreUnknown=TRUE;COLOUR=blue"),
    arguments("IgnoreUnknown=0;COLOUR=blue", "unknown args"),
    arguments("IgnoreUnknown=yes;COLOUR=blue", "IgnoreUnknown"),
    arguments("COLOUR=blue", "unknown args"),
    arguments("mac=02:11:22:33:44:55", "unknown args"),
    arguments("IgnoreUnknown=1;mac=02:11:22:33:44:55"),
    arguments("MAC=02:11:22:33:44:55", differs=("arguments-of-the-pair",)),
    arguments("IP=10.88.7.7", differs=("arguments-of-the-pair",)),
    arguments("IP=10.88.7.7;MAC=02:11:22:33:44:55;IgnoreUnknown=1"),
    arguments("IgnoreUnknown=1;IP=10.88.7.7/16"),
    arguments("IgnoreUnknown=1;IP="),
    arguments("IgnoreUnknown=1;IP=blue", "blue", 7, ("no-rollback",)),
    arguments("IgnoreUnknown=1;", "ARGS: invalid pair"),
    arguments("IgnoreUnknown=1;;A=b", "ARGS: invalid pair"),
    arguments("IgnoreUnknown=1;A=b=c", "ARGS: invalid pair"),
    arguments("IgnoreUnknown", "ARGS: invalid pair"),
    arguments("IgnoreUnknown=1;=b"),
    Row(
        "network name absent",
        config={"name": ABSENT},
        steps=(add(refused=(7, "missing network name")),),
    ),
    Row(
        "network name empty", config={"name": ""}, steps=(add(refused=(7, "missing network name")),)
    ),
    Row(
        "network name with a slash",
        config={"name": "a/b"},
        steps=(add(refused=(7, "invalid characters found in network name")),),
    ),
    Row("network name with dots and dashes", config={"name": "a.b-c_d.7"}),
    Row(
        "prevResult for the first plugin",
        config={"prevResult": PREVIOUS},
        differs=("previous-result",),
    ),
    Row("empty prevResult for the first plugin", config={"prevResult": {}}),
    Row("prevResult null", config={"prevResult": None}),
    Row("type of another name", config={"type": "my-bridge"}),
    Row(
        "unknown keys", config={"colour": "blue", "cni.dev/x": {"y": 1}}, ipam={"colour": ["blue"]}
    ),
    Row(
        "keys of the runtime",
        config={
            "capabilities": {"portMappings": True, "mac": False},
            "disableCheck": True,
            "disableGC": False,
            "loadOnlyInlinedPlugins": False,
        },
    ),
    Row(
        "what runtimes pass for other plugins",
        config={
            "runtimeConfig": RUNTIME,
            "args": {"cni": {"labels": [{"key": "app", "value": "web"}]}},
        },
    ),
    Row(
        "ipam of a type that is not there",
        ipam={"type": "no-such-ipam"},
        steps=(add(refused=(7, 'failed to find plugin "no-such-ipam" in path')),),
        differs=("no-rollback",),
    ),
    Row(
        "ipam of a type with a slash",
        ipam={"type": "../host-local"},
        steps=(add(refused=(7, "invalid plugin name: ../host-local")),),
        differs=("no-rollback",),
    ),
)
