"""The settings and their rows: masquerade, published ports, isolation.

Data only; what must be done between two questions (a flush, a DEL, a forged frame) is a test of its own.
"""

from tests.lab.town import HOST_PORT, OUTSIDE
from tests.traffic.rows import KEPT_OUT, Row, Setting, published

HOST4, HOST6 = OUTSIDE["host"]
OTHER4, _ = OUTSIDE["host2"]
V4, V6 = (4,), (6,)

# Rows of several settings: what they have in common.
FROM_A_SIBLING = Row("from a sibling", "a2", "host", 8080, "a1:80 saw gateway-a")
FROM_THE_WORLD = Row("published ports from the world", "world", "host", 8080, "a1:80 saw world")
INSIDE = Row("inside the network", "a1", "a2", 80, "a2:80 saw a1")
OF_A_SIBLING = Row("a sibling's published port", "a2", "host", 8080, "a1:80 saw gateway-a")
TO_THE_WORLD = Row("to the world", "a1", "world", 80, "world:80 saw host")

MASQUERADE = Setting(
    "ipMasq on networks a and b, not on c",
    networks={"a": {"ipMasq": True}, "b": {"ipMasq": True}, "c": {}},
    containers={"a1": (), "a2": (), "b1": (), "c1": ()},
    rows=(
        Row("the world sees the host's address", "a1", "world", 80, "world:80 saw host"),
        Row("inside the network the source stays", "a1", "a2", 80, "a2:80 saw a1"),
        Row("another network sees the host's address", "a1", "b1", 80, "b1:80 saw gateway-b"),
        Row("the host sees the container", "a1", "gateway-a", HOST_PORT, "host:9000 saw a1"),
        Row("a container sees the host", "host", "a1", 80, "a1:80 saw gateway-a"),
        Row("without ipMasq the world sees the container", "c1", "world", 80, "world:80 saw c1"),
        Row("without ipMasq another network sees it", "c1", "b1", 80, "b1:80 saw c1"),
    ),
)

PORTS = Setting(
    "published ports",
    networks={"a": {"ipMasq": True}, "b": {"ipMasq": True}},
    containers={
        "a1": (
            *published(8080),
            *published(8081, 81, at=OTHER4),
            *published(8083, at="0.0.0.0"),
            *published(8084, at="::"),
        ),
        "a2": (
            *published(8081, 81, at=HOST4),
            *published(8081, 81, at=HOST6),
            *published(8082, at="127.0.0.1"),
        ),
        "b1": published(8090),
    },
    rows=(
        Row(
            "from the world, whose address the server sees",
            "world",
            "host",
            8080,
            "a1:80 saw world",
        ),
        Row("at another address of the host", "world", "host2", 8080, "a1:80 saw world"),
        Row("from the host to its own address", "host", "host", 8080, "a1:80 saw host"),
        Row("from the host to the gateway", "host", "gateway-a", 8080, "a1:80 saw gateway-a"),
        Row("from the host to 127.0.0.1", "host", "loopback", 8080, "a1:80 saw gateway-a", "", V4),
        Row("from the host to ::1: refused at once", "host", "loopback", 8080, "refused", "", V6),
        Row("from the container itself", "a1", "host", 8080, "a1:80 saw gateway-a"),
        FROM_A_SIBLING,
        Row("from a sibling, at the gateway", "a2", "gateway-a", 8080, "a1:80 saw gateway-a"),
        Row("from another network", "b1", "host", 8080, "a1:80 saw gateway-a"),
        Row("to another network", "a1", "host", 8090, "b1:80 saw gateway-b"),
        Row("hostIP: a port of one address", "world", "host", 8081, "a2:81 saw world"),
        Row(
            "hostIP: the same port of another address",
            "world",
            "host2",
            8081,
            "a1:81 saw world",
            "",
            V4,
        ),
        Row("hostIP: refused at other addresses", "world", "host2", 8081, "refused", "", V6),
        Row(
            "hostIP 127.0.0.1, from the host",
            "host",
            "loopback",
            8082,
            "a2:80 saw gateway-a",
            "",
            V4,
        ),
        Row("hostIP 127.0.0.1, from the world", "world", "host", 8082, "refused"),
        Row("hostIP 127.0.0.1, from a sibling", "a1", "gateway-a", 8082, "refused"),
        Row("hostIP 0.0.0.0: IPv4", "world", "host", 8083, "a1:80 saw world", "", V4),
        Row("hostIP 0.0.0.0: not IPv6", "world", "host", 8083, "refused", "", V6),
        Row("hostIP ::: IPv6", "world", "host", 8084, "a1:80 saw world", "", V6),
        Row("hostIP ::: not IPv4", "world", "host", 8084, "refused", "", V4),
        Row("a port that is not published is refused", "world", "host", 8099, "refused"),
        Row("port 8080 of the world is not redirected", "a1", "world", 8080, "world:8080 saw host"),
    ),
)

