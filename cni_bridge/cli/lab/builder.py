"""Builds a topology: namespaces and cables by netlink, networks by the plugin itself, as a runtime
would have it do.

What there is to build is decided elsewhere.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyroute2.iproute.linux import IPRoute

from cni_bridge.cli.lab import spaces
from cni_bridge.cli.lab.topologies import Cable, Network, Topology
from cni_bridge.errors import Delegated, IOFailure
from cni_bridge.kernel import child, netns

DATA_DIR = Path("/run/cni-bridge-lab")
STATE_DIR = str(DATA_DIR / "cni-bridge")
PLUGIN_TIMEOUT_S = 30


def build(topology: Topology) -> Iterator[str]:
    """Build everything; each step is told in the words of a shell."""
    spaces.create(spaces.HOST)
    _up(spaces.HOST, "lo")
    for name in topology.fresh:
        yield from _namespace(name)
    for cable in topology.cables:
        yield from _cable(cable)
    made: set[str] = set()
    for network in topology.networks:
        for member in network.members:
            if member not in made:
                yield from _namespace(member)
                _up(member, "lo")
            yield _attach(network, member, is_first=member not in made)
            made.add(member)


def remove() -> list[str]:
    """Remove everything that any lab has; which namespaces there were."""
    there = spaces.names()
    for name in there:
        spaces.remove(name)
    shutil.rmtree(DATA_DIR, ignore_errors=True)
    return there


def own_environment() -> dict[str, str]:
    """The environment for other people's programs: nothing of the executable's own."""
    environment = {
        os.fsdecode(name): os.fsdecode(value) for name, value in child.environment({}).items()
    }
    return {name: value for name, value in environment.items() if not name.startswith("CNI_")}


def _namespace(name: str) -> Iterator[str]:
    spaces.create(name)
    yield f"ip netns add {spaces.PREFIX}{name}"


def _cable(cable: Cable) -> Iterator[str]:
    one, other = cable.one, cable.other
    for name in (one, other):
        yield from _namespace(name)
    end = netns.open_netns(spaces.path(other))
    with spaces.work_in(one, IPRoute) as socket:
        peer = {"ifname": "eth0", "net_ns_fd": end.descriptor}
        socket.link("add", ifname="eth0", kind="veth", peer=peer)
    netns.close(end)
    full = [spaces.PREFIX + name for name in (one, other)]
    yield f"ip -n {full[0]} link add eth0 type veth peer name eth0 netns {full[1]}"
    for name, address in zip((one, other), cable.addresses, strict=True):
        _up(name, "lo")
        ip, _, length = address.partition("/")
        with spaces.work_in(name, IPRoute) as socket:
            (index,) = socket.link_lookup(ifname="eth0")
            socket.addr("add", index=index, address=ip, prefixlen=int(length))
        _up(name, "eth0")
        yield f"ip -n {spaces.PREFIX}{name} addr add {address} dev eth0"
        yield f"ip -n {spaces.PREFIX}{name} link set eth0 up"


def _up(name: str, interface: str) -> None:
    with spaces.work_in(name, IPRoute) as socket:
        (index,) = socket.link_lookup(ifname=interface)
        socket.link("set", index=index, state="up")


def _attach(network: Network, member: str, *, is_first: bool) -> str:
    """ADD, by the plugin in a process of its own, in the lab's host."""
    ifname = "eth0" if is_first else "eth1"
    result = _add(_config(network, is_first=is_first), member, ifname)
    addresses = " ".join(item["address"] for item in result.get("ips", ()))
    return f"cni-bridge ADD {network.name} {member} {ifname}   # {addresses}"


def _config(network: Network, *, is_first: bool) -> dict[str, Any]:
    return {
        "cniVersion": "1.1.0",
        "name": network.name,
        "type": "cni-bridge",
        "bridge": f"{network.name}0",
        "isGateway": True,
        "isDefaultGateway": is_first,
        "ipam": {"type": "cni-bridge", "subnet": network.subnet, "dataDir": str(DATA_DIR)},
    }


def _add(config: dict[str, Any], member: str, ifname: str) -> dict[str, Any]:
    call = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": member,
        "CNI_NETNS": spaces.path(member),
        "CNI_IFNAME": ifname,
    }
    ours = [] if hasattr(sys, "_MEIPASS") else ["-m", "cni_bridge"]

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *ours],
            input=json.dumps(config),
            env=own_environment() | {"PYINSTALLER_RESET_ENVIRONMENT": "1"} | call,
            capture_output=True,
            text=True,
            timeout=PLUGIN_TIMEOUT_S,
            check=False,
        )

    done = spaces.work_in(spaces.HOST, run)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise IOFailure("the plugin did not answer", done.stderr) from None
    if done.returncode:
        raise Delegated(answer["code"], answer["msg"], answer.get("details", ""))
    return answer
