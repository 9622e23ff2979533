"""`python -m tests.fuzz.records COUNT`: records of a cluster network that no agent wrote, in every store.

Each is put beside good ones, and all that an agent makes of a view is made: routes, decisions, the
snapshot, the names that its nameserver reads. Only `Malformed` may be raised, and the good records must
be seen as they are.
"""

import json
import re
import sys
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from cni_bridge.address import contains, parse, parse_prefix, prefix_text
from cni_bridge.cluster import etcd_view, kube_objects, member, names, notation, routes, snapshot
from cni_bridge.cluster.etcd_json import Entry
from cni_bridge.cluster.kube_kinds import Lease, Node
from cni_bridge.cluster.kube_nodes import KubernetesNodes
from cni_bridge.cluster.kubernetes import Kubernetes
from cni_bridge.cluster.model import Named, View
from cni_bridge.cluster.snapshot import Snapshot
from cni_bridge.lean.record import replace
from tests.lab import figures
from tests.unit.cluster import views

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = "/cni-bridge/testnet/"
TOGETHER = 40  # records in one view
ME, PEER = views.host(1, "192.0.2.1", "2001:db8::1"), views.host(2, "192.0.2.2")
GOOD_BLOCK = parse_prefix("10.64.2.0/26")
NAMER = views.host(3, "192.0.2.3")  # a valid member: only its names are odd
NAMED_BLOCK = parse_prefix("10.64.3.0/26")
SETTINGS = views.settings()
LATEST = 10**6
STORES = ("etcd", "Leases of Kubernetes", "nodes of Kubernetes")
TEXTS = (
    *(
        "",
        "x",
        "id-2",
        "host-2",
        "a\nb",
        "\x1b[31m",
        "\ud800",
        "\u202e",
        "\x00",
        "x" * 300,
        "0" * 5000,
    ),
    *(
        "10.64.2.0",
        "10.64.2.0/26",
        "10.64.3.0-26",
        "0a400300-26",
        "block-0a400300-26",
        "-block-",
        "host-",
    ),
    *(
        "::ffff:192.0.2.2",
        "fe80::1%eth0",
        "0.0.0.0",
        "255.255.255.255",
        "::",
        "192.0.2.2 ",
        "1e400",
    ),
    *("2026-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "٣"),
)
DOMAIN = "cni.internal"
GOOD_NAMES = (Named(own="web", aliases=("www",), addresses=(parse("10.64.2.2"),)),)
LINE = re.compile(r"# .+|[0-9a-f.:]+ [a-z0-9_. -]+")
CALLED = (
    *("web", "www", "db", "a.b", "web.cni.internal", "id-2", "y." * 126 + "y"),
    *("DB", "-x", "x-", "a b", "#", "\u00e9", "localhost", "a\tb", "x" * 64, ".", ".."),
    *("db\n10.64.2.9 evil", "evil #", "y." * 127 + "y"),
)
SERVABLE = 7  # the first ones
NUMBERS = (0, -1, 1, 49, 68, 1500, 65535, 65536, 2**31, 2**63, 2**64, 10**400, 1e308, float("nan"))
TIMES = ("2026-01-01T00:00:00.000000Z", "0000-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.9Z")
BROKEN = (
    "",
    "[" * 20_000,
    '{"a":' * 20_000,
    "{",
    "nul",
    '{"mtu": 1, "mtu": 2}',
    '"\\ud800"',
    "{}\n{}",
)


class Maker:
    """Makes records; the same ones for the same seed."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def text(self) -> str:
        """Return a hostile text, or a letter of it."""
        if self._random.random() < 0.8:
            return self._random.choice(TEXTS)
        return "".join(map(chr, self._random.choices(range(0xD7FF), k=self._random.randrange(9))))

    def value(self, depth: int = 3) -> Any:
        """Return any JSON value."""
        kinds: list[Callable[[], Any]] = [
            *(self.text, lambda: self._random.choice(NUMBERS), lambda: None, lambda: True),
            lambda: [self.value(depth - 1) for _ in range(self._random.randrange(4))],
            lambda: {self.text(): self.value(depth - 1) for _ in range(self._random.randrange(4))},
        ]
        return self._random.choice(kinds if depth else kinds[:4])()

    def record(self, good: dict[str, Any]) -> str:
        """Return a good record with something wrong in it, or something else altogether."""
        if self._random.random() < 0.1:
            return self._random.choice(BROKEN)
        if self._random.random() < 0.1:
            return json.dumps(self.value())
        document = dict(good)
        for _ in range(self._random.randrange(3)):
            key = self._random.choice((*document, self.text()))
            document[key] = self.value()
        if self._random.random() < 0.2 and document:
            del document[self._random.choice(list(document))]
        return json.dumps(document)

    def named(self) -> list[Any]:
        """Return what one container is called, and where it is."""
        known = CALLED[:SERVABLE] if self._random.random() < 0.8 else (*CALLED, self.text())
        texts = self._random.choices(known, k=self._random.randrange(1, 4))
        places = ("10.64.2.9", "10.64.3.9", "10.64.3.9", "fd64::42")
        here = self._random.choices(places, k=2)
        if self._random.random() < 0.1:
            here.append(self.text())
        return [texts[0], texts[1:], here]

    def names(self) -> str:
        """Return a record of what some containers are called."""
        return self.record(
            {"names": [self.named(), self._random.choice((self.named, self.value))()]}
        )

    def entry(self, revision: int) -> Entry:
        """Return a key of etcd's."""
        kind = self._random.choice(("hosts/", "blocks/", "members/", "names/", "pools", ""))
        good = {
            "hosts/": notation.host_document(PEER),
        }.get(kind, notation.block_document(PEER))
        name = self._random.choice((self.text(), "id-3", "10.64.3.0-26", "fd64::40-122"))
        return Entry(
            key=ROOT + kind + name,
            value=self.names() if kind == "names/" else self.record(good),
            revision=revision,
            lease=0,
            is_deleted=self._random.random() < 0.1,
        )

    def lease(self, root: str, version: int) -> dict[str, Any]:
        """Return an object as an API server could return it: it checks the types of fields."""
        kind = self._random.choice(("-host-", "-block-", "", "-"))
        is_block = kind == "-block-"
        good = {"subnet": "10.64.3.0/26"} | notation.block_document(PEER) if is_block else {}
        good |= {} if is_block else {"id": "id-3"} | notation.host_document(PEER)
        name = self._random.choice((self.text(), "0a400300-26", "0a400340-26", "7"))
        kinds = ("cni-bridge/record", "cni-bridge/term", "cni-bridge/names", self.text())
        annotations = {self._random.choice(kinds): self.record(good)}
        if self._random.random() < 0.3:
            annotations[kube_objects.NAMES] = self.names()
        spec = {
            "holderIdentity": self._random.choice(("", "id-3", "id-2", self.text())),
            "leaseDurationSeconds": self._random.choice((1, 60, 2**31 - 1)),
            "renewTime": self._random.choice(TIMES),
            "leaseTransitions": self._random.choice((0, 2**31 - 1)),
        }
        for key in list(spec):
            if self._random.random() < 0.1:
                del spec[key]
        metadata = {
            "name": f"{root}{kind}{name}",
            "namespace": "cni-bridge",
            "resourceVersion": str(version),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            **({"annotations": annotations} if self._random.random() < 0.9 else {}),
        }
        some = {"spec": spec} if self._random.random() < 0.95 else {}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            **some,
        }

    def node(self, version: int) -> dict[str, Any]:
        """Return a node as its kubelet could report it; the API server checks names and subnets."""
        kinds = ("InternalIP", "ExternalIP", "Hostname", "")
        addresses = [
            {"type": self._random.choice(kinds), "address": self.text()}
            for _ in range(self._random.randrange(5))
        ]
        status = {
            "addresses": addresses,
            "nodeInfo": {"bootID": self.text(), "machineID": self.text()},
            "conditions": [{"type": "Ready", "lastHeartbeatTime": self._random.choice(TIMES)}],
            self.text(): self.text(),
        }
        return {
            "metadata": {"name": f"n{version}", "resourceVersion": str(version)},
            "spec": {"podCIDRs": [f"10.65.{version}.0/24"]} if self._random.random() < 0.8 else {},
            "status": {key: each for key, each in status.items() if self._random.random() < 0.9},
        }


