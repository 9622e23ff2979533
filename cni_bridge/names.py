"""Names that follow from an attachment or a bridge alone, so that removal needs no record of them.

Nothing random here, nothing read: the same attachment always has the same names.
"""

from cni_bridge.model import Attachment

try:
    from _blake2 import blake2b
except ImportError:  # not built in everywhere
    from hashlib import blake2b

ALIAS_LIMIT = 255  # IFALIASZ less its terminator, linux/if.h


def host_name(attachment: Attachment) -> str:
    """The name of the host end: `veth` and eleven hex digits, the full 15 bytes of an ifname.

    The prefix makes NetworkManager and networkd leave it alone; the reference uses eight digits, so
    its names are never ours. The ledger holds these names UNIQUE, so a collision is refused.
    """
    return "veth" + blake2b(_identity(attachment), digest_size=6).hexdigest()[:11]


def ifb_name(attachment: Attachment) -> str:
    """The name of the device through which a container's traffic is shaped: its host end's digits.

    No longer than an ifname may be, and unique as the host end's name is.
    """
    return "ifb-" + host_name(attachment).removeprefix("veth")


def of_host(attachment: Attachment) -> tuple[str, str]:
    """Every interface that an attachment can have on the host."""
    return host_name(attachment), ifb_name(attachment)


def alias(attachment: Attachment) -> str:
    """The host end's ifalias: tells people, and proves to us, whose interface it is."""
    identity = f"{attachment.network}/{attachment.container}/{attachment.ifname}"
    return ("cni-bridge " + identity)[:ALIAS_LIMIT]


def owner(name: str, alias: str) -> Attachment | None:
    """Whose host end an interface of that name and alias is; None for what is not ours."""
    identity = alias.removeprefix("cni-bridge ").split("/")
    if len(identity) != 3:
        return None
    network, container, ifname = identity
    attachment = Attachment(network=network, container=container, ifname=ifname)
    return attachment if host_name(attachment) == name else None


def container_mac(attachment: Attachment) -> bytes:
    """A locally administered MAC for a container end whose MAC is to be known beforehand."""
    return b"\x02" + blake2b(_identity(attachment), digest_size=5).digest()


def gateway(bridge: str, vlan: int) -> str:
    """The interface that has the gateway addresses of one VLAN of a bridge, as in the reference."""
    return f"{bridge}.{vlan}"


def gateway_port(bridge: str, vlan: int) -> str:
    """The other end of that veth pair, which is the bridge's port."""
    return "veth" + blake2b(gateway(bridge, vlan).encode(), digest_size=6).hexdigest()[:11]


def bridge_mac(bridge: str, machine: str) -> bytes:
    """A locally administered MAC that a bridge keeps when it is made anew on the same machine.

    Containers that outlive their bridge then still have the right neighbour entry.
    """
    return b"\x02" + blake2b(f"{machine}\n{bridge}".encode(), digest_size=5).digest()


def _identity(attachment: Attachment) -> bytes:
    return "\n".join((attachment.network, attachment.container, attachment.ifname)).encode()
