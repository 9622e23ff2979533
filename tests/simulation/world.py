"""A private host that can be restarted and runs the executable, and a look at all of it.

What should be there is not known here.
"""

import ctypes
import json
import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tests.lab import namespaces
from tests.lab.containers import Container
from tests.lab.iproute import ip
from tests.lab.network import Network
from tests.lab.paths import PLUGIN
from tests.lab.ping import answers
from tests.lab.plugin import TIMEOUT, Json, Plugin, Run
from tests.lab.town import sysctl
from tests.lab.waiting import wait_until
from tests.simulation import oracles
from tests.simulation.oracles import Key

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
KILLED = {-9, 137}


@dataclass(frozen=True)
class Kind:
    """A network of the month: its config, how many addresses it has, where it keeps them."""

    name: str
    number: int  # its subnets are in 10.NUMBER.0.0/16 and fd0NUMBER::/16
    config: Json
    capacity: int
    gateways: tuple[str, ...]
    is_guarded: bool = False
    keeps_on_disk: bool = False
    is_sticky: bool = False

    @property
    def has_own_ledger(self) -> bool:
        """Whether its addresses are in another ledger than the firewall's records."""
        return self.keeps_on_disk or "dataDir" in self.config["ipam"]


@dataclass(frozen=True)
class Sight:
    """What the oracles say: all of it after one operation."""

    leases: dict[Key, frozenset[str]]  # of all ledgers
    of_this_boot: frozenset[Key]  # whose record was made since the start
    ports: dict[int, Key]  # of the ledger's firewall half
    recorded: dict[str, dict[str, set[Key]]]  # set -> element -> whose, of the same
    loaded: dict[str, set[str]]  # set -> element, in the kernel
    host_ends: frozenset[Key]
    strangers: tuple[object, ...]  # interfaces of the host that nobody knows
    inside: dict[Key, frozenset[str]]  # interfaces of living containers, with their addresses
    confirmed: frozenset[Key]  # whose ADD came to its end
    names: frozenset[tuple[Key, str]]  # of all ledgers
    limits: dict[Key, tuple[int, int]]  # of those that have one: bytes a second, received and sent

    @property
    def without_interface(self) -> frozenset[Key]:
        """Whose ADD came to its end, but neither end of the pair is there."""
        return self.confirmed - self.host_ends - self.inside.keys()


