"""Read a network config from stdin or a file: a single config or a list of plugins."""

import os
import sys
from pathlib import Path
from typing import Any

from cni_bridge.edge import codec, request, validators
from cni_bridge.edge.request import Request
from cni_bridge.errors import InvalidConfig, InvalidEnvironment, IOFailure
from cni_bridge.ipam.sources import OWN_TYPE

OWN_NAMES = (OWN_TYPE, "bridge")  # it works installed as the reference plugin, too
DEFAULTS = {"CNI_CONTAINERID": "example", "CNI_IFNAME": "eth0"}


def read(name: str) -> str:
    """Return the text of a file, or of stdin if the name is `-`."""
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise IOFailure(f"cannot read {name}: {error.strerror}") from error
    return raw.decode(errors="replace")


def add_request(text: str) -> Request:
    """Return the ADD that a runtime would send with this config and these CNI_* variables.

    Raises errors 4, 6, 7.
    """
    document = codec.fold(own_plugin(codec.decode(text.encode())), validators.FOLD)
    variables = {**DEFAULTS, **os.environ}
    container, ifname = variables["CNI_CONTAINERID"], variables["CNI_IFNAME"]
    if not request.is_name(container):
        raise InvalidEnvironment(f"invalid characters in containerID: {container!r}")
    if fault := request.ifname_fault(ifname):
        raise InvalidEnvironment(f"{fault}: CNI_IFNAME={ifname!r}")
    return Request(
        command="ADD",
        container=container,
        ifname=ifname,
        netns_path=variables.get("CNI_NETNS", ""),
        may_be_own_netns=False,
        args=variables.get("CNI_ARGS", ""),
        plugin_dirs=tuple(filter(None, variables.get("CNI_PATH", "").split(":"))),
        raw=text.encode(),
        document=document,
    )


def own_plugin(document: dict[str, Any]) -> dict[str, Any]:
    """Return cni-bridge's plugin config; from a list, with the list's name and version."""
    plugins = document.get("plugins")
    if not isinstance(plugins, list):
        return document
    for each in plugins:
        if isinstance(each, dict) and each.get("type") in OWN_NAMES:
            shared = {key: document[key] for key in ("name", "cniVersion") if key in document}
            return each | shared
    raise InvalidConfig(
        "no plugin in this list is cni-bridge", 'one of them needs `"type": "cni-bridge"`'
    )
