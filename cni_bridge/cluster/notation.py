"""Records of a cluster network as JSON, in a store and in the snapshot."""

from typing import Any

from cni_bridge import address
from cni_bridge.address import prefix_text
from cni_bridge.cluster.model import Block, Host, Pool

Document = dict[str, Any]


def host_document(host: Host) -> Document:
    """Return what other hosts must know of a host; its id is part of the key."""
    return {
        "name": host.name,
        "boot_id": host.boot_id,
        "addresses": [address.text(ip) for ip in host.addresses],
        "mtu": host.mtu,
    }


def host(host_id: str, document: Document) -> Host:
    """Return the record again; raises KeyError, ValueError or TypeError if it is none."""
    return Host(
        id=host_id,
        name=str(document["name"]),
        boot_id=str(document["boot_id"]),
        addresses=tuple(address.parse(text) for text in document["addresses"]),
        mtu=int(document["mtu"]),
    )


def block_document(owner: Host) -> Document:
    """Return what other hosts must know of a block of this host."""
    return {"host": owner.id, "boot_id": owner.boot_id}


def block(subnet: address.Prefix, document: Document, revision: int) -> Block:
    """Return the record again; raises KeyError or TypeError if it is none."""
    return Block(
        subnet=subnet,
        host=str(document["host"]),
        boot_id=str(document["boot_id"]),
        revision=revision,
    )


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
