"""The config's `nameserver` -> Nameserver. Loaded only for networks that have one."""

from cni_bridge import address
from cni_bridge.errors import InvalidConfig
from cni_bridge.model_optional import Nameserver
from cni_bridge.naming import hosts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

UPSTREAM_LIMIT = 8


def parse(document: "dict[str, Any]") -> Nameserver:
    """Return the record of a prepared document. Raises InvalidConfig."""
    given = document["nameserver"]
    section: dict[str, Any] = given if isinstance(given, dict) else {}
    _check_network(document)
    domain = section.get("domain", "cni.internal").lower().strip(".")
    if not hosts.is_servable(domain):
        raise InvalidConfig(
            f"nameserver.domain: expected a domain like cni.internal, found {domain!r:.100}"
        )
    upstream = section.get("upstream")
    if document["internal"] or upstream is not None:
        return Nameserver(domain=domain, upstream=_upstream(document, upstream or ()))
    return Nameserver(domain=domain)


def _check_network(document: "dict[str, Any]") -> None:
    if document["mode"] == "wire":
        raise InvalidConfig(
            "nameserver: not possible here: a wire has no gateway",
            "remove `nameserver` from this network",
        )
    if document.get("cluster", {}).get("ranges") == "node":
        raise InvalidConfig(
            "nameserver: not possible with cluster.ranges `node`: nothing is written to Kubernetes there",
            "remove `nameserver`: pods are found by the names of Services",
        )
    is_gateway = document["isGateway"] or document["isDefaultGateway"] or "cluster" in document
    if not is_gateway or not document.get("ipam", {}).get("type"):
        raise InvalidConfig(
            "nameserver: expected a network whose bridge is the gateway, found none",
            "the server listens on the gateway's addresses: set `isGateway`, and `ipam`",
        )
    if document.get("dns", {}).get("nameservers"):
        raise InvalidConfig(
            "dns.nameservers: not possible with `nameserver`, which is the containers' only one",
            "list those servers in `nameserver.upstream`",
        )


def _upstream(document: "dict[str, Any]", listed: "list[str] | tuple[()]") -> tuple[str, ...]:
    if listed and document["internal"]:
        raise InvalidConfig(
            "nameserver.upstream: not possible in an internal network",
            "its nameserver answers for containers only; remove `upstream`",
        )
    if len(listed) > UPSTREAM_LIMIT:
        raise InvalidConfig(
            f"nameserver.upstream: expected at most {UPSTREAM_LIMIT} servers, got {len(listed)}"
        )
    return tuple(_server(text, index) for index, text in enumerate(listed))


def _server(text: str, index: int) -> str:
    path = f"nameserver.upstream[{index}]"
    try:
        ip = address.parse(text)
    except ValueError as error:
        raise InvalidConfig(f"{path}: {error}") from None
    if kind := address.special(ip) or ("" if any(ip) else "no address of a server"):
        raise InvalidConfig(f"{path}: expected the address of a server, found {text}, {kind}")
    return address.text(ip)
