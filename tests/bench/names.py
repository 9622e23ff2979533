"""`python -m tests.bench.names [COUNT]`: what names cost among COUNT containers (500), and whether queries are lost.

Compares ADD and DEL with and without names on a host of its own, both among COUNT living attachments; then
asks the server as fast as one process can while all of them go and come, and reads its memory.
"""

import os
import signal
import socket
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.lab import PLUGIN, Attachment, Host, Network, Plugin, dns
from tests.lab.containers import Container

ROUNDS = 40
QUERIES = 100_000
GATEWAY = "10.88.0.1"


def main(count: int) -> None:
    """Print the figures."""
    with Host() as host:
        plain = _network(host, "plain", "cni0", "10.77.0.0/16")
        named = _network(host, "named", "cni1", "10.88.0.0/16", nameserver=True)
        containers = {each: _fill(host, each, count) for each in ("plain", "named")}
        networks = {"plain": plain, "named": named}
        for name, network in networks.items():
            for number, each in enumerate(containers[name]):
                _run(network, "ADD", each, number)
        times: dict[tuple[str, str], list[float]] = {}
        for turn in range(ROUNDS):
            for name in sorted(networks, reverse=bool(turn % 2)):
                late = host.container(f"late-{name}-{turn}")
                for command in ("ADD", "DEL"):
                    spent = _run(networks[name], command, late, 9999 - turn)
                    times.setdefault((command, name), []).append(spent)
        for command in ("ADD", "DEL"):
            without, with_names = (statistics.median(times[command, name]) for name in networks)
            print(
                f"{command} among {count}: {without:.1f} ms without names, {with_names:.1f} ms with,"
                f" {with_names / without:.3f}x"
            )
        (server,) = dns.servers()
        print(f"dnsmasq: {_memory(server)}, {_size('named')} bytes of names")
        print(_load(named, containers["named"]))
        print(f"dnsmasq after it: {_memory(server)}")
        os.kill(server, signal.SIGTERM)  # the host ends, and its containers with it


def _network(host: Host, name: str, bridge: str, subnet: str, **more: Any) -> Network:
    config = {
        "cniVersion": "1.0.0",
        "name": name,
        "type": "cni-bridge",
        "bridge": bridge,
        "isGateway": True,
        "ipam": {"type": "cni-bridge", "ranges": [[{"subnet": subnet}]]},
        **more,
    }
    return host.network(Plugin.at(PLUGIN), config)


def _fill(host: Host, network: str, count: int) -> list[Container]:
    return [host.container(f"{network}-{number}") for number in range(count)]


def _run(network: Network, command: str, container: Container, number: int) -> float:
    """Run a command; the container's names are two, as podman sends them. Return milliseconds."""
    changes: dict[str, Any] = {}
    if "nameserver" in network.config:
        changes = {
            "environment": {"CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAME=c{number}"},
            "config": {"runtimeConfig": {"aliases": {"named": [f"{number:012x}"]}}},
        }
    environment, stdin = network.call(command, Attachment(container), **changes)
    began = time.perf_counter()
    run = network.plugin.run(environment, stdin)
    spent = (time.perf_counter() - began) * 1000
    assert run.status == 0, run
    return spent


def _load(network: Network, containers: list[Container]) -> str:
    """Ask for a name that stays, while the others go and come; return what became of the questions."""
    others = containers[1:]
    ended = threading.Event()
    changes = 0

    def churn() -> None:
        nonlocal changes
        while not ended.is_set():
            for number, each in enumerate(others, 1):
                if ended.is_set():
                    return
                _run(network, "DEL", each, number)
                _run(network, "ADD", each, number)
                changes += 2

    worker = threading.Thread(target=churn)
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    channel.settimeout(5)
    channel.connect((GATEWAY, 53))
    lost = wrong = 0
    slowest = 0.0
    began = time.perf_counter()
    worker.start()
    for number in range(QUERIES):
        sent = time.perf_counter()
        channel.send(dns.query("c0", number=number % 65536))
        try:
            wrong += not dns.parse(channel.recv(4096)).records
        except TimeoutError:
            lost += 1
        slowest = max(slowest, time.perf_counter() - sent)
    ended.set()
    worker.join()
    return (
        f"{QUERIES} queries in {time.perf_counter() - began:.0f} s during {changes} ADDs and DELs: "
        f"{lost} lost, {wrong} without address, the slowest took {slowest * 1000:.1f} ms"
    )


def _memory(process: int) -> str:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    facts = dict(line.split(":", 1) for line in lines[1:])
    rss, own = (int(facts[key].split()[0]) for key in ("Rss", "Private_Dirty"))
    return f"{rss} kB of memory, {own} of it its own"


def _size(network: str) -> int:
    return os.stat(dns.BASE / network / "hosts").st_size


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 500)
