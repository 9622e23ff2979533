"""Rows about single addresses: asked for, kept in a directory; and the resolver settings beside them."""

from tests.differential.row import (
    GATEWAY4,
    SUBNET4,
    SUBNET6,
    Row,
    Write,
    add,
    check,
    delete,
)

ROWS = (
    Row(
        "address by capability",
        config={"runtimeConfig": {"ips": ["10.88.7.7"]}},
        steps=(add(), check(), delete()),
    ),
    Row("address with a length by capability", config={"runtimeConfig": {"ips": ["10.88.7.7/24"]}}),
    Row(
        "addresses of both families by capability",
        config={"runtimeConfig": {"ips": ["fd00:88::77", "10.88.7.7"]}},
    ),
    Row("address by args", config={"args": {"cni": {"ips": ["10.88.7.8"]}}}),
    Row(
        "address by CNI_ARGS",
        steps=(add(environment={"CNI_ARGS": "IgnoreUnknown=1;IP=10.88.7.9"}),),
    ),
    Row(
        "addresses by three ways",
        config={
            "runtimeConfig": {"ips": ["10.88.7.7"]},
            "args": {"cni": {"ips": ["fd00:88::7"]}},
            "ipam": {
                "type": "host-local",
                "ranges": [
                    [{"subnet": SUBNET4}],
                    [{"subnet": SUBNET6}],
                    [{"subnet": "fd00:99::/64"}],
                ],
            },
        },
        steps=(add(environment={"CNI_ARGS": "IgnoreUnknown=1;IP=fd00:99::7"}),),
        differs=("args-first",),
    ),
    Row(
        "addresses by capability and args",
        config={
            "runtimeConfig": {"ips": ["10.88.7.7"]},
            "args": {"cni": {"ips": ["fd00:88::7"]}},
        },
    ),
    Row(
        "addresses by capability and CNI_ARGS",
        config={"runtimeConfig": {"ips": ["10.88.7.7"]}},
        steps=(add(environment={"CNI_ARGS": "IgnoreUnknown=1;IP=fd00:88::7"}),),
    ),
    Row(
        "two addresses of one set",
        config={"runtimeConfig": {"ips": ["10.88.7.7", "10.88.7.8"]}},
        steps=(add(refused=(7, "failed to allocate all requested IPs")),),
        differs=("no-rollback",),
    ),
    Row(
        "requested address outside of every range",
        config={"runtimeConfig": {"ips": ["192.0.2.7"]}},
        steps=(add(refused=(7, "failed to allocate all requested IPs: 192.0.2.7")),),
        differs=("no-rollback",),
    ),
    Row(
        "requested address is the gateway",
        config={"runtimeConfig": {"ips": [GATEWAY4]}},
        steps=(add(refused=(7, "requested ip 10.88.0.1 is subnet's gateway")),),
        differs=("no-rollback",),
    ),
    Row(
        "requested address is taken",
        config={"runtimeConfig": {"ips": ["10.88.7.7"]}},
        steps=(
            add(),
            add(
                "c2",
                refused=(
                    101,
                    "requested IP address 10.88.7.7 is not available in range set 10.88.0.1-10.88.255.254",
                ),
            ),
        ),
        differs=("no-rollback",),
    ),
    Row(
        "requested address that is none",
        config={"runtimeConfig": {"ips": ["10.88.7.777"]}},
        steps=(add(refused=(7, "10.88.7.777")),),
        differs=("no-rollback",),
    ),
    *(
        Row(
            f"requested address with the length {length!r}",
            config={"runtimeConfig": {"ips": [f"10.88.7.7/{length}"]}},
            steps=(add(refused=(7, f"10.88.7.7/{length}")),),
            differs=("no-rollback",),
        )
        for length in ("99", "abc", "")
    ),
    Row(
        "address by args and another by CNI_ARGS",
        config={"args": {"cni": {"ips": ["10.88.7.8"]}}},
        steps=(add(environment={"CNI_ARGS": "IgnoreUnknown=1;IP=10.88.7.9"}),),
        differs=("args-first",),
    ),
    Row(
        "round robin goes on after a requested address",
        steps=(add(environment={"CNI_ARGS": "IgnoreUnknown=1;IP=10.88.7.9"}), add("c2")),
    ),
    # where it is kept, and what else comes with an address
    Row("data directory", ipam={"dataDir": "/run/data"}, steps=(add(), add("c2"), delete())),
    Row("empty data directory", ipam={"dataDir": ""}, steps=(add(), add("c2"), delete())),
    Row(
        "resolv.conf",
        ipam={"resolvConf": "/run/resolv.conf"},
        steps=(
            Write(
                "/run/resolv.conf",
                "# by hand\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n"
                "domain example.org\nsearch a.example.org b.example.org\noptions ndots:2 edns0\n; x\nsortlist 1.2.3.4\n",
            ),
            add(),
        ),
    ),
    Row(
        "resolv.conf with lines of every kind",
        differs=("resolv-conf-search",),
        ipam={"resolvConf": "/run/resolv.conf"},
        steps=(
            Write(
                "/run/resolv.conf",
                "nameserver 192.0.2.53 # not a comment to everybody\n\tnameserver\t192.0.2.54\nsearch a\nsearch b c\ndomain x\ndomain y\noptions one\noptions two\nnameserver\n",
            ),
            add(),
        ),
    ),
    Row(
        "resolv.conf that is not there",
        ipam={"resolvConf": "/run/no-resolv.conf"},
        steps=(add(refused=(5, "/run/no-resolv.conf")),),
        differs=("no-rollback", "claim-first"),
    ),
    Row(
        "dns of the config",
        config={
            "dns": {
                "nameservers": ["192.0.2.1"],
                "domain": "example.org",
                "search": ["a", "b"],
                "options": ["ndots:2"],
            }
        },
    ),
    Row(
        "dns of the config replaces all of resolv.conf",
        config={"dns": {"search": ["a"]}},
        ipam={"resolvConf": "/run/resolv.conf"},
        steps=(Write("/run/resolv.conf", "nameserver 192.0.2.53\n"), add()),
    ),
    Row(
        "empty dns of the config",
        config={"dns": {"nameservers": [], "search": []}},
        ipam={"resolvConf": "/run/resolv.conf"},
        steps=(Write("/run/resolv.conf", "nameserver 192.0.2.53\n"), add()),
    ),
)
