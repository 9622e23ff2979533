"""The document on stdin -> NetworkConfig.

Types, bounds and defaults come from the compiled schema; addresses, ranges and exclusions, which a
schema can't express, are checked here. No default is written here.
"""

from cni_bridge import address, errors
from cni_bridge.edge import (
    arguments,
    codec,
    ipam_config,
    request,
    result_versions,
    validators,
    versions,
)
from cni_bridge.lean.record import replace
from cni_bridge.ledger import state_directory
from cni_bridge.model import Attachment, Dns, Ipam, NetworkConfig

Json = result_versions.Json
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeGuard

    from cni_bridge.address import Prefix
    from cni_bridge.edge.arguments import Arguments
    from cni_bridge.edge.request import Request
    from cni_bridge.firewall.model import FirewallConfig
    from cni_bridge.model_optional import Bandwidth, Names, Nameserver, Tuning, VlanFilter

STATE_DIR = state_directory.HOST
HOST_LOCAL = "host-local"
MINIMUM_MTU = 68  # ETH_MIN_MTU, linux/if_ether.h
HOST_LOCAL_DIR = "/var/lib/cni/networks"
# Any of these makes the firewall necessary, or is refused by it.
FIREWALL_KEYS = (
    *("ipMasq", "internal", "closed", "hostAccess", "macspoofchk", "ipspoofchk"),
    *("conditionsV4", "conditionsV6"),
)
TUNING = ("sysctl", "promisc", "allmulti", "txQLen")
BANDWIDTH = ("ingressRate", "ingressBurst", "egressRate", "egressBurst")
RESOLVER_LISTS = frozenset(("nameservers", "search", "options"))


def prepare(document: Json, command: str) -> "dict[str, Any]":
    """Validate the document and fill in the schema's defaults, in place. Raises errors 1 and 7.

    Name and version are checked first, as in the reference.
    """
    check_identity(document, command)
    _validate(document)
    return document


def check_identity(document: Json, command: str) -> None:
    """Check all that removal needs of a config: its name, and a version that has the command."""
    network(document)
    versions.check(command, version(document))


def version(document: Json) -> str:
    """Return the config's cniVersion; absent or empty means 0.1.0 (SPEC 0.2)."""
    return str(document.get("cniVersion") or versions.SUPPORTED[0])


def network(document: Json) -> str:
    """Return the network's name. Raises InvalidConfig."""
    name = document.get("name")
    if not name:
        raise errors.InvalidConfig("missing network name")
    if not isinstance(name, str) or not request.is_name(name):
        raise errors.InvalidConfig(
            "invalid characters found in network name",
            f"expected letters, digits, `_`, `.` and `-`, found {name!r}",
        )
    return name


def attachment(document: Json, asked: "Request") -> Attachment:
    """Return the attachment that the request names."""
    return Attachment(network=network(document), container=asked.container, ifname=asked.ifname)


def valid_attachments(document: Json) -> set[tuple[str, str]] | None:
    """Return GC's list of (container id, ifname) that are not stale; None if there is no list.

    libcni sends it under the specification's key and under its own older one; an attachment is valid
    if either lists it. Raises InvalidConfig for anything but a list of objects with both strings: an
    entry that is misread would cost a living container its address.
    """
    keys = ("cni.dev/valid-attachments", "cni.dev/attachments")
    given = [(key, document[key]) for key in keys if document.get(key) is not None]
    if not given:
        return None
    return {_valid_attachment(key, item) for key, listed in given for item in _list(key, listed)}


def state_dir(document: Json) -> str:
    """Return the directory of the network's ledger: below `ipam.dataDir` if that is an absolute path.

    Never fails, because DEL must find the ledger whatever is wrong with the config.
    """
    data_dir = _data_dir(document)
    return f"{data_dir}/cni-bridge" if data_dir else STATE_DIR


def reservations_dir(document: Json) -> str:
    """Return the directory of the reference host-local's reservations for the network."""
    return f"{_data_dir(document) or HOST_LOCAL_DIR}/{network(document)}"


def ipam_type(document: Json) -> str:
    """Return the type of the IPAM plugin; "" for a layer 2 network without addresses."""
    section = document.get("ipam")
    kind = section.get("type") if isinstance(section, dict) else ""
    return kind if isinstance(kind, str) else ""


def is_sticky(document: Json) -> bool:
    """Return whether the config, valid or not, has the ledger remember the addresses of names."""
    section = document.get("ipam")
    return bool(section.get("sticky")) if isinstance(section, dict) else False


def previous_result(document: "dict[str, Any]") -> Json | None:
    """Return the prevResult in the newest shape; None if there is none, or an empty one.

    Raises InvalidConfig for a text in it that is no address.
    """
    previous = document.get("prevResult")
    if not previous:
        return None
    shaped = result_versions.upgrade(previous, version(document))
    ipam_config.check_texts(shaped, "prevResult.")
    return shaped


