"""Where a connection goes on the way to a container of another host.

Said from what this host's agent has seen; what the other host does with it is told there.
"""

from collections.abc import Iterator

from cni_bridge import address
from cni_bridge.address import prefix_text
from cni_bridge.cli.clusters import Cluster
from cni_bridge.cli.explain import kernel_queries
from cni_bridge.cli.explain.hops import INFERRED, UNSURE, Flow, Hop, bracketed, dropped

CLUSTER = "cluster"


def arrival(cluster: Cluster, flow: Flow, way: kernel_queries.Way) -> Iterator[Hop]:
    """Whose block it is in, by which way, and whether he seems to be there."""
    yield from nobody(cluster, flow)
    block = cluster.owner(flow.address)
    if block is None:
        return
    name = cluster.title(block.host)
    host = cluster.shot.view.hosts.get(block.host)
    below = " and ".join(map(address.text, host.addresses)) if host else "an unknown address"
    if not cluster.is_served:
        text = f"no agent of {cluster.name} runs here: this may be out of date"
        yield Hop(place=CLUSTER, text=text, verdict=UNSURE, source=INFERRED)
    if host is None or not cluster.is_member(host):
        text = f"{name}, whose block it is in, does not renew its membership: is it there?"
        yield Hop(place=CLUSTER, text=text, verdict=UNSURE, source=INFERRED)
    yield Hop(
        place=CLUSTER,
        text=f"{prefix_text(block.subnet)} of {cluster.name} is {name}'s, at {below}: by {way.device}, "
        f"from its own address; the rest is told there by `{_there(flow)}`",
        source=INFERRED,
    )


def nobody(cluster: Cluster, flow: Flow) -> Iterator[Hop]:
    """Where no container anywhere, as far as is known here, can have the address."""
    block = cluster.owner(flow.address)
    if block is None:
        text = f"no host leases {flow.address} of {cluster.name}: nobody has that address"
        yield dropped(CLUSTER, text, INFERRED)
    elif block.host == cluster.shot.me.id:
        text = (
            f"{prefix_text(block.subnet)} is this host's, but no container here has {flow.address}"
        )
        yield dropped(CLUSTER, text, INFERRED)


def _there(flow: Flow) -> str:
    source = f"{flow.source} " if flow.source else ""
    udp = " --udp" if flow.protocol == "udp" else ""
    return f"cni-bridge explain {source}{bracketed(flow.address)}:{flow.port}{udp}"
