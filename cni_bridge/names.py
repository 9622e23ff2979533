"""Derive names from an attachment or a bridge alone, so that removal needs no record of them.

Pure: the same attachment always has the same names.
"""

from cni_bridge.model import Attachment

try:
    from _blake2 import blake2b
except ImportError:  # not built in everywhere
    from hashlib import blake2b

ALIAS_LIMIT = 255  # IFALIASZ less its terminator, linux/if.h


def host_name(attachment: Attachment) -> str:
    """Return the host end's name: `veth` and eleven hex digits, the full 15 bytes of an ifname.

    The prefix makes NetworkManager and networkd leave it alone. The reference uses eight digits, so
    the names never collide with its. They are UNIQUE in the ledger, which refuses a collision.
    """
    return "veth" + blake2b(_identity(attachment), digest_size=6).hexdigest()[:11]


def ifb_name(attachment: Attachment) -> str:
    """Return the name of the ifb that shapes a container's traffic: `ifb-` and its host end's digits.

    Fits an ifname, and is unique because the host end's name is.
    """
    return "ifb-" + host_name(attachment).removeprefix("veth")


def of_host(attachment: Attachment) -> tuple[str, str]:
    """Return the names of all interfaces that an attachment can have on the host."""
    return host_name(attachment), ifb_name(attachment)


def alias(attachment: Attachment) -> str:
    """Return the host end's ifalias, which names the attachment and proves that the interface is cni-bridge's."""
    identity = f"{attachment.network}/{attachment.container}/{attachment.ifname}"
    return ("cni-bridge " + identity)[:ALIAS_LIMIT]


def owner(name: str, alias: str) -> Attachment | None:
    """Return the attachment whose host end has that name and alias; None for a foreign interface."""
    identity = alias.removeprefix("cni-bridge ").split("/")
    if len(identity) != 3:
        return None
    network, container, ifname = identity
    attachment = Attachment(network=network, container=container, ifname=ifname)
    return attachment if host_name(attachment) == name else None


def container_mac(attachment: Attachment) -> bytes:
    """Return a locally administered MAC for a container end whose MAC must be known in advance."""
    return b"\x02" + blake2b(_identity(attachment), digest_size=5).digest()


def gateway(bridge: str, vlan: int) -> str:
    """Return the interface with the gateway addresses of a bridge's VLAN, as the reference names it."""
    return f"{bridge}.{vlan}"


def gateway_port(bridge: str, vlan: int) -> str:
    """Return the other end of that veth pair, which is the bridge's port."""
    return "veth" + blake2b(gateway(bridge, vlan).encode(), digest_size=6).hexdigest()[:11]


def bridge_mac(bridge: str, machine: str) -> bytes:
    """Return a locally administered MAC that a bridge also has when it is recreated on this machine.

    Containers that outlive their bridge then still have the right neighbour entry.
    """
    return b"\x02" + blake2b(f"{machine}\n{bridge}".encode(), digest_size=5).digest()


def _identity(attachment: Attachment) -> bytes:
    return "\n".join((attachment.network, attachment.container, attachment.ifname)).encode()
