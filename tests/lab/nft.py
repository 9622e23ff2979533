"""nft, asked what the tables of the plugin hold, and told to do what others on a host do.

Shares no code with the plugin.
"""

import json
import subprocess
from typing import Any

TABLE = "cni_bridge"


def nft(*words: str) -> str:
    """Run nft."""
    done = subprocess.run(("nft", *words), capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise RuntimeError(f"nft {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def held(name: str, family: str = "inet", kind: str = "set") -> list[Any]:
    """Return the elements of a set as text: `["cni0", "10.88.0.0/16"]` is `cni0 10.88.0.0/16`."""
    listed = json.loads(nft("-j", "list", kind, family, TABLE, name))["nftables"]
    (found,) = (entry[kind] for entry in listed if kind in entry)
    return sorted(_text(element) for element in found.get("elem", ()))


def ports(name: str) -> list[Any]:
    """Return the elements of a map of published ports: `tcp 8080 -> 10.88.0.2 80`."""
    return held(name, kind="map")


def exists(family: str = "inet") -> bool:
    """Whether the plugin's table is there."""
    return f"table {family} {TABLE}" in nft("list", "tables")


def _text(element: Any) -> str:
    if isinstance(element, list):
        key, data = element
        return f"{_text(key)} -> {_text(data)}"
    if not isinstance(element, dict):
        return str(element)
    ((kind, value),) = element.items()
    if kind == "prefix":
        return f"{value['addr']}/{value['len']}"
    return " ".join(_text(item) for item in value)  # a concatenation
