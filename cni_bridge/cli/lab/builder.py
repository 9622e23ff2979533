"""Build a topology: namespaces and cables by netlink, networks by the plugin itself."""

import json
import shlex
import textwrap
from collections.abc import Iterator
from typing import Any

from cni_bridge.cli import chain, conflists, containers
from cni_bridge.cli.iproute import IPRoute
from cni_bridge.cli.lab import namespaces
from cni_bridge.cli.lab.topologies import CABLE, IFNAME, Cable, LabNetwork, Topology
from cni_bridge.errors import FirewallRefused
from cni_bridge.firewall import nft_tables
from cni_bridge.kernel import netns

CABLES = namespaces.STATE_DIR / "cables.json"
COLUMNS = 74  # behind four blanks, before ` \\`
WRAPPER = textwrap.TextWrapper(66, break_long_words=False, break_on_hyphens=False)
CONTINUED = " \\\n    "
REBUILD = (
    "cni-bridge lab down; cni-bridge lab up TOPOLOGY"  # there is no runtime to recreate a lost pair
)


def build(topology: Topology) -> Iterator[str]:
    """Build everything; yield each step as a command that can be pasted, in lines of 80 columns."""
    for step in _steps(topology):
        command, sharp, note = step.partition("   #")
        yield _wrapped(shlex.split(command), sharp + note)


def _steps(topology: Topology) -> Iterator[str]:
    yield from _namespace(namespaces.HOST)
    yield _up(namespaces.HOST, "lo")
    for name in topology.fresh:
        yield from _namespace(name)
    for cable in topology.cables:
        yield from _cable(cable)
    _keep(topology.cables)
    made: set[str] = set()
    for network in topology.networks:
        yield from _write(_config(network, topology), network.name)
        for member in network.members:
            if member not in made:
                yield from _namespace(member)
                yield _up(member, "lo")
            yield _attach(network.name, member, "eth1" if member in made else "eth0")
            made.add(member)


def cables() -> tuple[Cable, ...]:
    """Return the lab's cables; those of the tutorial, if the lab was built by hand."""
    try:
        kept = json.loads(CABLES.read_bytes())
    except OSError:
        return (CABLE,)
    return tuple(Cable(**{**each, "addresses": tuple(each["addresses"])}) for each in kept)


def configure(name: str, address: str) -> None:
    """Give an end of a cable its address and set it up; safe to repeat."""
    ip, _, length = address.partition("/")
    with namespaces.work_in(name, IPRoute) as socket:
        (index,) = socket.link_lookup(ifname=IFNAME)
        socket.addr("replace", index=index, address=ip, prefixlen=int(length))
    _up(name, IFNAME)


def _wrapped(words: list[str], note: str) -> str:
    """Return a command and a note in lines that fit behind a prompt.

    Long words are cut at their blanks: `echo`, which alone has some, prints a blank between words.
    """
    cut = [piece for word in words for piece in WRAPPER.wrap(word) or [""]]
    quoted = [each if each == ">" else shlex.quote(each) for each in cut]
    lines = [quoted[0]]
    for place, piece in enumerate(quoted[1:], 2):
        room = len(note) if place == len(quoted) else 0
        if len(lines[-1]) + 1 + len(piece) + room <= COLUMNS:
            lines[-1] += f" {piece}"
        else:
            lines.append(piece)
    return CONTINUED.join(lines) + note


def _namespace(name: str) -> Iterator[str]:
    namespaces.create(name)
    yield f"ip netns add {namespaces.PREFIX}{name}"


def _cable(cable: Cable) -> Iterator[str]:
    one, other = cable.one, cable.other
    for name in (one, other):
        yield from _namespace(name)
    end = netns.open_netns(namespaces.path(other))
    with namespaces.work_in(one, IPRoute) as socket:
        peer = {"ifname": IFNAME, "net_ns_fd": end.descriptor}
        socket.link("add", ifname=IFNAME, kind="veth", peer=peer)
    netns.close(end)
    full = [namespaces.PREFIX + name for name in (one, other)]
    yield f"ip -n {full[0]} link add {IFNAME} type veth peer name {IFNAME} netns {full[1]}"
    for name, address in cable.ends.items():
        yield _up(name, "lo")
        configure(name, address)
        yield f"ip -n {namespaces.PREFIX}{name} addr add {address} dev {IFNAME}"
        yield f"ip -n {namespaces.PREFIX}{name} link set {IFNAME} up"


def _keep(cables: tuple[Cable, ...]) -> None:
    """Keep what the doctor has to know about the cables."""
    namespaces.STATE_DIR.mkdir(mode=0o700, exist_ok=True)
    CABLES.write_text(json.dumps([vars(each) for each in cables]))


def _up(name: str, interface: str) -> str:
    with namespaces.work_in(name, IPRoute) as socket:
        (index,) = socket.link_lookup(ifname=interface)
        socket.link("set", index=index, state="up")
    return f"ip -n {namespaces.PREFIX}{name} link set {interface} up"


def _attach(network: str, member: str, ifname: str) -> str:
    """Do what `cni-bridge add` does, in the lab's host."""
    result = namespaces.as_host_once(
        namespaces.environment(), lambda: _added(network, member, ifname)
    )
    addresses = " ".join(chain.addresses(result))
    more = "" if ifname == IFNAME else f" --ifname {ifname}"
    words = f"cni-bridge lab exec {namespaces.HOST} -- cni-bridge add {network} {member}{more}"
    return f"{words}   # {addresses}"


def _added(network: str, member: str, ifname: str) -> dict[str, Any]:
    document, text = conflists.find(network, str(namespaces.CONF_DIR))
    made = chain.Chain(
        conflist=document, text=text, target=containers.find(member), ifname=ifname, wishes={}
    )
    return made.add()


def _config(network: LabNetwork, topology: Topology) -> dict[str, Any]:
    """Return the network's config list; the first network has the default route."""
    is_first = network == topology.networks[0]
    plugin = {
        "type": "cni-bridge",
        "bridge": network.bridge,
        "isGateway": True,
        "isDefaultGateway": is_first,
        "ipMasq": is_first and _has_nft(),
        "ipam": {"type": "cni-bridge", "subnet": network.subnet},
    }
    return {"cniVersion": "1.1.0", "name": network.name, "plugins": [plugin]}


def _write(config: dict[str, Any], name: str) -> Iterator[str]:
    """Write the config where the lab's host looks for it."""
    file = namespaces.CONF_DIR / f"{name}.conflist"
    if not namespaces.CONF_DIR.exists():
        namespaces.CONF_DIR.mkdir(parents=True)
        yield f"mkdir -p {namespaces.CONF_DIR}"
    text = json.dumps(config)
    file.write_text(f"{text}\n")
    yield f"echo {shlex.quote(text)} > {file}"


def _has_nft() -> bool:
    try:
        return bool(nft_tables.find_nft())
    except FirewallRefused:
        return False
