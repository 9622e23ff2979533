"""The `cluster` object: what a plugin run needs of it, and which other keys make no sense beside it.

Loaded only for networks over many hosts; everything else in the object is for the agent.
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
    """What blocks are cut from. Raises InvalidConfig, UnsupportedField."""
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
            f"blocks are cut from {prefix_text(found)}",
        )
    return found


def _check_others(document: "dict[str, Any]", *, is_delegated: bool) -> None:
    section = document.get("ipam", {})
    if is_delegated or not section.get("type"):
        raise errors.InvalidConfig(
            "ipam.type: a cluster network takes its addresses from its blocks, found "
            f"{section.get('type') or 'none'}",
            "set ipam.type to cni-bridge",
        )
    for key in ("subnet", "ranges"):
        if section.get(key):
            raise errors.InvalidConfig(
                f"ipam.{key}: not together with cluster", "the agent leases blocks"
            )
    if ipam_config.runtime(document).get("ipRanges"):
        raise errors.InvalidConfig("runtimeConfig.ipRanges: not together with cluster")
    if document["mode"] == "wire":
        raise errors.InvalidConfig("mode: a wire joins two containers of one host, not a cluster")
    for key in ONE_HOSTS:
        if document[key]:
            raise _one_hosts(key, document[key])
    if not document["icc"]:
        raise _one_hosts("icc", False)


def _one_hosts(key: str, value: object) -> "errors.UnsupportedField":
    return errors.UnsupportedField(
        f"{key}: not together with cluster, found {value}",
        "the rules of a host know its own containers, and would drop what others send",
    )