def etcd(maker: Maker) -> View:
    """Return a view of etcd with such records, between a good host and its block."""
    good: list[tuple[str, object]] = []
    for host, block in ((PEER, "10.64.2.0-26"), (NAMER, "10.64.3.0-26")):
        good += (
            (f"hosts/{host.id}", notation.host_document(host)),
            (f"members/{host.id}", ""),
            (f"blocks/{block}", notation.block_document(host)),
        )
    entries = [maker.entry(number + 1) for number in range(TOGETHER)]
    entries += [
        Entry(key=ROOT + key, value=json.dumps(value), revision=LATEST, lease=0, is_deleted=False)
        for key, value in good
    ]
    called = {PEER.id: notation.names_text(GOOD_NAMES), NAMER.id: maker.names()}
    entries += [
        Entry(key=f"{ROOT}names/{id}", value=text, revision=LATEST, lease=0, is_deleted=False)
        for id, text in called.items()
    ]
    return etcd_view.folded(ROOT, entries)


class Leases:
    """A store in Kubernetes that is given its objects instead of asking for them."""

    def __init__(self) -> None:
        self._store = Kubernetes(SETTINGS)

    def view(self, maker: Maker) -> View:
        """Return a view of Leases, those of a good host and its block among them."""
        store, root = self._store, self._store._root
        made = [maker.lease(root, number + 1) for number in range(TOGETHER)]
        items = msgspec.json.decode(_as_from_go(made), type=list[Lease])
        good: list[Lease] = []
        called = {PEER: notation.names_text(GOOD_NAMES), NAMER: maker.names()}
        for owner, block in ((PEER, GOOD_BLOCK), (NAMER, NAMED_BLOCK)):
            document = {"subnet": prefix_text(block), **notation.block_document(owner)}
            host = store._made(
                store._host(owner.id), owner.id, notation.host_document(owner), 10**6
            )
            kube_objects.annotations(host)[kube_objects.NAMES] = called[owner]
            good += (host, store._made(store._block(block), owner.id, document))
        for item in good:
            item.metadata.resourceVersion = str(LATEST)
        store._known = {item.metadata.name: item for item in (*items, *good)}
        store._note()
        return store._seen(LATEST)


