"""pyroute2's `IPRoute` alone: the package itself imports all that it has, which takes most commands' time."""

import sys
from importlib.machinery import PathFinder
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyroute2.iproute.linux import IPRoute as IPRoute
    from pyroute2.netlink.exceptions import NetlinkError as NetlinkError


def _load() -> tuple[type, type]:
    spec = None if "pyroute2" in sys.modules else PathFinder.find_spec("pyroute2")
    if spec and spec.submodule_search_locations:
        bare = ModuleType("pyroute2")
        bare.__path__ = list(spec.submodule_search_locations)
        bare.__spec__ = spec
        sys.modules["pyroute2"] = bare
    try:
        from pyroute2.iproute.linux import IPRoute
        from pyroute2.netlink.exceptions import NetlinkError
    finally:
        if spec:  # a later import of the package gets all of it
            del sys.modules["pyroute2"]
    return IPRoute, NetlinkError


if not TYPE_CHECKING:
    IPRoute, NetlinkError = _load()