SPELLING = Setting(
    "a port as containerd's CRI writes it, its protocol in capitals",
    networks={"a": {"ipMasq": True}},
    containers={"a1": ({"HostPort": 8085, "ContainerPort": 80, "Protocol": "TCP", "HostIP": ""},)},
    rows=(
        Row("tcp", "world", "host", 8085, "a1:80 saw world", protocols=("tcp",)),
        Row("udp is another port", "world", "host", 8085, "refused", protocols=("udp",)),
    ),
)

NO_SNAT = Setting(
    "published ports with snat: false",
    networks={"a": {"ipMasq": True, "snat": False}},
    containers={"a1": published(8080), "a2": ()},
    rows=(
        Row("from the world", "world", "host", 8080, "a1:80 saw world"),
        Row("from the host", "host", "host", 8080, "a1:80 saw host"),
        Row("not from the container itself", "a1", "host", 8080, KEPT_OUT),
        Row("127.0.0.1 is not translated", "host", "loopback", 8080, KEPT_OUT, "", V4),
        Row("ipMasq still applies", "a1", "world", 80, "world:80 saw host"),
    ),
)

MASQ_ALL = Setting(
    "published ports with masqAll: true",
    networks={"a": {"masqAll": True}},
    containers={"a1": published(8080), "a2": ()},
    rows=(
        Row(
            "from the world, whose address the server does not see",
            "world",
            "host",
            8080,
            "a1:80 saw gateway-a",
        ),
        FROM_A_SIBLING,
        Row(
            "a connection to the container's own address keeps its source",
            "world",
            "a1",
            80,
            "a1:80 saw world",
        ),
    ),
)

ISOLATED = Setting(
    "isolation on networks a and b, not on c",
    networks={
        "a": {"ipMasq": True, "isolation": "on"},
        "b": {"ipMasq": True, "isolation": "on"},
        "c": {},
    },
    containers={"a1": (), "a2": (), "b1": published(8090), "c1": ()},
    rows=(
        Row("not to the other isolated network", "a1", "b1", 80, KEPT_OUT),
        Row("nor in the other direction", "b1", "a1", 80, KEPT_OUT),
        INSIDE,
        TO_THE_WORLD,
        Row("to a published port there", "a1", "host", 8090, "b1:80 saw gateway-b"),
        Row("from the world to the published port", "world", "host", 8090, "b1:80 saw world"),
        Row("from the host", "host", "a1", 80, "a1:80 saw gateway-a"),
    ),
)

STRICT = Setting(
    "isolation: strict on network a",
    networks={
        "a": {"ipMasq": True, "isolation": "strict"},
        "b": {"ipMasq": True, "isolation": "on"},
    },
    containers={"a1": published(8080), "a2": (), "b1": published(8090)},
    rows=(
        Row("not to the other network", "a1", "b1", 80, KEPT_OUT),
        Row("nor to a published port there", "a1", "host", 8090, KEPT_OUT),
        Row("nor from the other network to its own", "b1", "host", 8080, KEPT_OUT),
        INSIDE,
        OF_A_SIBLING,
        TO_THE_WORLD,
        Row("from the world to its published port", "world", "host", 8080, "a1:80 saw world"),
    ),
)

