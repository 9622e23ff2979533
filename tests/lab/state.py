"""What a host and its containers hold: a snapshot as a set of lines, and the difference of two.

Every line comes from an oracle that shares no code with the plugin: iproute2, nft, sqlite3, files.
"""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.iproute import ip_all, ip_json

LEDGER = Path("/run/cni-bridge/ledger.sqlite")
# Link-local addresses and multicast: the kernel makes them, some time after the interface.
KERNELS_OWN = ("fe80:", "ff00:")
LEDGER_TABLES = ("holding", "lease", "name", "guarded", "element", "accepting")
CNI_DIR = Path("/var/lib/cni")
HOST_LOCAL_KEEPS = ("last_reserved_ip.", "lock")
OUR_TABLE = "cni_bridge"
VOLATILE_KEYS = ("flags", "pref")  # a route's flags follow the carrier, some time later


@dataclass(frozen=True, order=True)
class Line:
    """One fact; `device` is the interface that it belongs to, so that shared ones can be set aside."""

    place: str
    kind: str
    device: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.kind} {self.device} {self.text}".replace("  ", " ")


State = frozenset[Line]


def of_host() -> State:
    """Everything that an attachment could leave on the host."""
    return of_kernel().union(_ledger(), _files())


def of_kernel() -> State:
    """Return the part of it that the kernel holds; files are not even opened."""
    return frozenset((*_network("host"), *_ruleset()))


def of_container(name: str) -> State:
    """Everything that an attachment could leave in one container."""
    return frozenset(_network(name, name))


def differences(before: State, after: State, shared: Collection[str] = ()) -> list[str]:
    """Return what went (-) and what came (+), one a line; facts about shared devices are set aside."""
    gone = (("-", line) for line in sorted(before - after))
    come = (("+", line) for line in sorted(after - before))
    return [f"{sign} {line}" for sign, line in (*gone, *come) if line.device not in shared]


def _network(place: str, container: str = "") -> Iterator[Line]:
    asked = ("addr show", "route show table all", "rule")  # of routes both families, of rules one
    links, routes, rules = ip_all(*asked, option="-d", container=container)
    rules_6 = ip_json("-6", "rule", container=container)
    for link in links:
        device = link["ifname"]
        yield Line(place, "link", device, _link_text(link))
        for address in link["addr_info"]:
            if address["local"].startswith(KERNELS_OWN):
                continue
            text = f"{address['local']}/{address['prefixlen']} {address['scope']}"
            yield Line(place, "address", device, text)
    for route in routes:
        if not route.get("dst", "").startswith(KERNELS_OWN):
            yield Line(place, "route", route.get("dev", ""), _sorted_text(route))
    for family, listed in (("-4", rules), ("-6", rules_6)):
        for rule in listed:
            yield Line(place, "rule", "", f"{family} {_sorted_text(rule)}")


def _link_text(link: dict[str, Any]) -> str:
    info = link.get("linkinfo", {})
    flags = ",".join(sorted(set(link["flags"]) & {"UP", "PROMISC", "NOARP"}))
    facts = (
        info.get("info_kind", ""),
        flags or "DOWN",
        f"mtu {link['mtu']}",
        link.get("address", ""),
        f"master {link['master']}" if "master" in link else "",
        f'"{link["ifalias"]}"' if "ifalias" in link else "",
    )
    return " ".join(fact for fact in facts if fact)


def _sorted_text(entry: dict[str, Any]) -> str:
    return " ".join(
        f"{key}={value}" for key, value in sorted(entry.items()) if key not in VOLATILE_KEYS
    )


def _ruleset() -> Iterator[Line]:
    """Yield the nft ruleset; our own tables are shared, the elements in their sets are not."""
    if not shutil.which("nft"):
        return
    command = ("nft", "-s", "-j", "list", "ruleset")  # without the counters
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    for entry in json.loads(done.stdout)["nftables"]:
        ((kind, fact),) = entry.items()
        elements = fact.pop("elem", [])
        table = fact["name"] if kind == "table" else fact.get("table", "")
        if kind != "metainfo" and table != OUR_TABLE:
            fact.pop("handle", None)
            yield Line("host", f"nft {kind}", "", _sorted_text(fact))
        for element in elements:
            yield Line("host", f"nft element of {fact['name']}", "", json.dumps(element))


def _ledger() -> Iterator[Line]:
    if not LEDGER.exists():
        return
    with closing(sqlite3.connect(LEDGER)) as ledger:
        names = ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for table in {name for (name,) in names}.intersection(LEDGER_TABLES):
            for row in ledger.execute(f"SELECT * FROM {table}"):
                yield Line("host", f"ledger {table}", "", str(row))


def _files() -> Iterator[Line]:
    """Reservations of host-local and results cached by a runtime."""
    for directory, _, names in os.walk(CNI_DIR):
        for name in _kept(names):
            yield Line("host", "file", "", os.path.join(directory, name))


def _kept(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.startswith(HOST_LOCAL_KEEPS)]
