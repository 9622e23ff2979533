"""pyroute2 as the oracle of messages: what it makes of the same wishes, in bytes.

Nothing of cni_bridge is imported here.
"""

from typing import Any

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

HEADER_SIZE = 16

Attribute = tuple[str, Any]


def link(*attributes: Attribute, **header: int) -> bytes:
    """The body of an RTM_*LINK message."""
    return _body(ifinfmsg, attributes, header)


def address(*attributes: Attribute, **header: int) -> bytes:
    """The body of an RTM_*ADDR message."""
    return _body(ifaddrmsg, attributes, header)


def route(*attributes: Attribute, **header: int) -> bytes:
    """The body of an RTM_*ROUTE message."""
    return _body(rtmsg, attributes, header)


def neighbour(*attributes: Attribute, **header: int) -> bytes:
    """The body of an RTM_*NEIGH message."""
    return _body(ndmsg, attributes, header)


def nested(*attributes: Attribute, **header: int) -> dict[str, Any]:
    """The value of a nested attribute."""
    return {"attrs": list(attributes), **header}


def _body(cls: Any, attributes: tuple[Attribute, ...], header: dict[str, int]) -> bytes:
    message = cls()
    for name, value in header.items():
        message[name] = value
    message["attrs"] = list(attributes)
    message.encode()
    return bytes(message.data[HEADER_SIZE:])
