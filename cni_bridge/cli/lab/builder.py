"""Build a topology: namespaces and cables by netlink, networks by the plugin itself."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyroute2.iproute.linux import IPRoute

from cni_bridge.cli.lab import namespaces
from cni_bridge.cli.lab.topologies import IFNAME, Cable, LabNetwork, Topology
from cni_bridge.errors import Delegated, FirewallRefused, IOFailure
from cni_bridge.firewall import nft_tables
from cni_bridge.kernel import netns
from cni_bridge.lean import bundle
from cni_bridge.ledger import state_directory

CONF_DIR = namespaces.STATE_DIR / "net.d"
PLUGIN_TIMEOUT_S = 30
REBUILD = (
    "cni-bridge lab down; cni-bridge lab up TOPOLOGY"  # there is no runtime to recreate a lost pair
)


def build(topology: Topology) -> Iterator[str]:
    """Build everything; yield each step as a shell command."""
    namespaces.create(namespaces.HOST)
    _up(namespaces.HOST, "lo")
    for name in topology.fresh:
        yield from _namespace(name)
    for cable in topology.cables:
        yield from _cable(cable)
    made: set[str] = set()
    for network in topology.networks:
        config = _config(network, topology)
        _write(config)
        for member in network.members:
            if member not in made:
                yield from _namespace(member)
                _up(member, "lo")
            yield _attach(config, member, "eth1" if member in made else "eth0")
            made.add(member)


def remove() -> list[str]:
    """Remove everything that labs made; return the namespaces that existed."""
    there = namespaces.names()
    for name in there:
        namespaces.remove(name)
    shutil.rmtree(namespaces.STATE_DIR, ignore_errors=True)
    with suppress(OSError):  # not empty: it was not created for the lab
        Path(state_directory.HOST).rmdir()
    return there


def configure(name: str, address: str) -> None:
    """Give an end of a cable its address and set it up; safe to repeat."""
    ip, _, length = address.partition("/")
    with namespaces.work_in(name, IPRoute) as socket:
        (index,) = socket.link_lookup(ifname=IFNAME)
        socket.addr("replace", index=index, address=ip, prefixlen=int(length))
    _up(name, IFNAME)


def own_environment() -> dict[str, str]:
    """Return the environment for other programs, without CNI_* variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CNI_")}


def _namespace(name: str) -> Iterator[str]:
    namespaces.create(name)
    yield f"ip netns add {namespaces.PREFIX}{name}"


def _cable(cable: Cable) -> Iterator[str]:
    one, other = cable.one, cable.other
    for name in (one, other):
        yield from _namespace(name)
    end = netns.open_netns(namespaces.path(other))
    with namespaces.work_in(one, IPRoute) as socket:
        peer = {"ifname": "eth0", "net_ns_fd": end.descriptor}
        socket.link("add", ifname="eth0", kind="veth", peer=peer)
    netns.close(end)
    full = [namespaces.PREFIX + name for name in (one, other)]
    yield f"ip -n {full[0]} link add eth0 type veth peer name eth0 netns {full[1]}"
    for name, address in cable.ends.items():
        _up(name, "lo")
        configure(name, address)
        yield f"ip -n {namespaces.PREFIX}{name} addr add {address} dev eth0"
        yield f"ip -n {namespaces.PREFIX}{name} link set eth0 up"


def _up(name: str, interface: str) -> None:
    with namespaces.work_in(name, IPRoute) as socket:
        (index,) = socket.link_lookup(ifname=interface)
        socket.link("set", index=index, state="up")


def _attach(config: dict[str, Any], member: str, ifname: str) -> str:
    """Run ADD in a plugin process of its own, in the lab's host."""
    result = _add(config, member, ifname)
    addresses = " ".join(item["address"] for item in result.get("ips", ()))
    return f"cni-bridge ADD {config['name']} {member} {ifname}   # {addresses}"


def _config(network: LabNetwork, topology: Topology) -> dict[str, Any]:
    """Return the network's config; the first network has the default route."""
    is_first = network == topology.networks[0]
    return {
        "cniVersion": "1.1.0",
        "name": network.name,
        "type": "cni-bridge",
        "bridge": f"{network.name}0",
        "isGateway": True,
        "isDefaultGateway": is_first,
        "ipMasq": is_first and _has_nft(),
        "ipam": {"type": "cni-bridge", "subnet": network.subnet},
    }


def _write(config: dict[str, Any]) -> None:
    """Write the config where the lab's doctor looks for it."""
    CONF_DIR.mkdir(parents=True, exist_ok=True)
    plugin = {key: value for key, value in config.items() if key not in ("name", "cniVersion")}
    conflist = {key: config[key] for key in ("cniVersion", "name")} | {"plugins": [plugin]}
    (CONF_DIR / f"{config['name']}.conflist").write_text(json.dumps(conflist, indent=2))


def _has_nft() -> bool:
    try:
        return bool(nft_tables.find_nft())
    except FirewallRefused:
        return False


def _add(config: dict[str, Any], member: str, ifname: str) -> dict[str, Any]:
    call = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": member,
        "CNI_NETNS": namespaces.path(member),
        "CNI_IFNAME": ifname,
    }
    ours = [] if bundle.is_executable() else ["-m", "cni_bridge"]
    done = subprocess.run(
        [sys.executable, *ours],
        input=json.dumps(config),
        env=own_environment() | call,
        capture_output=True,
        text=True,
        timeout=PLUGIN_TIMEOUT_S,
        check=False,
        preexec_fn=namespaces.as_host,
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise IOFailure("the plugin did not answer", done.stderr) from None
    if done.returncode:
        raise Delegated(answer["code"], answer["msg"], answer.get("details", ""))
    return answer
