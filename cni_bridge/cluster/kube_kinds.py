"""The Kubernetes objects of the drivers, with the fields that these read; other fields are ignored.

The client library decodes a list as a whole. With its own types, one field that it cannot read (a time in
the year 0, which an API server accepts) would make all objects of the list unreadable.
"""

from lightkube.core.dictmixin import DictMixin, field
from lightkube.core.resource import ApiInfo, GlobalResource, NamespacedResourceG, ResourceDef

VERBS = ["get", "list", "watch", "post", "put"]


class Metadata(DictMixin):
    """What every object has."""

    name: str = ""
    namespace: str | None = None
    resourceVersion: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class LeaseSpec(DictMixin):
    """The holder of a Lease; `renewTime` is written only."""

    holderIdentity: str | None = None
    leaseDurationSeconds: int | None = None
    renewTime: object = None


class Lease(NamespacedResourceG, DictMixin):
    """coordination.k8s.io/v1 Lease."""

    apiVersion: str | None = None
    kind: str | None = None
    metadata: Metadata = field(default_factory=Metadata)
    spec: LeaseSpec = field(default_factory=LeaseSpec)

    _api_info = ApiInfo(ResourceDef("coordination.k8s.io", "v1", "Lease"), "leases", VERBS)


class NodeSpec(DictMixin):
    """The subnets of a node's pods."""

    podCIDR: str | None = None
    podCIDRs: list[str] | None = None


class NodeAddress(DictMixin):
    """An address of a node."""

    type: str = ""
    address: str = ""


class NodeInfo(DictMixin):
    """What a kubelet reports about its machine."""

    bootID: str = ""


class NodeStatus(DictMixin):
    """What a kubelet reports."""

    addresses: list[NodeAddress] | None = None
    nodeInfo: NodeInfo = field(default_factory=NodeInfo)


class Node(GlobalResource, DictMixin):
    """v1 Node."""

    apiVersion: str | None = None
    kind: str | None = None
    metadata: Metadata = field(default_factory=Metadata)
    spec: NodeSpec = field(default_factory=NodeSpec)
    status: NodeStatus = field(default_factory=NodeStatus)

    _api_info = ApiInfo(ResourceDef("", "v1", "Node"), "nodes", VERBS)
