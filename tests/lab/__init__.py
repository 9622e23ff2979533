"""The laboratory: a private host with containers, plugins run by hand, and what the kernel says.

Used by the kernel tests, the demo and the benchmarks; nothing of cni_bridge is imported here.
"""

from tests.lab.containers import Container
from tests.lab.host import Host
from tests.lab.network import Attachment, Network
from tests.lab.paths import PEERS, PLUGIN, PLUGIN_PORTABLE, ROOT, peer
from tests.lab.plugin import Json, Plugin, Run, run_all

__all__ = [
    "PEERS",
    "PLUGIN",
    "PLUGIN_PORTABLE",
    "ROOT",
    "Attachment",
    "Container",
    "Host",
    "Json",
    "Network",
    "Plugin",
    "Run",
    "peer",
    "run_all",
]
