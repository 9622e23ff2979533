"""Published ports, asked for as runtimes do.

Only the words of a config; what the plugin makes of them is for the callers to look at.
"""

from tests.lab.containers import Container
from tests.lab.network import Network
from tests.lab.plugin import Json, Run


def mapping(host_port: int, container_port: int = 80, **more: object) -> Json:
    """One published port."""
    return {"hostPort": host_port, "containerPort": container_port, **more}


def publishing(*mappings: Json) -> Json:
    """Return what a runtime adds to a config."""
    return {"runtimeConfig": {"portMappings": list(mappings)}}


def publish(network: Network, container: Container, *mappings: Json) -> Run:
    """ADD with published ports."""
    return network.add(container, config=publishing(*mappings))
