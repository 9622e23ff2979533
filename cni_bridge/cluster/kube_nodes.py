"""The store where each Kubernetes node has its own subnets already: blocks are the nodes' podCIDRs.

Nothing is written: Kubernetes decides which nodes exist and which subnets they have.
"""

import socket
from typing import Any

from lightkube.resources.core_v1 import Node

from cni_bridge import address
from cni_bridge.address import Prefix, parse_prefix
from cni_bridge.cluster.kube_api import Api, Changes
from cni_bridge.cluster.kube_objects import NAMESPACE
from cni_bridge.cluster.model import Block, Host, Membership, Settings, View
from cni_bridge.cluster.store import MembershipLost, Unreachable
from cni_bridge.lean.record import replace
from cni_bridge.ledger.blocks import now_ms

INTERNAL = "InternalIP"


class KubernetesNodes:
    """A cluster network by the nodes of a Kubernetes; the `Store` of `cluster.store`."""

    def __init__(self, settings: Settings) -> None:
        self._api = Api(settings.kubeconfig, NAMESPACE)
        self._node = settings.node or socket.gethostname()
        self._ttl = settings.ttl
        self._boot_id = ""  # this host's, which its kubelet reports later
        self._known: dict[str, Any] = {}
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

    def leave(self, membership: Membership) -> None:
        """Do nothing: the host stays a node."""

    def evict(self, host: str, *, by_force: bool = False) -> bool:
        del by_force
        return self._api.node(host) is None

    def view(self) -> View:
        items, version = self._api.listed(Node, {})
        self._known = {str(item.metadata.name): item for item in items}
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
        revision = view.revision
        for kind, item in found:
            revision = max(revision, _version(item))
            self._known[str(item.metadata.name)] = item
            if kind == "DELETED":
                del self._known[str(item.metadata.name)]
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


def _host(name: str, node: Any) -> Host:
    status = node.status
    addresses = [each.address for each in status.addresses or () if each.type == INTERNAL]
    return Host(
        id=name,
        name=name,
        boot_id=status.nodeInfo.bootID if status.nodeInfo else "",
        addresses=tuple(map(address.parse, addresses)),
        mtu=0,  # not told: that of this host's own link
    )


def _subnets(node: Any) -> list[Prefix]:
    spec = node.spec
    texts = spec.podCIDRs or ([spec.podCIDR] if spec and spec.podCIDR else [])
    return list(map(parse_prefix, texts))


def _version(node: Any) -> int:
    return int(node.metadata.resourceVersion)
