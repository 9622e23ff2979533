"""What the Leases of a cluster network say: records in annotations.

How they get to the API server, and in which order, is not known here.
"""

import json
from datetime import UTC, datetime

from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease

from cni_bridge.address import parse_prefix
from cni_bridge.cluster import notation
from cni_bridge.cluster.model import Block, Host
from cni_bridge.cluster.notation import Document

NAMESPACE = "cni-bridge"
RECORD = "cni-bridge/record"


def host(item: Lease) -> Host:
    """Return the object's name."""
    document = json.loads(annotations(item)[RECORD])
    return notation.host(document["id"], document)


def block(item: Lease) -> Block:
    """Whose it is, of those that have a holder."""
    document = json.loads(annotations(item)[RECORD])
    return notation.block(parse_prefix(document["subnet"]), document, int(version(item)))


def annotations(item: Lease) -> dict[str, str]:
    """All of them."""
    assert item.metadata
    assert item.metadata.annotations is not None
    return item.metadata.annotations


def name(item: Lease) -> str:
    """Its own."""
    assert item.metadata
    return str(item.metadata.name)


def version(item: Lease) -> str:
    """Return that of what was read."""
    assert item.metadata
    return str(item.metadata.resourceVersion)


def holder(item: Lease) -> str:
    """Return the holder's id; empty if there is none."""
    return (item.spec.holderIdentity if item.spec else "") or ""


def made(name: str, labels: dict[str, str], holder: str, record: Document, ttl: int) -> Lease:
    """Return a new one, not written yet; a `ttl` of 0 has no end."""
    return Lease(
        metadata=ObjectMeta(
            name=name,
            namespace=NAMESPACE,
            labels=dict(labels),
            annotations={RECORD: json.dumps({"id": holder, **record} if record else {})},
        ),
        spec=LeaseSpec(holderIdentity=holder, leaseDurationSeconds=ttl or None, renewTime=now()),
    )


def now() -> datetime:
    """Return the time for the object's `renewTime`, which is informational."""
    return datetime.now(UTC)
