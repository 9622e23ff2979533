"""pyroute2 as the oracle of messages: what it makes of the same wishes, in bytes.

Nothing of cni_bridge is imported here.
"""

from struct import pack
from typing import Any

from pyroute2.netlink.nfnetlink.nfctsocket import nfct_msg
from pyroute2.netlink.nfnetlink.nftsocket import (
    nft_rule_msg,
    nft_set_elem_list_msg,
    nft_table_msg,
)
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

HEADER_SIZE = 16

Attribute = tuple[str, Any]


def link(*attributes: Attribute, **header: int) -> bytes:
    """Return the body of an RTM_*LINK message."""
    return _body(ifinfmsg, attributes, header)


def address(*attributes: Attribute, **header: int) -> bytes:
    """Return the body of an RTM_*ADDR message."""
    return _body(ifaddrmsg, attributes, header)


def route(*attributes: Attribute, **header: int) -> bytes:
    """Return the body of an RTM_*ROUTE message."""
    return _body(rtmsg, attributes, header)


def neighbour(*attributes: Attribute, **header: int) -> bytes:
    """Return the body of an RTM_*NEIGH message."""
    return _body(ndmsg, attributes, header)


def elements(*attributes: Attribute, **header: int) -> bytes:
    """Return the body of an NFT_MSG_*SETELEM message."""
    return _body(nft_set_elem_list_msg, attributes, header)


def table(*attributes: Attribute, **header: int) -> bytes:
    """Return the body of an NFT_MSG_*TABLE message."""
    return _body(nft_table_msg, attributes, header)


def rule(*attributes: Attribute, **header: int) -> bytes:
    """Return the body of an NFT_MSG_*RULE message."""
    return _body(nft_rule_msg, attributes, header)


def connection(*attributes: Attribute, **header: int) -> bytes:
    """Return the body of an IPCTNL_MSG_CT_* message."""
    return _body(nfct_msg, attributes, header)


def elements_in(body: bytes) -> Any:
    """Return what pyroute2 reads in the body of an NFT_MSG_*SETELEM message.

    Its own bytes are not the kernel's there: no attribute is marked as nested.
    """
    return _meaning(nft_set_elem_list_msg, body)


def rule_in(body: bytes) -> Any:
    """Return what pyroute2 reads in the body of an NFT_MSG_*RULE message, for the same reason."""
    return _meaning(nft_rule_msg, body)


def connection_in(body: bytes) -> Any:
    """Return what pyroute2 reads in the body of an IPCTNL_MSG_CT_* message, for the same reason."""
    return _meaning(nfct_msg, body)


def nested(*attributes: Attribute, **header: int) -> dict[str, Any]:
    """Return the value of a nested attribute."""
    return {"attrs": list(attributes), **header}


def _body(cls: Any, attributes: tuple[Attribute, ...], header: dict[str, int]) -> bytes:
    message = cls()
    for name, value in header.items():
        message[name] = value
    message["attrs"] = list(attributes)
    message.encode()
    return bytes(message.data[HEADER_SIZE:])


def _meaning(cls: Any, body: bytes) -> Any:
    message = cls(pack("IHHII", HEADER_SIZE + len(body), 0, 0, 0, 0) + body)
    message.decode()
    header = [message[name] for name, _ in cls.fields]
    return header, _values(message)


def _values(value: Any) -> Any:
    if isinstance(value, list):
        return [_values(item) for item in value]
    if isinstance(value, dict) and "attrs" in value:
        return [(item[0], _values(item[1])) for item in value["attrs"]]
    return value
