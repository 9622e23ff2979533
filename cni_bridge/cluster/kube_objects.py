"""What the Leases of a cluster network say: records in annotations.

How they get to the API server, and in which order, is not known here.
"""

import json
from datetime import UTC, datetime

from cni_bridge.address import Prefix, first, prefix_text
from cni_bridge.cluster import notation
from cni_bridge.cluster.kube_kinds import Lease, LeaseSpec, Metadata
from cni_bridge.cluster.model import Block, Host, Named
from cni_bridge.cluster.notation import Document

NAMESPACE = "cni-bridge"
RECORD = "cni-bridge/record"
NAMES = "cni-bridge/names"


def host(item: Lease) -> Host:
    """Return the host that an object describes. Raises Malformed."""
    document = notation.decoded(record(item))
    found = notation.host(document.get("id", ""), document)
    _must_be_held_by(found.id, item)
    return found


def names(item: Lease) -> tuple[Named, ...]:
    """Return the names of the containers of a host's object. Raises Malformed."""
    text = annotations(item).get(NAMES)
    return notation.names(text) if text is not None else ()


def block(item: Lease) -> Block:
    """Return the block of an object with a holder. Raises Malformed."""
    document = notation.decoded(record(item))
    found = notation.block(subnet(item), document, int(version(item)))
    if document.get("subnet") != prefix_text(found.subnet):
        raise notation.Malformed("its subnet is not that of its name")
    _must_be_held_by(found.host, item)
    return found


def _must_be_held_by(host: str, item: Lease) -> None:
    if holder(item) not in ("", host):
        raise notation.Malformed("its holder is not the host of its record")


def subnet(item: Lease) -> Prefix:
    """Return the subnet in the name of a block's object. Raises Malformed."""
    text = name(item).rpartition("-block-")[2]
    digits, _, length = text.partition("-")
    try:
        found = Prefix(ip=bytes.fromhex(digits), length=int(length))
    except ValueError as error:
        raise notation.Malformed("its name is not a subnet") from error
    bits = 8 * len(found.ip)
    if bits not in (32, 128) or not 0 <= found.length <= bits or first(found) != found.ip:
        raise notation.Malformed("its name is not a subnet")
    if text != block_name(found):
        raise notation.Malformed("its name is not that of its block")
    return found


def block_name(subnet: Prefix) -> str:
    """Return the last part of the name of a block's object; no other spelling is a block."""
    return f"{subnet.ip.hex()}-{subnet.length}"


def record(item: Lease) -> str:
    """Return the record as text; empty if the object has none."""
    return annotations(item).get(RECORD, "")


def annotations(item: Lease) -> dict[str, str]:
    """Return the object's annotations, which may be changed."""
    if item.metadata.annotations is None:
        item.metadata.annotations = {}
    return item.metadata.annotations


def name(item: Lease) -> str:
    """Return the object's name."""
    return item.metadata.name


def has(item: Lease, labels: dict[str, str]) -> bool:
    """Return whether the object has these labels, by which objects are listed."""
    return labels.items() <= (item.metadata.labels or {}).items()


def version(item: Lease) -> str:
    """Return the object's version."""
    return str(item.metadata.resourceVersion)


def holder(item: Lease) -> str:
    """Return the holder's id; empty if there is none."""
    return item.spec.holderIdentity or ""


def made(name: str, labels: dict[str, str], holder: str, record: Document, ttl: int) -> Lease:
    """Return a new one, not written yet; a `ttl` of 0 has no end."""
    return Lease(
        metadata=Metadata(
            name=name,
            namespace=NAMESPACE,
            labels=dict(labels),
            annotations={RECORD: json.dumps({"id": holder, **record} if record else {})},
        ),
        spec=LeaseSpec(holderIdentity=holder, leaseDurationSeconds=ttl or None, renewTime=now()),
    )


def now() -> str:
    """Return the time for the object's `renewTime`, which is informational; an API server wants microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
