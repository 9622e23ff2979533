"""Which driver a network's store has; its client library is imported only here.

What drivers have in common is `store`.
"""

from cni_bridge.cluster.model import Settings
from cni_bridge.cluster.store import Store
from cni_bridge.errors import UnsupportedField


def open_store(settings: Settings) -> Store:
    """Return the network's store; nothing is asked of it yet. Raises UnsupportedField."""
    try:
        if settings.store == "kubernetes":
            return _kubernetes(settings)
        from cni_bridge.cluster.etcd import Etcd

        return Etcd(settings)
    except ImportError as error:
        raise UnsupportedField(
            f"cluster.store: found {settings.store}, whose client library is not here: {error}",
            "The executables have it; with pip it is `pip install cni-bridge[cluster]`.",
        ) from error


def _kubernetes(settings: Settings) -> Store:
    if not settings.pools:
        from cni_bridge.cluster.kube_nodes import KubernetesNodes

        return KubernetesNodes(settings)
    from cni_bridge.cluster.kubernetes import Kubernetes

    return Kubernetes(settings)