def answer(result: Json, version: str) -> Json:
    """Return an IPAM plugin's answer in the newest shape, validated as a prevResult is.

    It is read by the cniVersion it names, or else by `version`, the config's. Raises InvalidConfig.
    """
    spoken = result.get("cniVersion") or version
    if spoken not in versions.SUPPORTED:
        raise errors.InvalidConfig(
            f"cniVersion: expected one of {' '.join(versions.SUPPORTED)}, found {spoken!r}",
            "use a version of the IPAM plugin that knows the config's cniVersion",
        )
    folded = codec.fold({"name": "answer", "prevResult": result}, validators.FOLD)
    _validate(folded)
    return result_versions.upgrade(folded["prevResult"], str(spoken))


def parse(document: "dict[str, Any]", cni_args: str, *, is_delegated: bool) -> NetworkConfig:
    """Build the record from a prepared document. Raises InvalidConfig, InvalidEnvironment.

    `is_delegated`: another plugin assigns the addresses, and reads `ipam` itself.
    """
    wanted = arguments.parse(cni_args)
    _check_exclusions(document)
    is_wire = _is_wire(document, is_delegated=is_delegated)
    is_default_gateway, kind = document["isDefaultGateway"], ipam_type(document)
    cluster = _cluster(document, is_delegated=is_delegated)
    return NetworkConfig(
        cni_version=version(document),
        name=document["name"],
        state_dir=state_dir(document),
        reservations_dir=reservations_dir(document),
        bridge=_interface_name(document["bridge"]),
        is_gateway=document["isGateway"] or is_default_gateway or cluster is not None,
        is_default_gateway=is_default_gateway,
        force_address=document["forceAddress"],
        mtu=document["mtu"],
        hairpin_mode=document["hairpinMode"],
        promisc_mode=document["promiscMode"],
        port_isolation=document["portIsolation"],
        duplicate_address_detection=document["enabledad"],
        keeps_link_local=document["ipv6LinkLocal"],
        container_interface_up=not document["disableContainerInterface"],
        vlan=_vlan(document),
        mac=_mac(document, wanted),
        ipam=Ipam(type=kind) if is_delegated else _ipam(document, wanted, cluster),
        dns=_dns(document.get("dns", {})),
        firewall=_firewall(document),
        attachment_mtu=_attachment_mtu(document),
        tuning=_tuning(document),
        bandwidth=_bandwidth(document),
        cluster=cluster,
        is_wire=is_wire,
        names=_names(document, wanted),
        nameserver=_nameserver(document),
    )


def with_host_local(document: "dict[str, Any]", settings: NetworkConfig) -> NetworkConfig:
    """Return the settings with the ranges that a delegated host-local reads from the same config.

    Of other plugins it is not known what they will grant.
    """
    if settings.ipam.type != HOST_LOCAL:
        return settings
    return replace(settings, ipam=ipam_config.parse(document, ""))


def _validate(document: Json) -> None:
    try:
        validators.validate(document)
    except validators.Refused:
        from cni_bridge.edge import explain  # only a refused config pays for jsonschema

        raise explain.explain(document) from None


def _check_exclusions(document: "dict[str, Any]") -> None:
    check_mtu(document["mtu"], _attachment_mtu(document), [])
    if document["hairpinMode"] and document["promiscMode"]:
        raise errors.InvalidConfig("cannot set hairpin mode and promiscuous mode at the same time")
    if document["disableContainerInterface"] and ipam_type(document):
        raise errors.InvalidConfig("cannot use IPAM when DisableContainerInterface flag is set")
    data_dir = document.get("ipam", {}).get("dataDir")
    if data_dir and not _is_directory(data_dir):
        raise errors.InvalidConfig("ipam.dataDir must be an absolute path", f"found {data_dir!r}")


def _is_wire(document: "dict[str, Any]", *, is_delegated: bool) -> bool:
    if document["mode"] != "wire":
        return False
    from cni_bridge.wire import config as wire_config  # few networks are wires

    wire_config.check(document, is_delegated=is_delegated)
    return True


def _cluster(document: "dict[str, Any]", *, is_delegated: bool) -> "tuple[Prefix, ...] | None":
    if "cluster" not in document:
        return None
    from cni_bridge.edge import cluster as edge_cluster  # few networks span hosts

    return edge_cluster.parse(document, is_delegated=is_delegated)


def _list(key: str, listed: object) -> "list[object]":
    if isinstance(listed, list):
        return listed
    raise errors.InvalidConfig(
        f"{key}: expected a list, got {_short(listed)}", "nothing was removed"
    )


def _valid_attachment(key: str, item: object) -> tuple[str, str]:
    """Return an entry's container id and ifname; other names are no attachment's. Raises InvalidConfig."""
    match item:
        case {"containerID": str(container), "ifname": str(ifname)} if ifname:
            if request.is_name(container) and not request.ifname_fault(ifname):
                return container, ifname
    raise errors.InvalidConfig(
        f"{key}: expected objects with valid containerID and ifname, got {_short(item)}",
        "nothing was removed",
    )


def _short(value: object) -> str:
    return codec.encode(value, indent=0)[:100]