INTERNAL = Setting(
    "internal network c",
    networks={"a": {"ipMasq": True}, "c": {"internal": True}},
    containers={"a1": (), "c1": published(8070), "c2": ()},
    rows=(
        Row("not to the world", "c1", "world", 80, KEPT_OUT),
        Row("not to another network", "c1", "a1", 80, KEPT_OUT),
        Row("not from another network", "a1", "c1", 80, KEPT_OUT),
        Row("not from the world", "world", "c1", 80, KEPT_OUT),
        Row("not even to a published port", "world", "host", 8070, KEPT_OUT),
        Row("inside the network", "c1", "c2", 80, "c2:80 saw c1"),
        Row("from the host", "host", "c1", 80, "c1:80 saw gateway-c"),
        Row("to the host", "c1", "gateway-c", HOST_PORT, "host:9000 saw c1"),
        Row("not to another network's gateway", "c1", "gateway-a", HOST_PORT, KEPT_OUT),
    ),
)

NO_HOST = Setting(
    "hostAccess: none on network a, gateway on b",
    networks={
        "a": {"ipMasq": True, "hostAccess": "none"},
        "b": {"ipMasq": True, "hostAccess": "gateway"},
        "c": {},
    },
    containers={"a1": published(8080), "a2": (), "b1": (), "c1": ()},
    rows=(
        Row("not to the host", "a1", "gateway-a", HOST_PORT, KEPT_OUT),
        Row("nor at another gateway", "a1", "gateway-c", HOST_PORT, KEPT_OUT),
        Row("from the host", "host", "a1", 80, "a1:80 saw gateway-a"),
        INSIDE,
        OF_A_SIBLING,
        TO_THE_WORLD,
        FROM_THE_WORLD,
        Row("to its own gateway", "b1", "gateway-b", HOST_PORT, "host:9000 saw b1"),
        Row("not to another gateway", "b1", "gateway-c", HOST_PORT, KEPT_OUT),
        Row(
            "a network without the key reaches every gateway",
            "c1",
            "gateway-b",
            HOST_PORT,
            "host:9000 saw c1",
        ),
    ),
)

CLOSED = Setting(
    "closed network a",
    networks={"a": {"ipMasq": True, "closed": True}, "b": {}},
    containers={"a1": published(8080), "a2": (), "b1": ()},
    rows=(
        Row("not from the world by route", "world", "a1", 80, KEPT_OUT),
        Row("not from another network by route", "b1", "a1", 80, KEPT_OUT),
        FROM_THE_WORLD,
        Row("published ports from another network", "b1", "host", 8080, "a1:80 saw b1"),
        INSIDE,
        TO_THE_WORLD,
    ),
)

OPEN = Setting(
    "a network that is not closed",
    networks={"a": {"ipMasq": True}},
    containers={"a1": ()},
    rows=(Row("from the world by route", "world", "a1", 80, "a1:80 saw world"),),
)

NO_ICC = Setting(
    "icc: false on network a",
    networks={"a": {"ipMasq": True, "icc": False}, "b": {}},
    containers={"a1": published(8080), "a2": (), "a3": published(8081), "b1": ()},
    rows=(
        Row("not to a sibling", "a1", "a2", 80, KEPT_OUT),
        Row("nor in the other direction", "a2", "a1", 80, KEPT_OUT),
        Row("nor between containers that publish ports", "a1", "a3", 80, KEPT_OUT),
        OF_A_SIBLING,
        Row(
            "the same, between containers that publish ports",
            "a3",
            "host",
            8080,
            "a1:80 saw gateway-a",
        ),
        Row("the container's own published port", "a1", "host", 8080, "a1:80 saw gateway-a"),
        Row("to the host", "a1", "gateway-a", HOST_PORT, "host:9000 saw a1"),
        TO_THE_WORLD,
        FROM_THE_WORLD,
        Row("to another network", "a1", "b1", 80, "b1:80 saw gateway-b"),
    ),
)

SETTINGS = (
    *(MASQUERADE, PORTS, SPELLING, NO_SNAT, MASQ_ALL),
    *(ISOLATED, STRICT, INTERNAL, NO_HOST, CLOSED, OPEN, NO_ICC),
)
