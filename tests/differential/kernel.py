"""What the kernel and the stores hold, as one flat table: field -> value.

Names and numbers that are chosen at random get names that say whose they are, so that two hosts can
be compared. The oracles are iproute2, /proc/sys and the stores' own files.
"""

import ipaddress
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.lab import namespaces
from tests.lab.containers import Container
from tests.lab.iproute import ip_json

Fields = dict[str, Any]

DATA_DIR = Path("/run/data")  # what rows give as `ipam.dataDir`
HOST_LOCAL_DIRS = (Path("/var/lib/cni/networks"), DATA_DIR)
LEDGERS = (Path("/run/cni-bridge"), DATA_DIR / "cni-bridge")
LAST = "last_reserved_ip."

SYSCTL_DIRS = ("net/ipv4/conf", "net/ipv6/conf")  # all keys of all interfaces there
SYSCTLS = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")
UNREADABLE = ("stable_secret",)
# Counters, timers and indexes; what follows the carrier some time later; MACs inside of other words.
VOLATILE = {
    "bridge_id", "designated_bridge", "designated_cost", "designated_port", "designated_root",
    "fdb_n_learned", "forward_delay_timer", "gc_timer", "hello_timer", "hold_timer", "id",
    "ifindex", "link", "link_index", "link_netnsid", "message_age_timer", "no", "operstate",
    "permaddr", "root_id", "root_path_cost", "tcn_timer", "topology_change",
    "topology_change_detected", "topology_change_timer", "hash_max", "tso_max_size",
    "tso_max_segs", "local", "prefixlen",
}  # fmt: skip
NO_MAC = "00:00:00:00:00:00"
KERNELS_OWN = ("fe80::/64", "ff00::/8")
FOLLOW_CARRIER = {"LOWER_UP", "NO-CARRIER", "M-DOWN"}
HOST_END = re.compile(r"^veth[0-9a-f]{8,11}$")
LINK_LOCAL = re.compile(r"fe80::[0-9a-f]{1,4}:[0-9a-f:]+")


class Snapshot:
    """The host and its containers; `symbols` translates what is random."""

    def __init__(self, containers: list[Container], fixed: str) -> None:
        places = {"host": "", **{each.name: each.name for each in containers if each.exists}}
        self._links = {
            place: ip_json("-d", "addr", "show", container=name) for place, name in places.items()
        }
        self._routes = {
            place: [
                (family, route)
                for family in ("-4", "-6")
                for route in ip_json("-d", family, "route", "show", "table", "all", container=name)
            ]
            for place, name in places.items()
        }
        self._netns = {each.name: each.netns for each in containers if each.exists}
        self.symbols = dict(self._symbols(fixed))

    @property
    def is_settled(self) -> bool:
        """Whether duplicate address detection is over, that of link-local addresses aside: the
        kernel adds the route to an address after that, even when nothing was detected."""
        return not any(
            address["family"] == "inet6"
            and address["scope"] != "link"
            and not address.get("dadfailed")
            and (address.get("tentative") or address["local"] not in self._destinations(place))
            for place, links in self._links.items()
            for link in links
            for address in link["addr_info"]
            if "UP" in link["flags"]
        )

    def _destinations(self, place: str) -> set[str]:
        return {route["dst"] for _, route in self._routes[place]}

    def fields(self) -> Fields:
        """Everything, by field."""
        found: Fields = {}
        for place, links in self._links.items():
            for link in links:
                found |= dict(_link_fields(f"{place} {link['ifname']}", link))
            for family, route in self._routes[place]:
                found |= dict(_route_fields(f"{place} route {family}", route))
            found |= self._sysctls(place, [link["ifname"] for link in links])
        found |= dict(_leases())
        return self.translate(found)

    def translate(self, fields: Fields) -> Fields:
        """Return the fields with symbols for random values."""
        text = json.dumps(fields)
        for random, symbol in self.symbols.items():
            text = text.replace(random, symbol)
        text = LINK_LOCAL.sub("(link-local)", text)
        translated: Fields = json.loads(text)
        return translated

    def _symbols(self, fixed: str) -> Iterator[tuple[str, str]]:
        for place, links in self._links.items():
            ends = 0
            for link in sorted(links, key=lambda each: int(each["ifindex"])):
                name = link["ifname"]
                if HOST_END.match(name):
                    ends += 1
                    yield name, f"port{ends}"
                    name = f"port{ends}"
                mac = link.get("address", "")
                if link["link_type"] == "ether" and mac != NO_MAC:
                    symbol = mac if mac in fixed else f"(MAC of {place} {name})"
                    yield mac, symbol

    def _sysctls(self, place: str, interfaces: list[str]) -> Fields:
        if place == "host":
            return _read_sysctls(place, interfaces)
        with namespaces.visiting(self._netns[place]):
            return _read_sysctls(place, interfaces)


def _link_fields(prefix: str, link: Fields) -> Iterator[tuple[str, Any]]:
    addresses = link.pop("addr_info")
    link["flags"] = sorted(set(link["flags"]) - FOLLOW_CARRIER)
    yield from flat(prefix, link)
    for address in addresses:
        if address["scope"] == "link":
            if prefix.startswith("host "):
                continue
            address.pop("tentative", None)
        yield from flat(f"{prefix} address {address['local']}/{address['prefixlen']}", address)


def _route_fields(prefix: str, route: Fields) -> Iterator[tuple[str, Any]]:
    """Return a route; those that the kernel adds upon carrier come some time later."""
    is_on_host = prefix.startswith("host ")
    if LINK_LOCAL.fullmatch(route["dst"]) or (is_on_host and route["dst"] in KERNELS_OWN):
        return
    identity = " ".join(
        f"{key} {route.pop(key)}"
        for key in ("table", "type", "dst", "gateway", "dev", "metric")
        if key in route
    )
    route.pop("flags", None)
    yield f"{prefix} {identity}", json.dumps(route, sort_keys=True)


def flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a JSON value, each with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in VOLATILE:
                yield from flat(f"{prefix}.{key}", item)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from flat(f"{prefix}[{index}]", item)
    else:
        yield prefix, value


def _read_sysctls(place: str, interfaces: list[str]) -> Fields:
    root = Path("/proc/sys")
    paths = [root / key for key in SYSCTLS]
    for directory in SYSCTL_DIRS:
        for interface in ("all", "default", *interfaces):
            paths += sorted((root / directory / interface).glob("*"))
    return {
        f"{place} sysctl {path.relative_to(root)}": path.read_text().strip()
        for path in paths
        if path.name not in UNREADABLE
    }


def _leases() -> Iterator[tuple[str, Any]]:
    """Who has which address, and which was handed out last, from either plugin's store."""
    for directory in HOST_LOCAL_DIRS:
        for file in directory.glob("*/*"):
            if file.name.startswith(LAST):
                yield (
                    f"last of {file.parent.name} set {file.name.removeprefix(LAST)}",
                    file.read_text(),
                )
            elif _is_address(file.name):
                yield f"lease {file.parent.name} {file.name}", file.read_text().split()
    for directory in LEDGERS:
        path = directory / "ledger.sqlite"
        if not path.exists():
            continue
        with closing(sqlite3.connect(path)) as ledger:
            for network, ip, *holder in ledger.execute(
                "select network, address, container, ifname from lease"
            ):
                yield f"lease {network} {ipaddress.ip_address(ip)}", holder
            for network, index, ip in ledger.execute("select * from last_leased"):
                if ip:
                    yield f"last of {network} set {index}", str(ipaddress.ip_address(ip))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
