"""The parts of the `cluster` object that a plugin run needs, and the keys it excludes.

Loaded only for cluster networks; the rest of the object is for the agent.
"""

from cni_bridge import address, errors
from cni_bridge.address import Prefix, prefix_text
from cni_bridge.edge import ipam_config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NETWORKS = (("network", "blockSize", 32), ("network6", "blockSize6", 128))
SMALLEST = 2  # bits of the smallest block: network, gateway, one container, broadcast
ONE_HOSTS = ("internal", "closed")


def parse(document: "dict[str, Any]", *, is_delegated: bool) -> tuple[Prefix, ...]:
    """Return the networks that blocks come from. Raises InvalidConfig, UnsupportedField."""
    section = document["cluster"]
    _check_others(document, is_delegated=is_delegated)
    if section["ranges"] == "node":
        return _networks(section)
    if not section["endpoints"] and section["store"] == "etcd":
        raise errors.InvalidConfig("cluster.endpoints: missing", 'like ["http://192.0.2.1:2379"]')
    found = _networks(section)
    if not found:
        raise errors.InvalidConfig("cluster.network: missing", "like 10.64.0.0/12, or network6")
    return found


def _networks(section: "dict[str, Any]") -> tuple[Prefix, ...]:
    return tuple(
        _network(section[key], section[size], bits, (key, size))
        for key, size, bits in NETWORKS
        if section[key]
    )


def _network(text: str, size: int, bits: int, keys: tuple[str, str]) -> Prefix:
    key, size_key = (f"cluster.{each}" for each in keys)
    try:
        found = address.parse_prefix(text)
    except ValueError:
        found = None
    if found is None or address.bits(found.ip) != bits:
        raise errors.InvalidConfig(f"{key}: expected a subnet of {bits} bits, found {text!r}")
    if address.first(found) != found.ip:
        raise errors.InvalidConfig(f"{key}: {text} has host bits set")
    if not found.length <= size <= bits - SMALLEST:
        raise errors.InvalidConfig(
            f"{size_key}: expected {found.length} to {bits - SMALLEST}, found {size}",
            f"blocks are parts of {prefix_text(found)}",
        )
    return found


def _check_others(document: "dict[str, Any]", *, is_delegated: bool) -> None:
    section = document.get("ipam", {})
    if is_delegated or not section.get("type"):
        raise errors.InvalidConfig(
            "ipam.type: expected cni-bridge, as a cluster network takes addresses from its blocks, found "
            f"{section.get('type') or 'none'}",
            "set ipam.type to cni-bridge",
        )
    for key in ("subnet", "ranges"):
        if section.get(key):
            raise errors.InvalidConfig(
                f"ipam.{key}: not allowed together with cluster",
                "remove it: the agent assigns blocks to this host",
            )
    if ipam_config.runtime(document).get("ipRanges"):
        raise errors.InvalidConfig("runtimeConfig.ipRanges: not allowed together with cluster")
    if document["mode"] == "wire":
        raise errors.InvalidConfig(
            "mode: a wire joins two containers of one host, so it is not allowed together with cluster"
        )
    for key in ONE_HOSTS:
        if document[key]:
            raise _one_hosts(key, document[key])
    if not document["icc"]:
        raise _one_hosts("icc", False)


def _one_hosts(key: str, value: object) -> "errors.UnsupportedField":
    return errors.UnsupportedField(
        f"{key}: not allowed together with cluster, found {value}",
        "a host's rules know its own containers only, and would drop packets from other hosts",
    )
