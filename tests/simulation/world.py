"""A private host that can be restarted and runs the executable, and what its oracles say of it.

What should be there is not known here; iproute2, nft, sqlite3 and /proc share no code with the plugin.
"""

import ctypes
import json
import os
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tests.lab import namespaces
from tests.lab.containers import Container
from tests.lab.iproute import ip, ip_json
from tests.lab.network import Network
from tests.lab.nft import TABLE
from tests.lab.paths import PLUGIN
from tests.lab.ping import answers
from tests.lab.plugin import Json, Plugin, Run
from tests.lab.town import sysctl
from tests.lab.waiting import wait_until

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
KILLED = {-9, 137}
ALIAS = "cni-bridge "
LOCAL4 = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")
HOST_NAMES = "select host_name from holding"  # of runs that were killed before the alias
PORT_KEY = struct.Struct(">B3xH2x")  # what docs/firewall.md says of a port map's key


class Key(NamedTuple):
    """An attachment."""

    network: str
    container: str
    ifname: str


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


@dataclass(frozen=True)
class Sight:
    """What the oracles say: all of it after one operation."""

    leases: dict[Key, frozenset[str]]  # of all ledgers
    ports: dict[int, Key]  # of the ledger's firewall half
    recorded: dict[str, dict[str, set[Key]]]  # set -> element -> whose, of the same
    loaded: dict[str, set[str]]  # set -> element, in the kernel
    host_ends: frozenset[Key]
    strangers: tuple[object, ...]  # interfaces of the host that nobody knows
    inside: dict[Key, frozenset[str]]  # interfaces of living containers, with their addresses


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
        self.alive: set[str] = set()
        self._boot_id = Path("/run/boot_id")
        self._boot_id.write_text("")
        namespaces.mount(str(self._boot_id), BOOT_ID, flags=namespaces.MS_BIND)
        self._start()

    def close(self) -> None:
        """The end of the host."""
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
        run = network.do(command, Container(key.container), key.ifname, config=config)
        if run.status in KILLED:
            wait_until(_has_no_children)
        return run

    def create(self, container: str) -> None:
        """A container comes up."""
        Container(container).create()
        with namespaces.visiting(Container(container).netns):
            _configure()
        self.alive.add(container)

    def lose(self, container: str) -> None:
        """Its namespace is deleted by somebody else; the kernel takes the interfaces later."""
        Container(container).delete()
        self.alive.remove(container)
        wait_until(lambda: not any(key.container == container for key in _host_ends()[0]))

    def restart(self, *, keeps_run: bool) -> None:
        """The kernel's state is gone; the disk is kept, and /run too where it is one."""
        for container in self.alive:
            Container(container).delete()
        self.alive.clear()
        if not keeps_run:
            for directory in self._ledgers(on_disk=False):
                shutil.rmtree(directory, ignore_errors=True)
        namespaces.leave_network()
        self._start()

    def flush(self) -> None:
        """An operator's `nft flush ruleset`."""
        subprocess.run(("nft", "flush", "ruleset"), check=True, timeout=30)

    # ------------------------------------------------------------ what can be seen

    def look(self) -> Sight:
        """What is there now."""
        leases: dict[Key, frozenset[str]] = {}
        for directory in self._ledgers():
            leases |= dict(_leases(directory))
        recorded, ports = _recorded(Path("/run/cni-bridge"))
        host_ends, others = _host_ends()
        begun = {name for each in self._ledgers() for (name,) in _rows(each, HOST_NAMES)}
        return Sight(
            leases=leases,
            ports=ports,
            recorded=recorded,
            loaded=_loaded(),
            host_ends=host_ends,
            strangers=tuple(others - begun),
            inside={key: found for each in self.alive for key, found in self._inside(each)},
        )

    def reaches_gateways(self, key: Key) -> bool:
        """Whether the container gets an answer from its network's gateways."""
        with namespaces.visiting(Container(key.container).netns):
            return all(answers(gateway) for gateway in self.kinds[key.network].gateways)

    def _inside(self, container: str) -> Iterator[tuple[Key, frozenset[str]]]:
        with namespaces.visiting(Container(container).netns):
            names = {name for _, name in socket.if_nameindex()} - {"lo"}
            addresses = _local_addresses()
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
            **kind.config,
        }
        if kind.keeps_on_disk:
            config["ipam"] = {**kind.config["ipam"], "dataDir": str(self._disk)}
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
    """What the interface on a network is called in every container."""
    return f"to-{network}"


# ---------------------------------------------------------------- helpers


