"""The part of a connection that leads to a container of another host of a cluster network.

Taken from this host's agent; the other host explains the rest.
"""

from collections.abc import Iterator

from cni_bridge import address
from cni_bridge.address import prefix_text
from cni_bridge.cli.clusters import Cluster
from cni_bridge.cli.explain import kernel_queries
from cni_bridge.cli.explain.hops import INFERRED, UNSURE, Flow, Hop, bracketed, dropped

CLUSTER = "cluster"


def arrival(cluster: Cluster, flow: Flow, way: kernel_queries.Way) -> Iterator[Hop]:
    """Report which host's block it is in, the path, and whether that host seems to be there."""
    yield from nobody(cluster, flow)
    block = cluster.owner(flow.address)
    if block is None:
        return
    name = cluster.title(block.host)
    host = cluster.shot.view.hosts.get(block.host)
    below = " and ".join(map(address.text, host.addresses)) if host else "an unknown address"
    if not cluster.is_served:
        text = f"no agent of {cluster.name} is running: this may be out of date"
        yield Hop(place=CLUSTER, text=text, verdict=UNSURE, source=INFERRED)
    if host is None or not cluster.is_member(host):
        text = f"{name}, which has the block, does not renew its membership and may be down"
        yield Hop(place=CLUSTER, text=text, verdict=UNSURE, source=INFERRED)
    yield Hop(
        place=CLUSTER,
        text=f"{prefix_text(block.subnet)} of {cluster.name} belongs to {name}, at {below}: via {way.device}, "
        f"with its own source address; for the rest, run there: `{_there(flow)}`",
        source=INFERRED,
    )


def nobody(cluster: Cluster, flow: Flow) -> Iterator[Hop]:
    """Report an address that no container of the cluster can have."""
    block = cluster.owner(flow.address)
    if block is None:
        text = f"no host has a block with {flow.address} of {cluster.name}, so no container has that address"
        yield dropped(CLUSTER, text, INFERRED)
    elif block.host == cluster.shot.me.id:
        text = f"{prefix_text(block.subnet)} belongs to this host, but no container here has {flow.address}"
        yield dropped(CLUSTER, text, INFERRED)


def _there(flow: Flow) -> str:
    source = f"{flow.source} " if flow.source else ""
    udp = " --udp" if flow.protocol == "udp" else ""
    return f"cni-bridge explain {source}{bracketed(flow.address)}:{flow.port}{udp}"
