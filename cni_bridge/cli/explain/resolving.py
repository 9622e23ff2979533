"""Whether the nameserver of the source container's network has the target's name."""

from collections.abc import Iterable, Iterator

from cni_bridge.cli.explain.hops import INFERRED, Hop, dropped
from cni_bridge.cli.inventory import Attached
from cni_bridge.naming import server

NAME = "name"


def hops(asker: Iterable[Attached], name: str) -> Iterator[Hop]:
    """Yield what happens to a query for the name, for each network that has a nameserver and the name."""
    for network in dict.fromkeys(each.attachment.network for each in asker):
        content = server.read(server.hosts(network)) or ""
        addresses = _addresses(content, name.lower())
        if not addresses:
            continue
        if server.running(network):
            text = f"{name} is {', '.join(addresses)} for the nameserver of network {network}"
            yield Hop(place=NAME, text=text, source=INFERRED)
        else:
            yield dropped(
                NAME,
                f"{name} does not resolve: dnsmasq of network {network} is not running; "
                "`cni-bridge restore` starts it",
            )


def _addresses(content: str, name: str) -> list[str]:
    lines = (line.split(" ") for line in content.splitlines() if not line.startswith("#"))
    return [address for address, *names in lines if name in names]