def _configure() -> None:
    """Nobody waits for an address to be looked for elsewhere."""
    for name in ("all", "default"):
        sysctl(f"net/ipv6/conf/{name}/accept_dad", 0)


def _strace(call: str, when: int) -> tuple[str, ...]:
    """A program that kills the one that it runs at the n-th call of that name."""
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


def _host_ends() -> tuple[frozenset[Key], set[object]]:
    """Whose host ends there are, and the other interfaces that are no bridges."""
    ends, others = set(), set()
    for link in ip_json("-d", "link"):
        alias = link.get("ifalias", "")
        kind = link.get("linkinfo", {}).get("info_kind")
        if alias.startswith(ALIAS):
            ends.add(Key(*alias.removeprefix(ALIAS).split("/")))
        elif link["ifname"] != "lo" and kind != "bridge":
            others.add(link["ifname"])
    return frozenset(ends), others


def _local_addresses() -> dict[int, set[str]]:
    """The addresses of the namespace that the thread is in, by their network's number."""
    found: dict[int, set[str]] = {}
    for text in LOCAL4.findall(Path("/proc/thread-self/net/fib_trie").read_text()):
        if not text.startswith("127."):
            found.setdefault(int(text.split(".")[1]), set()).add(text)
    for line in Path("/proc/thread-self/net/if_inet6").read_text().splitlines():
        packed = bytes.fromhex(line.split()[0])
        if packed[0] == 0xFD:
            text = socket.inet_ntop(socket.AF_INET6, packed)
            found.setdefault(packed[1], set()).add(text)
    return found


def _leases(directory: Path) -> Iterator[tuple[Key, frozenset[str]]]:
    rows = _rows(
        directory,
        "select network, container, ifname, address from holding"
        " left join lease using (network, container, ifname)",
    )
    found: dict[Key, set[str]] = {}
    for *who, packed in rows:
        addresses = found.setdefault(Key(*who), set())
        if packed is not None:
            addresses.add(_text(packed))
    yield from ((key, frozenset(addresses)) for key, addresses in found.items())


def _recorded(directory: Path) -> tuple[dict[str, dict[str, set[Key]]], dict[int, Key]]:
    """The elements of the ledger's firewall half, and who has which host port."""
    sets: dict[str, dict[str, set[Key]]] = {}
    ports: dict[int, Key] = {}
    rows = _rows(directory, "select network, container, ifname, set_name, key, data from element")
    for network, container, ifname, name, packed, data in rows:
        key = Key(network, container, ifname)
        if data is not None:
            _, port = PORT_KEY.unpack(packed[-8:])
            ports[port] = key
            text = f"{port} {_text(data[:-4])}"
        else:
            text = _element(name, packed)
        sets.setdefault(name, {}).setdefault(text, set()).add(key)
    return sets, ports


def _rows(directory: Path, sql: str) -> list[tuple[object, ...]]:
    path = directory / "ledger.sqlite"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as ledger:
        if not ledger.execute("select 1 from sqlite_master where name = 'ledger'").fetchall():
            return []  # the run that made it was killed
        return ledger.execute(sql).fetchall()


def _element(name: str, packed: bytes) -> str:
    """A key of the ledger in the words of `nft -j`, whose concatenations are joined by blanks."""
    if name.startswith("masq"):
        return _text(packed)
    words = [packed[at : at + 16] for at in range(0, len(packed), 16)]
    if name.startswith("subnet"):
        return f"{_name(words[0])} {_text(packed[16:])}"
    return " ".join(map(_name, words))


def _loaded() -> dict[str, set[str]]:
    """The elements of our tables' sets and maps in the kernel."""
    done = subprocess.run(
        ("nft", "-j", "list", "ruleset"), capture_output=True, check=True, timeout=30
    )
    sets: dict[str, set[str]] = {}
    for entry in json.loads(done.stdout)["nftables"]:
        ((kind, fact),) = entry.items()
        if kind in ("set", "map") and fact["table"] == TABLE:
            sets.setdefault(fact["name"], set()).update(
                _words(kind, element) for element in fact.get("elem", ())
            )
    return sets


def _words(kind: str, element: object) -> str:
    if kind == "map":
        assert isinstance(element, list)
        key, data = element
        return f"{key['concat'][-1]} {data['concat'][0]}"
    if isinstance(element, str):
        return element
    assert isinstance(element, dict)
    return " ".join(
        item if isinstance(item, str) else str(item["prefix"]["addr"]) for item in element["concat"]
    )


def _text(packed: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def _name(packed: bytes) -> str:
    return packed.rstrip(b"\0").decode()
