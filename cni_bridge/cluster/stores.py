"""Which driver a network's store has; its client library is imported only here.

What drivers have in common is `store`.
"""

from cni_bridge.cluster.model import Settings
from cni_bridge.cluster.store import Store
from cni_bridge.errors import UnsupportedField


def open_store(settings: Settings) -> Store:
    """The network's store; nothing is asked of it yet. Raises UnsupportedField."""
    try:
        from cni_bridge.cluster.etcd import Etcd

        return Etcd(settings)
    except ImportError as error:
        raise UnsupportedField(
            f"cluster.store: found {settings.store}, whose client library is not here: {error}",
            "The executable in a directory has it, the portable one has not; with pip it is "
            "`pip install cni-bridge[cluster]`.",
        ) from error
