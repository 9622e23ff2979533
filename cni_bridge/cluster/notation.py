"""Records of a cluster network as JSON, in a store and in the snapshot."""

import json
from typing import Any

from cni_bridge import address
from cni_bridge.address import prefix_text
from cni_bridge.cluster.model import Block, Host, Named, Pool
from cni_bridge.naming.hosts import is_servable

Document = dict[str, Any]

# Bounds of what other hosts may write; a record beyond them is malformed.
MAX_ID = 253
MAX_NAME = 253
MAX_BOOT_ID = 64
MAX_NAMES = 32 << 10  # bytes of all names of one host: some 500 containers
MAX_ALIASES = 64  # of one attachment, and as many addresses
MTU_RANGE = range(68, 65536)  # 0: not known
FAMILIES = (4, 16)  # bytes of an address


class Malformed(Exception):
    """A record of a store is not what an agent writes."""


def host_document(host: Host) -> Document:
    """Return what other hosts must know of a host; its id is part of the key."""
    return {
        "name": host.name,
        "boot_id": host.boot_id,
        "addresses": [address.text(ip) for ip in host.addresses],
        "mtu": host.mtu,
    }


def decoded(text: str) -> Document:
    """Return the JSON object of a record. Raises Malformed."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed("it is not JSON") from error
    if not isinstance(document, dict):
        raise Malformed("it is not a JSON object")
    return document


def host(host_id: str, document: Document) -> Host:
    """Return the host that a record describes. Raises Malformed."""
    mtu = document.get("mtu")
    if not isinstance(mtu, int) or isinstance(mtu, bool) or not (mtu == 0 or mtu in MTU_RANGE):
        raise Malformed("its mtu is out of bounds")
    return Host(
        id=_text("id", host_id, MAX_ID),
        name=_text("name", document.get("name"), MAX_NAME),
        boot_id=_text("boot_id", document.get("boot_id"), MAX_BOOT_ID),
        addresses=_addresses(document.get("addresses")),
        mtu=mtu,
    )


def _addresses(listed: object) -> tuple[bytes, ...]:
    if not isinstance(listed, list) or len(listed) > len(FAMILIES):
        raise Malformed("its addresses are not a list of at most one per family")
    found = _parsed(listed)
    if len({len(ip) for ip in found}) < len(found):
        raise Malformed("it has two addresses of one family")
    return found


def _parsed(listed: list[Any]) -> tuple[bytes, ...]:
    try:
        return tuple(address.parse(each) for each in listed)
    except (TypeError, ValueError, AttributeError) as error:
        raise Malformed("one of its addresses is not an IP address") from error


def _text(key: str, value: object, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest or not (value or key == "boot_id"):
        raise Malformed(f"its {key} is not a string of 1 to {longest} characters")
    if not value.isprintable():
        raise Malformed(f"its {key} has characters that cannot be printed")
    return value


def block_document(owner: Host) -> Document:
    """Return what other hosts must know of a block of this host."""
    return {"host": owner.id, "boot_id": owner.boot_id}


def block(subnet: address.Prefix, document: Document, revision: int) -> Block:
    """Return the block that a record describes. Raises Malformed."""
    return Block(
        subnet=subnet,
        host=_text("host", document.get("host"), MAX_ID),
        boot_id=_text("boot_id", document.get("boot_id"), MAX_BOOT_ID),
        revision=revision,
    )


def names_text(listed: tuple[Named, ...]) -> str:
    """Return what other hosts must know of the names of this host's containers."""
    return json.dumps({"names": [_named_document(each) for each in listed]}, separators=(",", ":"))


def fitting(listed: tuple[Named, ...]) -> tuple[Named, ...]:
    """Return the first containers, as many as a record of names may have."""
    room = MAX_NAMES - len(names_text(()))
    for number, each in enumerate(listed):
        room -= len(json.dumps(_named_document(each), separators=(",", ":"))) + 1
        if room < 0:
            return listed[:number]
    return listed


def names(text: str) -> tuple[Named, ...]:
    """Return the containers of a record of names. Raises Malformed."""
    if len(text) > MAX_NAMES:
        raise Malformed(f"it is longer than {MAX_NAMES} bytes")
    listed = decoded(text).get("names")
    if not isinstance(listed, list):
        raise Malformed("its names are not a list")
    return tuple(map(_named, listed))


def _named_document(named: Named) -> list[Any]:
    return [named.own, list(named.aliases), [address.text(ip) for ip in named.addresses]]


def _named(document: object) -> Named:
    match document:
        case [str() as own, [*aliases], [*addresses]] if (
            len(aliases) <= MAX_ALIASES and len(addresses) <= MAX_ALIASES
        ):
            pass
        case _:
            raise Malformed("one of its names is not [own, aliases, addresses]")
    for each in (own or "none", *aliases):
        if not isinstance(each, str) or each != each.lower() or not is_servable(each):
            raise Malformed("one of its names is none that DNS can carry, in lower case")
    return Named(own=own, aliases=tuple(map(str, aliases)), addresses=_parsed(addresses))


def pools_text(pools: tuple[Pool, ...]) -> str:
    """Return what must be the same on all hosts: `10.64.0.0/12 in /26, fd64::/48 in /122`."""
    return ", ".join(f"{prefix_text(pool.subnet)} in /{pool.length}" for pool in pools)


def another_machine(host: Host, known: Host) -> str:
    """Return the message for a host that has the id of another one."""
    there = ", ".join(map(address.text, known.addresses))
    return (
        f"the id {host.id} of this host is that of {known.name} ({there}): if that is another "
        "machine, give this one an id of its own with --host; if it is gone, or is this one with "
        "another address, start the agent once with --take-over"
    )
