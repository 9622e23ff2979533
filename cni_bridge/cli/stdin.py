"""A network config on stdin or in a file, as people have it: a single one, or a list of plugins.

What it says is understood elsewhere.
"""

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
    """The text of a file, or of stdin if it is called `-`."""
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise IOFailure(f"cannot read {name}: {error.strerror}") from error
    return raw.decode(errors="replace")


def add_request(text: str) -> Request:
    """The ADD that a runtime would send with this config and our CNI_* variables.

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
    """The plugin's config that is ours; of a list, with the list's name and version."""
    plugins = document.get("plugins")
    if not isinstance(plugins, list):
        return document
    for each in plugins:
        if isinstance(each, dict) and each.get("type") in OWN_NAMES:
            shared = {key: document[key] for key in ("name", "cniVersion") if key in document}
            return each | shared
    raise InvalidConfig("no plugin of this list is cni-bridge", "its `type` says which it is")
