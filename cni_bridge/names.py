"""Derive names from an attachment or a bridge alone, so that removal needs no record of them.

Pure: the same attachment always has the same names.
"""

from cni_bridge.model import Attachment

try:
    from _blake2 import blake2b
except ImportError:  # not built in everywhere
    from hashlib import blake2b

# The kernel takes 255 bytes (IFALIASZ - 1, linux/if.h), the netlink string's terminator among them.
ALIAS_LIMIT = 254
TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.model_optional import Names

_ALIAS, _AS, _IN = "cni-bridge ", " as ", " in "


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


def alias(attachment: Attachment, directory: str = "", called: "Names | None" = None) -> str:
    """Return the host end's ifalias: its attachment, the names of its container, and its ledger's
    directory if not the host's.

    Of the names, as many are there as fit. What else does not fit is replaced by a digest: first the
    directory, then the attachment.
    """
    where = _IN + directory if directory else ""
    digest = _IN + directory_digest(directory) if directory else ""
    whole, short = _ALIAS + _path(attachment), _ALIAS + _attachment_digest(attachment)
    kinds = [(whole, where), (whole, digest), (short, where), (short, digest)]
    head, tail = next(pair for pair in kinds if _fits("".join(pair)))
    words = _words(called) if called else ()
    fitting = (head + _AS + ",".join(words[:count]) + tail for count in range(len(words), 0, -1))
    return next(filter(_fits, fitting), head + tail)


def called_in(alias: str) -> "tuple[str, str, tuple[str, ...]]":
    """Return a container's own name, that name's namespace, and the aliases, as its host end's alias has them."""
    own, *aliases = alias.partition(_IN)[0].partition(_AS)[2].split(",")
    namespace, _, name = own.rpartition("/")
    return name, namespace, tuple(aliases)


def owner(name: str, alias: str) -> Attachment | None:
    """Return the attachment whose host end has that name and alias.

    None for a foreign interface, and for an attachment of which the alias has a digest only.
    """
    identity = _identity_in(alias).removeprefix(_ALIAS).split("/")
    if len(identity) != 3:
        return None
    network, container, ifname = identity
    attachment = Attachment(network=network, container=container, ifname=ifname)
    return attachment if host_name(attachment) == name else None


def is_alias_of(alias: str, attachment: Attachment) -> bool:
    """Return whether an interface with that alias belongs to the attachment."""
    return _identity_in(alias) in (
        _ALIAS + _path(attachment),
        _ALIAS + _attachment_digest(attachment),
    )


def is_same_owner(one: str, other: str) -> bool:
    """Return whether two aliases name the same attachment, whatever ledger they name."""
    return _identity_in(one) == _identity_in(other)


def may_be_own(alias: str) -> bool:
    """Return whether an interface with a derived name can be cni-bridge's.

    One without an alias can: an ADD may have died before it set the alias.
    """
    return not alias or alias.startswith(_ALIAS)


def directory_in(alias: str) -> str:
    """Return an alias's ledger directory, or its digest; empty for the host's ledger."""
    return alias.partition(_IN)[2]


def directory_digest(directory: str) -> str:
    """Return what an alias has in place of a directory whose path does not fit."""
    return "#" + blake2b(directory.encode(errors="surrogateescape"), digest_size=8).hexdigest()


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


def _identity_in(alias: str) -> str:
    """Return an alias without names and directory: an attachment's path has no spaces."""
    return _ALIAS + alias.removeprefix(_ALIAS).partition(" ")[0]


def _words(called: "Names") -> tuple[str, ...]:
    """Return the names, the own one first, perhaps empty; those that the alias can't hold are left out."""
    own = f"{called.namespace}/{called.own}" if called.namespace else called.own
    possible = [each for each in called.aliases if "," not in each and each.isascii()]
    return ("" if "," in own or not own.isascii() else own, *possible)


def _fits(text: str) -> bool:
    return len(text) <= ALIAS_LIMIT and text.isascii() and text.isprintable()


def _path(attachment: Attachment) -> str:
    return f"{attachment.network}/{attachment.container}/{attachment.ifname}"


def _attachment_digest(attachment: Attachment) -> str:
    return "#" + blake2b(_identity(attachment), digest_size=16).hexdigest()


def _identity(attachment: Attachment) -> bytes:
    return "\n".join((attachment.network, attachment.container, attachment.ifname)).encode()
