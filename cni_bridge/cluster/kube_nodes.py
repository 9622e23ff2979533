"""The store where each Kubernetes node has its own subnets already: blocks are the nodes' podCIDRs.

Nothing is written: Kubernetes decides which nodes exist and which subnets they have.
"""

import re
import socket
from collections.abc import Iterable
from contextlib import suppress

from cni_bridge import address
from cni_bridge.address import Prefix, parse_prefix
from cni_bridge.cluster.kube_api import Api, Changes
from cni_bridge.cluster.kube_kinds import Node, NodeAddress
from cni_bridge.cluster.kube_objects import NAMESPACE
from cni_bridge.cluster.model import Block, Host, Membership, Named, Settings, View
from cni_bridge.cluster.notation import MAX_BOOT_ID
from cni_bridge.cluster.store import MembershipLost, Unreachable
from cni_bridge.lean.record import replace
from cni_bridge.ledger.blocks import now_ms

INTERNAL = "InternalIP"
LEADING_ZEROS = re.compile(r"(?<![0-9a-fA-F:])0+(?=[0-9])")  # which Kubernetes ignores in IPv4


class KubernetesNodes:
    """A cluster network by the nodes of a Kubernetes; the `Store` of `cluster.store`."""

    def __init__(self, settings: Settings) -> None:
        self._api = Api(settings.kubeconfig, NAMESPACE)
        self._node = settings.node or socket.gethostname()
        self._ttl = settings.ttl
        self._boot_id = ""  # this host's, which its kubelet reports later
        self._known: dict[str, Node] = {}
        self._stream: Changes | None = None

    def join(self, host: Host, ttl: int, *, take_over: bool = False) -> Membership:
        del take_over  # the node of this name is this host
        self._ttl = ttl
        self._boot_id = host.boot_id
        me = replace(host, id=self._node, name=self._node)
        return self.renew(Membership(host=me, token=self._node, until=0))

    def renew(self, membership: Membership) -> Membership:
        asked = now_ms()
        if self._api.node(self._node) is None:
            raise MembershipLost(f"Kubernetes has no node {self._node}: name it in cluster.node")
        return replace(membership, until=asked + self._ttl * 1000)

    def lease(self, membership: Membership, subnet: Prefix, seen: Block | None) -> Block | None:
        del seen
        node = self._api.node(self._node)
        if node is None or subnet not in _subnets(node):
            return None
        host = membership.host
        return Block(subnet=subnet, host=host.id, boot_id=host.boot_id, revision=_version(node))

    def release(self, membership: Membership, block: Block) -> None:
        """Do nothing: a podCIDR stays the node's."""

    def name(self, membership: Membership, names: tuple[Named, ...]) -> None:
        """Do nothing: such a network has no nameserver."""

    def leave(self, membership: Membership) -> None:
        """Do nothing: the host stays a node."""

    def evict(self, host: str, *, by_force: bool = False) -> bool:
        del by_force
        return self._api.node(host) is None

    def view(self) -> View:
        items, version = self._api.listed(Node, {})
        self._known = {item.metadata.name: item for item in items}
        self._end_stream()
        self._stream = self._api.stream(Node, {}, version)
        return self._seen(int(version))

    def watch(self, view: View, patience: float) -> View:
        if self._stream is None:
            raise Unreachable("changes are told after a view only")
        try:
            found = self._stream.next(patience)
        except Unreachable:
            self._end_stream()
            raise
        if not found:
            return view
        revision = view.revision
        for kind, item in found:
            revision = max(revision, _version(item))
            self._known[item.metadata.name] = item
            if kind == "DELETED":
                del self._known[item.metadata.name]
        new = self._seen(revision)
        # Nodes change every few seconds, in what is nothing to us.
        is_same = (new.hosts, new.blocks.keys()) == (view.hosts, view.blocks.keys())
        return view if is_same else new

    def skew(self) -> float | None:
        return self._api.skew

    def close(self) -> None:
        self._end_stream()
        self._api.close()

    def _end_stream(self) -> None:
        if self._stream:
            self._stream.close()
            self._stream = None

    def _seen(self, revision: int) -> View:
        hosts = {name: _host(name, node) for name, node in self._known.items()}
        if self._node in hosts and self._boot_id:
            hosts[self._node] = replace(hosts[self._node], boot_id=self._boot_id)
        blocks = {
            subnet: Block(
                subnet=subnet, host=name, boot_id=hosts[name].boot_id, revision=_version(node)
            )
            for name, node in self._known.items()
            for subnet in _subnets(node)
        }
        return View(revision=revision, hosts=hosts, members=frozenset(hosts), blocks=blocks)


def _host(name: str, node: Node) -> Host:
    """Return the host of a node; its kubelet may report anything, and only what makes sense is kept."""
    boot_id = node.status.nodeInfo.bootID
    return Host(
        id=name,
        name=name,
        boot_id=boot_id if boot_id.isprintable() and len(boot_id) <= MAX_BOOT_ID else "",
        addresses=_addresses(node.status.addresses or ()),
        mtu=0,  # not known: that of this host's own link
    )


def _addresses(listed: Iterable[NodeAddress]) -> tuple[bytes, ...]:
    """Return the first internal address of each family."""
    found: dict[int, bytes] = {}
    for each in listed:
        try:
            ip = address.parse(LEADING_ZEROS.sub("", each.address if each.type == INTERNAL else ""))
        except ValueError:
            continue
        found.setdefault(len(ip), ip)
    return tuple(found.values())


def _subnets(node: Node) -> list[Prefix]:
    """Return the subnets that make sense."""
    found = []
    for each in node.spec.podCIDRs or ([node.spec.podCIDR] if node.spec.podCIDR else []):
        with suppress(ValueError):
            found.append(address.subnet(parse_prefix(LEADING_ZEROS.sub("", each))))
    return found


def _version(node: Node) -> int:
    return int(str(node.metadata.resourceVersion))
