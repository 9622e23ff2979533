"""What the hosts of a cluster network exchange, as records without behaviour."""

from cni_bridge.address import Prefix
from cni_bridge.lean.record import record

NONE_MALFORMED: dict[str, Prefix | None] = {}
NONE_NAMED: "dict[str, tuple[Named, ...]]" = {}


@record
class Host:
    """One host, as it described itself when it joined.

    `addresses` are those on the network below, packed, at most one of each family; `mtu` is that of
    the link that has them.
    """

    id: str
    name: str
    boot_id: str
    addresses: tuple[bytes, ...]
    mtu: int


@record
class Block:
    """A subnet of a cluster network that one host hands addresses out of.

    `revision` is the store's for this record; a change names the revision it is based on.
    """

    subnet: Prefix
    host: str
    boot_id: str
    revision: int


@record
class Membership:
    """What proves to the store that a host is still the member that it was.

    `token` is the driver's own. `until` is the moment, in milliseconds of CLOCK_BOOTTIME, up to which
    the store keeps the host a member if it hears nothing more: counted from before it was asked.
    """

    host: Host
    token: str
    until: int


@record
class Named:
    """A container that can be found by name: its own, empty if it has none, and its aliases.

    `addresses` are those on the network, packed.
    """

    own: str
    aliases: tuple[str, ...]
    addresses: tuple[bytes, ...]


@record
class View:
    """A cluster network as one host has seen it last.

    `hosts` are all that joined and did not leave, `members` the ids of those that renew. A host that
    is no member still has its blocks, and the routes to them: its containers may well run.

    `malformed` are the records that no agent wrote, by their name in the store, with the subnet if it
    is a block's. They belong to no host, and such a block is not free either. `names` are those of the
    containers of each host, which count while it is a member.
    """

    revision: int
    hosts: dict[str, Host]
    members: frozenset[str]
    blocks: dict[Prefix, Block]
    malformed: dict[str, Prefix | None] = NONE_MALFORMED
    names: dict[str, tuple[Named, ...]] = NONE_NAMED

    def has_same_places(self, other: "View | None") -> bool:
        """Return whether nothing but names and the revision differs: the routes are the same."""
        return other is not None and (self.hosts, self.members, self.blocks, self.malformed) == (
            other.hosts,
            other.members,
            other.blocks,
            other.malformed,
        )


@record
class Pool:
    """Where blocks are cut from: `subnet` into those of `length` bits."""

    subnet: Prefix
    length: int


@record
class Backend:
    """How packets reach other hosts: `host-gw`, a route each, or `vxlan`, a tunnel."""

    kind: str
    vni: int
    port: int


@record
class Credentials:
    """Access to the store: paths of files, and a user's name; empty if not used."""

    ca: str = ""
    certificate: str = ""
    key: str = ""
    user: str = ""
    password_file: str = ""


@record
class Settings:
    """The `cluster` object of a network's config, with what else of the config the agent needs."""

    network: str
    bridge: str
    state_dir: str
    store: str  # etcd or kubernetes
    endpoints: tuple[str, ...]
    prefix: str  # of all keys
    credentials: Credentials
    pools: tuple[Pool, ...]  # one a family; none where each host is told its own (`ranges`: node)
    backend: Backend
    ttl: int  # seconds that a membership lasts without being renewed
    grace: int  # seconds after which the blocks of a host that is no member may become another's
    low_water: int  # free addresses below which one more block is leased
    kubeconfig: str
    node: str
    # inside of which packets are not masqueraded; None: nothing is, or the pools are these networks
    unmasked: tuple[Prefix, ...] | None = None
    domain: str = ""  # of the nameserver; empty: the network has none
