"""Hosts of a cluster network in the laboratory: on each an agent, a ledger and a bridge of its own.

    host 1 … host N, each with `cni-bridge agent`     etcd on three machines more
          └────────────┴───────── below ──────────────────┘

What goes wrong, and what has to come of it, is for the tests.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cni_bridge.cluster import snapshot
from cni_bridge.cluster.snapshot import Snapshot
from cni_bridge.ledger.blocks import now_ms
from tests.lab import PLUGIN, Container, Plugin, dns, namespaces
from tests.lab.etcd import Cluster as Etcd
from tests.lab.etcd import etcd
from tests.lab.iproute import ip
from tests.lab.machines import Machine, machines
from tests.lab.namespaces import Place
from tests.lab.network import addresses_in, bare
from tests.lab.plugin import Json, Run
from tests.lab.state import LEDGER

ETCD = (11, 12, 13)
CONF_DIR = Path("/run/conf")
BOOT_ID = "/proc/sys/kernel/random/boot_id"
STATE_DIR = str(LEDGER.parent)
NETWORK = "pods"
DEADLINE_S = 30


class Node:
    """One host."""

    def __init__(self, number: int, machine: Machine, config: Json, below: tuple[str, ...]) -> None:
        self.number = number
        self._below = below
        self.machine = machine
        self.addresses: dict[Container, list[str]] = {}
        self.called: dict[Container, str] = {}
        self.config = config
        self._agent: subprocess.Popen[bytes] | None = None
        self._boots = 0

    @property
    def name(self) -> str:
        """Its id in the cluster."""
        return f"host-{self.number}"

    def start(self, *words: str, before: tuple[str, ...] = ()) -> None:
        """Its agent begins; `before` are words that come before the command's own."""
        with self.machine.entered():
            CONF_DIR.mkdir(exist_ok=True)
            plugins = {"cniVersion": "1.1.0", "name": NETWORK, "plugins": [self.config]}
            (CONF_DIR / "pods.conflist").write_text(json.dumps(plugins))
            with Path("/run/agent.log").open("ab") as log:
                self._agent = subprocess.Popen(
                    (*before, *self._words(*words)),
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def run(self, *words: str) -> Run:
        """Return an action of the agent's, to its end."""
        with self.machine.entered():
            done = subprocess.run(
                self._words(*words), capture_output=True, text=True, timeout=DEADLINE_S
            )
        return Run(done.returncode, done.stdout, done.stderr)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its agent ends; with which status."""
        self.tell(number)
        assert self._agent
        status = self._agent.wait(DEADLINE_S)
        self._agent = None
        return status

    def tell(self, number: int) -> None:
        """Its agent gets a signal."""
        assert self._agent
        self._agent.send_signal(number)

    def is_running(self) -> bool:
        """Whether its agent has been started and has not ended."""
        return self._agent is not None and self._agent.poll() is None

    def is_serving(self) -> bool:
        """Whether an agent that was started has come so far that no other can begin."""
        with self.machine.entered():
            return snapshot.is_served(STATE_DIR, NETWORK)

    def close(self) -> None:
        """End the agent if it runs, and what it was started by."""
        if self._agent and self._agent.poll() is None:
            os.killpg(self._agent.pid, signal.SIGKILL)
            self._agent.wait()

    def log(self) -> str:
        """Return what the agent has said."""
        with self.machine.entered():
            return Path("/run/agent.log").read_text()

    def seen(self) -> Snapshot | None:
        """Return what the agent knows."""
        with self.machine.entered():
            return snapshot.load(snapshot.path(STATE_DIR, NETWORK))

    def reboot(self) -> None:
        """Agent, containers and everything in /run are gone, the network is as new."""
        self.close()
        self._agent = None
        self._boots += 1
        with self.machine.entered() as host:
            for container in host.containers:
                container.delete()
            host.containers.clear()
            self.addresses.clear()
            for link in ("cni0", "vxlan-4096", "vxlan6-4096"):
                subprocess.run(("ip", "link", "delete", link), capture_output=True, timeout=10)
            subprocess.run(("nft", "flush", "ruleset"), check=True, timeout=10)
            for file in LEDGER.parent.iterdir():
                file.unlink()
            for server in dns.servers():
                os.kill(server, signal.SIGKILL)
            shutil.rmtree(dns.BASE, ignore_errors=True)
            boot_id = Path(f"/run/boot_id-{self._boots}")
            boot_id.write_text(f"00000000-0000-4000-8000-{self.number:06}{self._boots:06}\n")
            namespaces.mount(str(boot_id), BOOT_ID, flags=namespaces.MS_BIND)

    # ------------------------------------------------------------ containers

    def names(self) -> set[str] | None:
        """Return what containers are called here and elsewhere by this host's nameserver; None without one."""
        with self.machine.entered():
            if not dns.servers():
                return None
            lines = [
                line
                for file in ("hosts", "others")
                for line in (dns.BASE / NETWORK / file).read_text().splitlines()
            ]
        return {word for line in lines if line[0] != "#" for word in line.split(" ")[1:]}

    def add(self, name: str = "", *, called: str = "", **more: Any) -> Run:
        """ADD of a new container, whatever comes of it.

        `called` is how the runtime names it, `more` what else the call has.
        """
        if called:
            more["environment"] = {"CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAME={called}"}
        plugin = Plugin.at(PLUGIN)
        with self.machine.entered() as host:
            made = host.container(name or f"on{self.number}-{len(host.containers)}-{self._boots}")
            network = host.network(plugin, {"cniVersion": "1.1.0", "name": NETWORK, **self.config})
            run = network.add(made, **more)
            if run.status == 0:
                self.addresses[made] = [bare(each) for each in addresses_in(run.result())]
                self.called[made] = called
            else:
                host.networks.remove(network)
            return run

    def container(self, **more: Any) -> Container:
        """Return a new container with addresses."""
        run = self.add(**more)
        assert run.status == 0, (run.stdout, run.stderr, self.log())
        return next(reversed(self.addresses))

    def status(self) -> Run:
        """STATUS."""
        config = {"cniVersion": "1.1.0", "name": NETWORK, **self.config}
        environment = {"CNI_COMMAND": "STATUS", "CNI_PATH": "/opt/cni/bin"}
        with self.machine.entered():
            return Plugin.at(PLUGIN).run(environment, json.dumps(config))

    def tidy(self) -> None:
        """All containers are deleted."""
        with self.machine.entered() as host:
            host.tidy()
        self.addresses.clear()

    def _words(self, *words: str) -> tuple[str, ...]:
        return (
            *("unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', f"h{self.number}"),
            *(str(PLUGIN), "agent", NETWORK, "--conf-dir", str(CONF_DIR)),
            *("--host", self.name),
            *(word for each in self._below for word in ("--address", bare(each))),
            *words,
        )


class Nodes:
    """All hosts, and their store."""

    def __init__(self, nodes: dict[int, Node], store: Etcd, home: Place) -> None:
        self.nodes = nodes
        self.store = store
        self._home = home

    def __getitem__(self, number: int) -> Node:
        return self.nodes[number]

    def start(self) -> None:
        """All agents, until each knows of the blocks of all."""
        for each in self.nodes.values():
            each.start()
        self.settle()

    def settle(self) -> None:
        """Wait until all hosts see the same: all are members, and have blocks that are published.

        What an agent has left is not what the one that was started after it sees.
        """
        deadline = time.monotonic() + DEADLINE_S
        while not self._agree():
            assert time.monotonic() < deadline, [each.log() for each in self.nodes.values()]
            time.sleep(0.05)

    def can_ping(self, number: int, container: Container, other: Container) -> list[bool]:
        """Whether a container on a host reaches another, one answer a family."""
        addresses = next(
            each.addresses[other] for each in self.nodes.values() if other in each.addresses
        )
        with self[number].machine.entered():
            return [container.can_ping(each) for each in addresses]

    def blocks(self) -> dict[str, str]:
        """Which host has which block, by the store."""
        found = {}
        for each in self._entries("blocks"):
            found[each["key"].rpartition("/")[2].replace("-", "/")] = json.loads(each["value"])[
                "host"
            ]
        return found

    def members(self) -> set[str]:
        """Who is a member, by the store."""
        return {each["key"].rpartition("/")[2] for each in self._entries("members")}

    def part(self, number: int) -> None:
        """Disconnect the host from all others."""
        ip("link", "set", f"host{number}", "down")

    def join(self, number: int) -> None:
        """Connect the host again."""
        ip("link", "set", f"host{number}", "up")

    def all_addresses(self) -> list[str]:
        """Of all containers of all hosts."""
        return [
            address
            for node in self.nodes.values()
            for some in node.addresses.values()
            for address in some
        ]

    def _entries(self, kind: str) -> list[dict[str, str]]:
        asked = ("get", "--prefix", f"/cni-bridge/{NETWORK}/{kind}/")
        found = self.store.ctl(*asked).get("kvs", ())
        return [
            {key: b64decode(each.get(key, "")).decode() for key in ("key", "value")}
            for each in found
        ]

    def _agree(self) -> bool:
        running = [each for each in self.nodes.values() if each.is_running()]
        if not all(each.is_serving() for each in running):
            return False
        shots = [each.seen() for each in self.nodes.values()]
        names = {each.name for each in self.nodes.values()}
        return all(
            shot
            and not shot.error
            and shot.until > now_ms()
            and names <= shot.view.members
            and names <= {block.host for block in shot.view.blocks.values()}
            and shot.view.blocks == shots[0].view.blocks
            for shot in shots
            if shots[0]
        ) and all(shots)


@contextmanager
def nodes(
    count: int = 3, *, ipv6: bool = True, more: Any = None, **cluster: Any
) -> Iterator[Nodes]:
    """So many hosts, not started; at the end nothing is left on any of them.

    `more` are further keys of the network.
    """
    numbers = range(1, count + 1)
    given = {
        each: (f"192.0.2.{each}/24", *((f"2001:db8::{each}/64",) if ipv6 else ()))
        for each in (*numbers, *ETCD)
    }
    with machines(given) as made, ExitStack() as ended:
        store = ended.enter_context(etcd({f"192.0.2.{each}": made[each] for each in ETCD}))
        config = {
            "type": "cni-bridge",
            "bridge": "cni0",
            "isDefaultGateway": True,
            "ipMasq": True,
            "cluster": {
                "endpoints": store.endpoints,
                "network": "10.64.0.0/16",
                **({"network6": "fd64::/48"} if ipv6 else {}),
                **cluster,
            },
            "ipam": {"type": "cni-bridge"},
            **(more or {}),
        }
        home = Place()
        ended.callback(home.close)
        running = Nodes(
            {each: Node(each, made[each], config, given[each]) for each in numbers}, store, home
        )
        for node in running.nodes.values():
            ended.callback(node.close)
        yield running