def _data_dir(document: Json) -> str:
    section = document.get("ipam")
    data_dir = section.get("dataDir") if isinstance(section, dict) else None
    return data_dir.rstrip("/") if _is_directory(data_dir) else ""


def _is_directory(path: object) -> "TypeGuard[str]":
    return isinstance(path, str) and path.startswith("/") and "\0" not in path


def _ipam(
    document: "dict[str, Any]", wanted: "Arguments", cluster: "tuple[Prefix, ...] | None"
) -> Ipam:
    leasing = ipam_config.parse(document, wanted.ip) if ipam_type(document) else Ipam()
    subnets = cluster if cluster is not None else [each[0].subnet for each in leasing.range_sets]
    families = [len(each.ip) for each in subnets]
    result_versions.check_addresses(version(document), families)
    if document["mtu"]:
        asked = [len(each) for each in leasing.requested]
        check_mtu(document["mtu"], _attachment_mtu(document), [*families, *asked])
    return leasing


def check_mtu(mtu: int, attachment_mtu: int, families: "list[int]") -> None:
    """Refuse an MTU that is too small for the kernel, or for an IPv6 address, before anything is made.

    `families` has the length of each address; an MTU of 0 is the kernel's default.
    """
    found = min(mtu, attachment_mtu or mtu)
    version, least = (6, address.IPV6_MINIMUM_MTU) if 16 in families else (4, MINIMUM_MTU)
    if 0 < found < least:
        key = "mtu" if found == mtu else "args.cni.mtu"
        raise errors.InvalidConfig(
            f"{key}: expected {least} or more, which IPv{version} needs, found {found}",
            "the kernel refuses less; 0 means its default",
        )


def _dns(section: "dict[str, Any]") -> Dns | None:
    """Return the settings that replace all of IPAM's; an empty list does so too, as in Go."""
    is_given = section.get("domain") or not RESOLVER_LISTS.isdisjoint(section)
    return ipam_config.dns(section) if is_given else None


def _interface_name(name: str) -> str:
    fault = request.ifname_fault(name)
    if fault:
        raise errors.InvalidConfig(f"bridge: {fault}", f"found {name!r}")
    return name


def _vlan(document: "dict[str, Any]") -> "VlanFilter | None":
    if not document["vlan"] and not document.get("vlanTrunk"):
        return None
    from cni_bridge.edge import vlan  # few networks have VLANs

    return vlan.parse(document)


def _firewall(document: "dict[str, Any]") -> "FirewallConfig | None":
    is_open = document["icc"] and document["isolation"] in ("", "off")
    ports = ipam_config.runtime(document).get("portMappings")
    if is_open and not ports and not any(document.get(key) for key in FIREWALL_KEYS):
        return None
    from cni_bridge.edge import firewall  # few networks use the firewall

    return firewall.parse(document)


def _attachment_mtu(document: "dict[str, Any]") -> int:
    """Return the MTU in `args.cni`, which may change the config's for one attachment."""
    asked: int = ipam_config.cni_args(document).get("mtu", 0) if document["mtu"] else 0
    return asked


def _tuning(document: "dict[str, Any]") -> "Tuning | None":
    if document.keys().isdisjoint(TUNING):
        return None
    from cni_bridge.edge import tuning  # few networks are tuned

    return tuning.tuning(document)


def _bandwidth(document: "dict[str, Any]") -> "Bandwidth | None":
    """Return the config's limits or, if it has none of the keys, the runtime's, as the reference."""
    path, source = "", document
    if document.keys().isdisjoint(BANDWIDTH):
        path, source = (
            "runtimeConfig.bandwidth.",
            ipam_config.runtime(document).get("bandwidth", {}),
        )
    if not source:
        return None
    from cni_bridge.edge import tuning  # few networks are limited

    return tuning.bandwidth(source, path)


def _names(document: "dict[str, Any]", wanted: "Arguments") -> "Names | None":
    aliases = ipam_config.runtime(document).get("aliases")
    if not wanted.pod and not aliases and not ipam_config.cni_args(document).get("aliases"):
        return None
    from cni_bridge.edge import container_names  # tests and `ctr` give none

    return container_names.parse(document, wanted)


def _nameserver(document: "dict[str, Any]") -> "Nameserver | None":
    if document["nameserver"] is False:
        return None
    from cni_bridge.edge import nameserver  # few networks have one

    return nameserver.parse(document)


def _mac(document: "dict[str, Any]", wanted: "Arguments") -> bytes | None:
    """Return the container end's MAC, from the first source that names one."""
    sources = (
        ("runtimeConfig.mac", ipam_config.runtime(document).get("mac")),
        ("args.cni.mac", ipam_config.cni_args(document).get("mac")),
        ("CNI_ARGS MAC", wanted.mac),
        ("mac", document["mac"]),
    )
    return next((_parse_mac(text, path) for path, text in sources if text), None)


def _parse_mac(text: str, path: str) -> bytes:
    try:
        return address.parse_mac(text)
    except ValueError as error:
        raise errors.InvalidConfig(
            f"{path}: address {text}: invalid MAC address", str(error)
        ) from None
