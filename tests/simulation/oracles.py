"""What the oracles say of the host: iproute2, nft, sqlite3 and /proc, in one vocabulary.

They share no code with the plugin; what should be there is not known here.
"""

import json
import re
import socket
import sqlite3
import struct
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tests.lab.iproute import ip_json, tc
from tests.lab.nft import TABLE

HOST_NAMES = "select host_name from holding"  # of runs that were killed before the alias
ALIAS = "cni-bridge "  # with a dataDir, the ledger's directory follows
LOCAL4 = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")
ETHERNET = struct.pack("H", 1)  # ARPHRD_ETHER of linux/if_arp.h
PORT_KEY = struct.Struct(">B3xH2x")  # what docs/firewall.md says of a port map's key


class Key(NamedTuple):
    """An attachment."""

    network: str
    container: str
    ifname: str

    @property
    def name(self) -> str:
        """What the runtime calls the container: an id is a name and a number."""
        return self.container.partition("-")[0]


def host_ends() -> tuple[dict[Key, str], set[object]]:
    """Return whose host ends there are, by name, and the other interfaces that are no bridges."""
    ends: dict[Key, str] = {}
    others = set()
    for link in ip_json("-d", "link"):
        alias = link.get("ifalias", "")
        kind = link.get("linkinfo", {}).get("info_kind")
        if alias.startswith(ALIAS):
            key = Key(*alias.removeprefix(ALIAS).partition(" ")[0].split("/"))
            ends[key] = link["ifname"]
        elif link["ifname"] != "lo" and kind != "bridge":
            others.add(link["ifname"])
    return ends, others


def ifb(host_end: str) -> str:
    """Return the name of the interface that limits what the container of a host end sends."""
    return host_end.replace("veth", "ifb-", 1)


def rates() -> dict[str, int]:
    """Return the interfaces whose rate is limited, with bytes a second."""
    listed = json.loads(tc("-j", "qdisc", "show"))
    return {each["dev"]: each["options"]["rate"] for each in listed if each["kind"] == "tbf"}


def local_addresses() -> dict[int, set[str]]:
    """Return the addresses of the namespace that the thread is in, by their network's number."""
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


def leases(directory: Path) -> Iterator[tuple[Key, frozenset[str]]]:
    found_rows = rows(
        directory,
        "select network, container, ifname, address from holding"
        " left join lease using (network, container, ifname)",
    )
    found: dict[Key, set[str]] = {}
    for *who, packed in found_rows:
        addresses = found.setdefault(Key(*who), set())
        if packed is not None:
            addresses.add(_text(packed))
    yield from ((key, frozenset(addresses)) for key, addresses in found.items())


def of_boot(directory: Path, boot_id: str) -> Iterator[Key]:
    """Whose record was made in that boot."""
    sql = "select network, container, ifname, boot_id from holding"
    yield from (Key(*who) for *who, boot in rows(directory, sql) if boot == boot_id)


def named(directory: Path) -> Iterator[tuple[Key, str]]:
    """Yield the aliases of containers, with their attachment."""
    found = rows(directory, "select network, container, ifname, name from name where is_alias")
    yield from ((Key(*who), name) for *who, name in found)


def confirmed(directory: Path) -> Iterator[Key]:
    """Yield whose record was confirmed by its ADD."""
    sql = "select network, container, ifname from holding where is_confirmed"
    yield from (Key(*who) for who in rows(directory, sql))


def recorded(directory: Path) -> tuple[dict[str, dict[str, set[Key]]], dict[int, Key]]:
    """Return the elements of the ledger's firewall half, and who has which host port."""
    sets: dict[str, dict[str, set[Key]]] = {}
    ports: dict[int, Key] = {}
    found_rows = rows(
        directory, "select network, container, ifname, set_name, key, data from element"
    )
    for network, container, ifname, name, packed, data in found_rows:
        key = Key(network, container, ifname)
        if data is not None:
            _, port = PORT_KEY.unpack(packed[-8:])
            ports[port] = key
            text = f"{port} {_text(data[:-4])}"
        else:
            text = _element(name, packed)
        sets.setdefault(name, {}).setdefault(text, set()).add(key)
    return sets, ports


def rows(directory: Path, sql: str) -> list[tuple[Any, ...]]:
    path = directory / "ledger.sqlite"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as ledger:
        if not ledger.execute("select 1 from sqlite_master where name = 'ledger'").fetchall():
            return []  # the run that made it was killed
        return ledger.execute(sql).fetchall()


def _element(name: str, packed: bytes) -> str:
    """Return a key of the ledger in the words of `nft -j`, whose concatenations are joined by blanks."""
    if name.startswith("masq"):
        return _text(packed)
    if name == "watched":
        return "ether" if packed == ETHERNET else packed.hex()
    words = [packed[at : at + 16] for at in range(0, len(packed), 16)]
    if name.startswith("subnet"):
        return f"{_name(words[0])} {_text(packed[16:])}"
    return " ".join(map(_name, words))


def loaded() -> dict[str, set[str]]:
    """Return the elements of our tables' sets and maps in the kernel."""
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
