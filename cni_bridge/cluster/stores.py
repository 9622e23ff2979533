"""The driver of a network's store; client libraries are imported only here."""

from cni_bridge.cluster.model import Settings
from cni_bridge.cluster.store import Store
from cni_bridge.errors import UnsupportedField


def open_store(settings: Settings) -> Store:
    """Return the network's store without contacting it. Raises UnsupportedField."""
    try:
        if settings.store == "kubernetes":
            return _kubernetes(settings)
        from cni_bridge.cluster.etcd import Etcd

        return Etcd(settings)
    except ImportError as error:
        raise UnsupportedField(
            f"cluster.store: the client library of {settings.store} is not installed: {error}",
            "The executables contain it; with pip: `pip install cni-bridge[cluster]`.",
        ) from error


def _kubernetes(settings: Settings) -> Store:
    if not settings.pools:
        from cni_bridge.cluster.kube_nodes import KubernetesNodes

        return KubernetesNodes(settings)
    from cni_bridge.cluster.kubernetes import Kubernetes

    return Kubernetes(settings)
