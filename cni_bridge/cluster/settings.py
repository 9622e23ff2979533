"""The `cluster` object of a validated config, as the agent needs it; `edge.cluster` reads it for a plugin run."""

from typing import Any

from cni_bridge.address import Prefix, parse_prefix
from cni_bridge.cluster.model import Backend, Credentials, Pool, Settings
from cni_bridge.edge import nameserver

POOLS = (("network", "blockSize"), ("network6", "blockSize6"))


def parse(document: dict[str, Any], state_dir: str) -> Settings:
    """Return settings of a prepared document, which has a value for every key that has a default."""
    section = document["cluster"]
    return Settings(
        network=document["name"],
        bridge=document["bridge"],
        state_dir=state_dir,
        store=section["store"],
        endpoints=tuple(section["endpoints"]),
        prefix=section["prefix"],
        credentials=Credentials(
            ca=section["caFile"],
            certificate=section["certFile"],
            key=section["keyFile"],
            user=section["username"],
            password_file=section["passwordFile"],
        ),
        pools=_pools(section),
        backend=Backend(kind=section["backend"], vni=section["vni"], port=section["vxlanPort"]),
        ttl=section["ttl"],
        grace=section["grace"],
        low_water=section["lowWater"],
        kubeconfig=section["kubeconfig"],
        node=section["node"],
        unmasked=_unmasked(document),
        domain="" if document["nameserver"] is False else nameserver.parse(document).domain,
    )


def _unmasked(document: dict[str, Any]) -> tuple[Prefix, ...] | None:
    section = document["cluster"]
    if section["ranges"] != "node" or not document["ipMasq"]:
        return None
    return tuple(parse_prefix(section[key]) for key, _ in POOLS if section[key])


def _pools(section: dict[str, Any]) -> tuple[Pool, ...]:
    if section["ranges"] == "node":
        return ()
    return tuple(
        Pool(subnet=parse_prefix(section[key]), length=section[size])
        for key, size in POOLS
        if section[key]
    )
