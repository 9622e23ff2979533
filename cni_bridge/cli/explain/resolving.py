"""Whether the nameserver of the source container's network has the target's name."""

from collections.abc import Iterator

from cni_bridge.cli.explain.hops import INFERRED, MEASURED, UNSURE, Hop, dropped
from cni_bridge.cli.inventory import Attached, Inventory
from cni_bridge.ledger import container_names
from cni_bridge.naming import apply, hosts, server

NAME = "name"


def hops(found: Inventory, asker: tuple[Attached, ...], name: str) -> Iterator[Hop]:
    """Yield what happens to a query for the name, for each network whose nameserver has it."""
    networks = dict.fromkeys(each.attachment.network for each in asker)
    is_known = False
    for network in networks:
        addresses = _addresses(server.read(server.hosts(network)) or "", name.lower())
        if not addresses:
            continue
        is_known = True
        if silence := apply.silence(network):
            text = f"{name} does not resolve: {silence} for network {network}"
            yield dropped(NAME, f"{text}; `cni-bridge restore` restarts it", MEASURED)
        else:
            text = f"{name} is {', '.join(addresses)} for the nameserver of network {network}"
            yield Hop(place=NAME, text=text, source=INFERRED)
    if not is_known and (reason := _unknown(found, list(networks), name)):
        text = f"{name} does not resolve: {reason}"
        yield Hop(place=NAME, text=text, verdict=UNSURE, source=INFERRED)


def _unknown(found: Inventory, networks: list[str], name: str) -> str:
    """Return why no nameserver has a container's name; empty if it is not a name, but an id or so."""
    named = [each for each in found.attachments if name in (*each.names, each.attachment.container)]
    if not named or not hosts.is_servable(name):
        return ""
    there = {each.attachment.network for each in named}
    serving = [each for each in networks if server.has(each)]
    if not serving:
        if all(name == container_names.of_namespace(each.netns_path) for each in named):
            return ""  # made by hand: nothing in a container asks for that name
        return (
            f"network {', '.join(networks)} has no nameserver; "
            '`"nameserver": true` in its config is one for containers added from then on'
        )
    whose = f"the nameserver of network {', '.join(serving)}"
    if there.intersection(serving):
        return f"{whose} does not have it: the runtime gave the container no name with ADD"
    return (
        f"the container is on network {', '.join(sorted(there))}, and {whose} has only its own "
        f"containers; `cni-bridge connect {serving[0]} {name}` attaches it"
    )


def _addresses(content: str, name: str) -> list[str]:
    lines = (line.split(" ") for line in content.splitlines() if not line.startswith("#"))
    return [address for address, *names in lines if name in names]