class Nodes:
    """The nodes of a Kubernetes, likewise."""

    def __init__(self) -> None:
        self._store = KubernetesNodes(SETTINGS)

    def view(self, maker: Maker) -> View:
        """Return a view of nodes, a good one among them."""
        made = [maker.node(number + 1) for number in range(TOGETHER)]
        good = {
            "metadata": {"name": PEER.id, "resourceVersion": str(LATEST)},
            "spec": {"podCIDRs": ["10.64.2.0/26"]},
            "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.2"}]},
        }
        items = msgspec.json.decode(_as_from_go([*made, good]), type=list[Node])
        self._store._known = {item.metadata.name: item for item in items}
        return self._store._seen(LATEST)


def _as_from_go(made: list[dict[str, Any]]) -> bytes:
    """Return the objects in JSON as a server in Go writes it: without halves of surrogate pairs."""
    return json.dumps(made, ensure_ascii=False).encode(errors="replace")


def judge(view: View, random: Random) -> None:
    """Make of a view what an agent makes of it. Raises AssertionError if the good records are not in it."""
    assert view.hosts[PEER.id].addresses == PEER.addresses, view
    assert PEER.id in view.members
    assert view.blocks[GOOD_BLOCK].host == PEER.id
    found = routes.desired(ME, view, SETTINGS)
    has_route = any(each.destination == GOOD_BLOCK and each.gateway for each in found.routes)
    assert has_route or any("are both at 192.0.2.2" in each for each in found.problems)
    member.absences(view, {}, 0.0)
    member.decide(ME, view, (), SETTINGS, ripe=frozenset(view.hosts), random=random)
    shot = Snapshot(
        network="testnet",
        backend="vxlan",
        pools=(),
        store="etcd",
        endpoints=(),
        me=ME,
        view=view,
        absent={},
        lost=(),
        problems=found.problems,
        error="",
        skew=None,
        written=0,
        heard=0,
        until=0,
        mtu=0,
        pid=0,
    )
    again = snapshot._record(json.loads(json.dumps(snapshot._document(shot))))
    assert again.view == replace(view, malformed={}, names={})
    _judge_names(view)


def _judge_names(view: View) -> None:
    """Make the names of other hosts: no address outside of a host's blocks, no line that is none."""
    _, *lines = names.rendered(view, ME.id, "", DOMAIN).splitlines()
    containers = "\n".join(lines).split("# ")
    web = [each for each in containers if " web.cni.internal " in each]
    assert len(web) == bool(view.names), lines  # an own name: the first host's alone
    assert not view.names or "# id-2/0 id-2/0 10.64.2.2 web www" in lines, lines
    subnets = [each.subnet for each in view.blocks.values() if each.host in view.members]
    for line in lines:
        assert LINE.fullmatch(line), line
        first, _, rest = line.partition(" ")
        assert first == "#" or any(contains(each, parse(first)) for each in subnets), line
        assert "evil" not in rest, line


def main() -> None:
    """Try that many records in each store, then write the figures."""
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    random = Random(seed)
    maker = Maker(random)
    makers: tuple[Callable[[Maker], View], ...] = (etcd, Leases().view, Nodes().view)
    for make in makers:
        for _ in range(-(-count // TOGETHER)):
            judge(make(maker), random)
    rows: list[list[object]] = [[name, count, 0] for name in STORES]
    figures.record(
        "records",
        order=41,
        title="Records of cluster networks",
        command=f"python -m tests.fuzz.records {count}",
        tables=[figures.table("One run", ["store", "records", "agents ended or blinded"], rows)],
    )


if __name__ == "__main__":
    main()