class World:
    """One host from its first boot to its end, in the calling thread."""

    def __init__(self, kinds: tuple[Kind, ...], disk: Path) -> None:
        self._leave = ExitStack()
        self._leave.enter_context(namespaces.private_host())
        _adopt_orphans()
        self.plugin = Plugin.at(PLUGIN)
        self.kinds = {each.name: each for each in kinds}
        self._disk = disk
        self.networks = {each.name: self._network(each) for each in kinds}
        self._conf_dir = disk / "net.d"
        self._conf_dir.mkdir()
        for name, network in self.networks.items():
            (self._conf_dir / f"{name}.conf").write_text(json.dumps(network.config))
        self.alive: set[str] = set()
        self._boot_id = Path("/run/boot_id")
        self._boot_id.write_text("")
        namespaces.mount(str(self._boot_id), BOOT_ID, flags=namespaces.MS_BIND)
        self._start()

    def close(self) -> None:
        """End the host."""
        self._leave.close()
        shutil.rmtree(self._disk, ignore_errors=True)

    # ------------------------------------------------------------ what happens

    def run(
        self, command: str, key: Key, config: Json, fault: tuple[str, int] | None = None
    ) -> Run:
        """One run of the executable, killed at the n-th system call of a name if one is given."""
        network = self.networks[key.network]
        prefix = _strace(*fault) if fault else ()
        network.plugin = replace(self.plugin, prefix=prefix)
        called: dict[str, str | None] = {"CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAME={key.name}"}
        run = network.do(
            command, Container(key.container), key.ifname, config=config, environment=called
        )
        if run.status in KILLED:
            wait_until(_has_no_children)
        return run

    def change(self, key: Key, *words: str, fault: tuple[str, int] | None = None) -> Run:
        """Return what a command of a person does; `connect` and `disconnect` keep results as libcni does."""
        prefix = _strace(*fault) if fault else ()
        done = subprocess.run(
            (*prefix, str(self.plugin.path), *words, "--conf-dir", str(self._conf_dir)),
            env={
                "PATH": os.environ["PATH"],
                "CNI_PATH": self.plugin.search_path,
                "CNI_CACHE_DIR": str(self._disk / "cache"),
                "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAME={key.name}",
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        if done.returncode in KILLED:
            wait_until(_has_no_children)
        return Run(done.returncode, done.stdout, done.stderr)

    def cached(self, key: Key) -> Json:
        """Return the result that `connect` has kept of an attachment."""
        name = f"{key.network}-{key.container}-{key.ifname}"
        kept: Json = json.loads((self._disk / "cache/results" / name).read_text())
        result: Json = kept["result"]
        return result

    def create(self, container: str) -> None:
        """Start a container."""
        Container(container).create()
        with namespaces.visiting(Container(container).netns):
            _configure()
        self.alive.add(container)

    def lose(self, container: str) -> None:
        """Its namespace is deleted by somebody else; the kernel takes the interfaces later."""
        Container(container).delete()
        self.alive.remove(container)
        wait_until(lambda: not any(key.container == container for key in oracles.host_ends()[0]))

    def restart(self, *, keeps_run: bool) -> None:
        """Reboot: kernel state is lost; the disk is kept, and /run as well if it is one."""
        for container in self.alive:
            Container(container).delete()
        self.alive.clear()
        if not keeps_run:
            for directory in self._ledgers(on_disk=False):
                shutil.rmtree(directory, ignore_errors=True)
        namespaces.leave_network()
        self._start()

    def flush(self) -> None:
        """Run an operator's `nft flush ruleset`."""
        subprocess.run(("nft", "flush", "ruleset"), check=True, timeout=30)

    # ------------------------------------------------------------ what can be seen

    def look(self) -> Sight:
        """Return what is there now."""
        leases: dict[Key, frozenset[str]] = {}
        for directory in self._ledgers():
            leases |= dict(oracles.leases(directory))
        boot_id = self._boot_id.read_text().strip()
        ours = {key for each in self._ledgers() for key in oracles.of_boot(each, boot_id)}
        recorded, ports = oracles.recorded(Path("/run/cni-bridge"))
        host_ends, others = oracles.host_ends()
        begun = {
            name for each in self._ledgers() for (name,) in oracles.rows(each, oracles.HOST_NAMES)
        }
        rates = oracles.rates()
        return Sight(
            leases=leases,
            of_this_boot=frozenset(ours),
            ports=ports,
            recorded=recorded,
            loaded=oracles.loaded(),
            host_ends=frozenset(host_ends),
            strangers=tuple(others - begun - set(map(oracles.ifb, begun))),
            inside={key: found for each in self.alive for key, found in self._inside(each)},
            confirmed=frozenset(key for each in self._ledgers() for key in oracles.confirmed(each)),
            names=frozenset(name for each in self._ledgers() for name in oracles.named(each)),
            limits={
                key: (rates.get(end, 0), rates.get(oracles.ifb(end), 0))
                for key, end in host_ends.items()
                if {end, oracles.ifb(end)} & rates.keys()
            },
        )

    def reaches_gateways(self, key: Key) -> bool:
        """Whether the container gets an answer from its network's gateways."""
        with namespaces.visiting(Container(key.container).netns):
            return all(answers(gateway) for gateway in self.kinds[key.network].gateways)

    def _inside(self, container: str) -> Iterator[tuple[Key, frozenset[str]]]:
        with namespaces.visiting(Container(container).netns):
            names = {name for _, name in socket.if_nameindex()} - {"lo"}
            addresses = oracles.local_addresses()
        for kind in self.kinds.values():
            if (name := ifname(kind.name)) in names:
                names.remove(name)
                found = addresses.get(kind.number, ())
                yield Key(kind.name, container, name), frozenset(found)
        assert not names, f"{container} has {names}"

    def _network(self, kind: Kind) -> Network:
        config = {
            "cniVersion": "1.1.0",
            "name": kind.name,
            "type": self.plugin.type,
            "isGateway": True,
            "capabilities": {"aliases": True},
            **kind.config,
        }
        if kind.keeps_on_disk:
            config["ipam"] = {**kind.config["ipam"], "dataDir": str(self._disk)}
        if kind.is_sticky:
            config["ipam"]["sticky"] = True
        return Network(self.plugin, config)

    def _ledgers(self, *, on_disk: bool = True) -> list[Path]:
        found = [Path(each.config["ipam"].get("dataDir", "/run")) for each in self.kinds.values()]
        directories = {each / "cni-bridge" for each in (Path("/run"), *found)}
        disk = {self._disk / "cni-bridge"} if on_disk else set()
        return sorted(directories | disk)

    def _start(self) -> None:
        self._boot_id.write_text(f"{uuid.uuid4()}\n")
        ip("link", "set", "lo", "up")
        _configure()


def ifname(network: str) -> str:
    """Return what the interface on a network is called in every container."""
    return f"to-{network}"


# ---------------------------------------------------------------- helpers


def _configure() -> None:
    """Nobody waits for an address to be looked for elsewhere."""
    for name in ("all", "default"):
        sysctl(f"net/ipv6/conf/{name}/accept_dad", 0)


def _strace(call: str, when: int) -> tuple[str, ...]:
    """Return a program that kills the one that it runs at the n-th call of that name."""
    fault = f"inject={call}:signal=KILL:when={when}"
    return ("strace", "-qq", "-o", "/dev/null", "-e", fault)


def _adopt_orphans() -> None:
    """So that what a killed run has started can be waited for."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def _has_no_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False
