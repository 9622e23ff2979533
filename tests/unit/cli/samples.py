"""Inventories made by hand, to draw and to judge."""

from cni_bridge import names
from cni_bridge.cli.firewall_summary import Protection, Published
from cni_bridge.cli.host_state import End, KernelInterface, KernelRoute, Space
from cni_bridge.cli.inventory import OK, Attached, Inventory
from cni_bridge.cli.kernel_messages import Counters
from cni_bridge.model import Attachment, Netns

GUARDED = Protection(
    ports=(
        Published(
            protocol="tcp", host_ip="", host_port=8080, address="10.2.0.2", container_port=80
        ),
        Published(
            protocol="udp", host_ip="192.0.2.7", host_port=53, address="10.2.0.2", container_port=53
        ),
    ),
    masquerades=True,
    flags=("isolated", "strict"),
)
NO_TRAFFIC = Counters(received_bytes=0, received_packets=0, sent_bytes=0, sent_packets=0, dropped=0)


def interface(name: str, kind: str = "veth", *addresses: str, **changes: object) -> KernelInterface:
    """Return an interface that is up."""
    values: dict[str, object] = {
        "index": 2,
        "name": name,
        "kind": kind,
        "mac": "02:00:00:00:00:01",
        "mtu": 1500,
        "is_up": True,
        "has_carrier": True,
        "addresses": addresses,
        "master": "",
        "peer": None,
        "alias": "",
        "counters": NO_TRAFFIC,
    }
    return KernelInterface(**{**values, **changes})  # type: ignore[arg-type]  # as the fields are


def space(name: str, *interfaces: KernelInterface, routes: tuple[KernelRoute, ...] = ()) -> Space:
    """Return a namespace."""
    identity = Netns(path=f"/run/netns/{name}", device=4, inode=hash(name) & 0xFFFF)
    return Space(name=name, identity=identity, interfaces=interfaces, routes=routes)


def attached(network: str, container: str, address: str, **changes: object) -> Attached:
    """Return an attachment that is well."""
    attachment = Attachment(network=network, container=container, ifname="eth0")
    host_name = names.host_name(attachment)
    values: dict[str, object] = {
        "attachment": attachment,
        "health": OK,
        "notes": (),
        "space": container,
        "netns_path": f"/run/netns/{container}",
        "bridge": f"{network}0",
        "host_name": host_name,
        "host_end": interface(host_name, master=f"{network}0"),
        "container_end": interface("eth0", "veth", address),
        "addresses": (address,),
        "created": 1,
    }
    return Attached(**{**values, **changes})  # type: ignore[arg-type]  # as the fields are


def two_networks() -> Inventory:
    """Two networks, an uplink, and two namespaces on a cable of their own."""
    uplink = interface("ens3", "", "192.0.2.7/24")
    bridges = (
        interface("web0", "bridge", "10.1.0.1/24"),
        interface("db0", "bridge", "10.2.0.1/24"),
    )
    way = KernelRoute(destination="0.0.0.0/0", gateway="192.0.2.1", device="ens3")
    one = interface("eth0", "veth", "10.0.1.1/24", peer=End(space="two", interface="eth0"))
    two = interface("eth0", "veth", "10.0.1.2/24", peer=End(space="one", interface="eth0"))
    return Inventory(
        spaces=(
            space("", *bridges, uplink, routes=(way,)),
            space("one", one),
            space("two", two),
            space("fresh", interface("lo", "", is_up=False)),
        ),
        bridges=bridges,
        attachments=(
            attached("db", "store", "10.2.0.2/24", protection=GUARDED),
            attached("web", "front", "10.1.0.2/24"),
            attached("web", "hurt", "10.1.0.3/24", health="missing", names=("mailer",)),
            attached("web", "gone", "10.1.0.4/24", health="leaked", space=None, bridge=""),
            attached(
                "web", "pods", "", addresses=(), container_end=interface("eth0", "", "10.9.0.5/24")
            ),
        ),
        foreign=(interface("tap9", "tun", master="web0"),),
    )


def crowd(count: int) -> Inventory:
    """Two networks with so many containers each."""
    bridges = (
        interface("web0", "bridge", "10.1.0.1/24"),
        interface("db0", "bridge", "10.2.0.1/24"),
    )
    return Inventory(
        spaces=(space("", *bridges),),
        bridges=bridges,
        attachments=tuple(
            attached(network, f"{network}{number}", f"10.{place}.0.{number + 2}/24", created=place)
            for place, network in enumerate(("web", "db"), 1)
            for number in range(count)
        ),
        foreign=(),
    )
