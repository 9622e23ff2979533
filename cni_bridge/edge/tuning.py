"""The config keys of the reference `tuning` and `bandwidth` plugins.

Loaded only for networks that use them; the schema has checked types and bounds.
"""

from cni_bridge.edge import ipam_config
from cni_bridge.errors import InvalidConfig
from cni_bridge.model_optional import Bandwidth, Limit, Sysctl, Tuning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]

BURST_LIMIT = 0xFFFFFFFF  # bytes; the reference's


def tuning(document: "Json") -> Tuning:
    """Return the tuning settings; `args.cni` changes keys that the config has, and adds none."""
    asked = ipam_config.cni_args(document)
    wanted = {key: asked.get(key, value) for key, value in document.items()}
    sysctls = {}
    if "sysctl" in document:
        sysctls = _by_path(document["sysctl"]) | _by_path(asked.get("sysctl", {}))
    return Tuning(
        sysctls=tuple(sysctls.values()),
        promisc=wanted.get("promisc") or None,  # false leaves it alone, as the reference does
        allmulti=wanted.get("allmulti"),
        tx_queue_length=wanted.get("txQLen"),
    )


def bandwidth(source: "Json", path: str) -> Bandwidth | None:
    """Return the limits in `source`, which is at `path`; None if all are 0.

    Raises InvalidConfig in the reference's words.
    """
    ingress, egress = (_limit(source, path, direction) for direction in ("ingress", "egress"))
    return Bandwidth(ingress=ingress, egress=egress) if ingress or egress else None


def _by_path(section: "Json") -> dict[str, Sysctl]:
    found: dict[str, Sysctl] = {}
    for key, value in section.items():
        if value is None:
            continue
        path = _path(key)
        if path in found:
            raise InvalidConfig(
                "duplicated sysctl keys are not allowed",
                f"{found[path].key} and {key} are the same parameter",
            )
        found[path] = Sysctl(key=key, path=path, value=value)
    return found


def _path(key: str) -> str:
    """Return the parameter's path below /proc/sys, free of dots, so it can't lead elsewhere."""
    names = [name for name in key.replace(".", "/").split("/") if name]
    if names[:1] != ["net"] or len(names) == 1 or "\0" in key:
        raise InvalidConfig(
            f"invalid net sysctl key: {key!r}", "sysctl: only keys below net can be set"
        )
    return "/".join(names)


def _limit(source: "Json", path: str, direction: str) -> Limit | None:
    rate, burst = source.get(f"{direction}Rate", 0), source.get(f"{direction}Burst", 0)
    found = f"{path}{direction}Rate is {rate}, {path}{direction}Burst is {burst}"
    if rate and not burst:
        raise InvalidConfig("if rate is set, burst must also be set", found)
    if burst and not rate:
        raise InvalidConfig("if burst is set, rate must also be set", found)
    if burst // 8 >= BURST_LIMIT:
        raise InvalidConfig("burst cannot be more than 4GB", found)
    if 0 < rate < 8:
        raise InvalidConfig("rate cannot be less than a byte a second", found)
    return Limit(bytes_per_second=rate // 8, burst_bytes=burst // 8) if rate else None
