"""The firewall keys of the config -> FirewallConfig.

Loaded only for networks that use one; the schema has checked types and bounds.
"""

from cni_bridge import address, errors
from cni_bridge.edge import ipam_config
from cni_bridge.firewall.model import PROTOCOLS, FirewallConfig, PublishedPort
from cni_bridge.lean.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

EVERY_ADDRESS = (bytes(4), bytes(16))  # of one family; of both it is empty
LOOPBACK6 = bytes(15) + b"\1"
MAPPINGS = "runtimeConfig.portMappings"


def parse(document: "Json") -> FirewallConfig | None:
    """Return the firewall settings; None if all are off. Raises InvalidConfig, UnsupportedField."""
    for key in ("conditionsV4", "conditionsV6"):
        if document.get(key):
            raise errors.UnsupportedField(
                f"{key}: conditions on published ports are not supported, "
                f"found {' '.join(document[key])}",
                "chain the reference portmap for them: cni-bridge has the same rules for all containers",
            )
    wanted = FirewallConfig(
        masquerades=document["ipMasq"],
        ports=_ports(ipam_config.runtime(document).get("portMappings", ())),
        translates_source=document["snat"],
        translates_every_source=document["masqAll"],
        isolation=document["isolation"] or "off",
        is_internal=document["internal"],
        is_closed=document["closed"],
        host_access=document["hostAccess"] or ("gateway" if document["internal"] else "all"),
        allows_icc=document["icc"],
        serves_names=document["nameserver"] is not False and document["hostAccess"] == "none",
        checks_mac=document["macspoofchk"],
        checks_ip=document["ipspoofchk"],
    )
    without_ports = {"translates_source": True, "translates_every_source": False}
    is_idle = (
        not wanted.ports and FirewallConfig(**{**vars(wanted), **without_ports}) == FirewallConfig()
    )
    return None if is_idle else wanted


def _ports(mappings: "list[Json]") -> tuple[PublishedPort, ...]:
    """Return each published port once: all addresses of one family are part of all addresses."""
    ports = [_port(item, f"{MAPPINGS}[{index}]") for index, item in enumerate(mappings)]
    distinct = dict.fromkeys(ports)
    leads_to: dict[tuple[int, int, bytes], int] = {}
    for port in distinct:
        for ip in (port.host_ip,) if port.host_ip else EVERY_ADDRESS:
            key = (port.protocol, port.host_port, ip)
            other = leads_to.setdefault(key, port.container_port)
            if port.host_port and other != port.container_port:
                raise errors.InvalidConfig(
                    f"{MAPPINGS}: host port {port.host_port} is mapped to two container ports, "
                    f"{other} and {port.container_port}"
                )
    return tuple(
        port
        for port in distinct
        if port.host_ip not in EVERY_ADDRESS or replace(port, host_ip=b"") not in distinct
    )


def _port(mapping: "Json", path: str) -> PublishedPort:
    protocol = mapping["protocol"].lower() or "tcp"
    if protocol not in PROTOCOLS:
        raise errors.InvalidConfig(
            f"{path}.protocol: expected tcp, udp or sctp, found {mapping['protocol']!r}"
        )
    return PublishedPort(
        protocol=PROTOCOLS[protocol],
        host_port=mapping["hostPort"],
        container_port=mapping["containerPort"],
        host_ip=_host_ip(mapping["hostIP"], f"{path}.hostIP"),
    )


def _host_ip(text: str, path: str) -> bytes:
    if not text:
        return b""
    try:
        ip = address.parse(text.removeprefix("[").removesuffix("]"))
    except ValueError as error:
        raise errors.InvalidConfig(f"{path}: {error}") from None
    if ip == LOOPBACK6:
        raise errors.UnsupportedField(
            f"{path}: a port cannot be published on {text}",
            "the kernel does not route packets from ::1; use 127.0.0.1, or an address of the host",
        )
    return ip
