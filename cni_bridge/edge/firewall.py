"""The firewall keys of the config -> FirewallConfig.

Loaded only for networks that use one; the schema has checked types and bounds.
"""

from cni_bridge import address, errors
from cni_bridge.edge import ipam_config
from cni_bridge.firewall.model import PROTOCOLS, FirewallConfig, PublishedPort
from cni_bridge.lean.record import tuple_records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Json = dict[str, Any]

EVERY_ADDRESS = (bytes(4), bytes(16))  # of one family; of both it is empty
LOOPBACK6 = bytes(15) + b"\1"
MAPPINGS = "runtimeConfig.portMappings"
PORT_LIMIT = 1 << 16


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
        ports=parse_ports(ipam_config.runtime(document).get("portMappings", ())),
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


def parse_ports(mappings: "list[Json]") -> tuple[PublishedPort, ...]:
    """Return each published port once: all addresses of one family are part of all addresses.

    Consecutive ports are one record.
    """
    if not mappings:
        return ()
    from cni_bridge.firewall import port_runs  # most containers publish no ports

    ports = tuple_records(PublishedPort, _rows(mappings))
    chosen = tuple(dict.fromkeys(each for each in ports if not each.host_port))
    fixed = port_runs.merged((each for each in ports if each.host_port), _two_targets)
    if {port.host_ip for port in fixed}.isdisjoint(EVERY_ADDRESS):
        return (*fixed, *chosen)
    everywhere: dict[int, list[PublishedPort]] = {}
    for port in fixed:
        if not port.host_ip:
            everywhere.setdefault(port.protocol, []).append(port)
    parts: list[PublishedPort] = []
    for port in fixed:
        rivals = everywhere.get(port.protocol) if port.host_ip in EVERY_ADDRESS else None
        others = port_runs.overlapping(rivals, port) if rivals else ()
        if not others:
            parts.append(port)
            continue
        for other in others:
            if port_runs.shift(other) != port_runs.shift(port):
                raise _two_targets(other, port)
        parts += port_runs.without(port, others)
    return (*parts, *chosen)


def _rows(mappings: "list[Json]") -> "list[tuple[object, ...]]":
    """Return the values of published ports: mappings that follow one another, in the list and by
    number, are one."""
    rows: list[tuple[object, ...]] = []
    first: Json = {}
    place = count = following = (
        0  # of these: index of the first, ports so far, next; 0: none can follow
    )
    known = {"": b""}  # there can be thousands of mappings, for a few addresses
    for index, item in enumerate(mappings):
        host_port = item["hostPort"]
        if (
            host_port == following
            and following
            and item["containerPort"] == first["containerPort"] + count
            and item["protocol"] == first["protocol"]
            and item["hostIP"] == first["hostIP"]
        ):
            count += item["range"]
            following += item["range"]
            continue
        if first:
            rows += _port(first, place, count, known)
        first, place, count = item, index, item["range"]
        following = host_port and host_port + count
    return [*rows, *_port(first, place, count, known)]


def _port(
    mapping: "Json", index: int, count: int, known: "dict[str, bytes]"
) -> "Iterable[tuple[object, ...]]":
    """Return the values of a published port, or of several. Raises InvalidConfig, UnsupportedField."""
    protocol = PROTOCOLS.get(mapping["protocol"].lower() or "tcp")
    if protocol is None:
        raise errors.InvalidConfig(
            f"{MAPPINGS}[{index}].protocol: expected tcp, udp or sctp, found {mapping['protocol']!r}"
        )
    host_port, container_port, text = (
        mapping["hostPort"],
        mapping["containerPort"],
        mapping["hostIP"],
    )
    if host_port + count > PORT_LIMIT or container_port + count > PORT_LIMIT:
        raise errors.InvalidConfig(
            f"{MAPPINGS}[{index}]: expected ports up to {PORT_LIMIT - 1}, found {count} from "
            f"{max(host_port, container_port)} on"
        )
    host_ip = known.get(text)
    if host_ip is None:
        host_ip = known[text] = _host_ip(text, f"{MAPPINGS}[{index}].hostIP")
    if host_port or count == 1:
        return ((protocol, host_port, container_port, host_ip, count, 0),)
    # Each gets a free one.
    return [(protocol, 0, container_port + number, host_ip, 1, 0) for number in range(count)]


def _two_targets(one: PublishedPort, other: PublishedPort) -> errors.InvalidConfig:
    """Return the error of a host port that both map."""
    number = max(one.host_port, other.host_port)
    found = sorted(number + each.container_port - each.host_port for each in (one, other))
    return errors.InvalidConfig(
        f"{MAPPINGS}: host port {number} is mapped to two container ports, {{}} and {{}}".format(
            *found
        )
    )


def _host_ip(text: str, path: str) -> bytes:
    try:
        ip = address.parse(text.removeprefix("[").removesuffix("]"))
    except ValueError as error:
        raise errors.InvalidConfig(f"{path}: {error}") from None
    if ip == LOOPBACK6:
        raise errors.UnsupportedField(
            f"{path}: a port cannot be published on {text}",
            "the kernel does not route packets from ::1; use 127.0.0.1, or an address of the host",
        )
    if kind := address.special(ip):
        raise errors.InvalidConfig(
            f"{path}: expected an address of this host, found {text}, {kind}",
            "leave hostIP out to publish the port on every address",
        )
    return ip
