"""Find what has an address, a MAC or a port that a container has too."""

import ipaddress
from collections.abc import Iterator
from functools import partial

from cni_bridge.cli.doctor import fixes
from cni_bridge.cli.doctor.attachments import inside, living
from cni_bridge.cli.doctor.facts import Facts, gateway_of
from cni_bridge.cli.doctor.findings import Diagnosis, Fix
from cni_bridge.cli.explain import delivery, kernel_queries
from cni_bridge.cli.inventory import Attached
from cni_bridge.firewall.model import PROTOCOLS
from cni_bridge.kernel import port_holders
from cni_bridge.kernel.netns import OWN_NETNS

MOST = 50  # containers whose neighbour entries are read


def macs(facts: Facts) -> Iterator[Diagnosis]:
    """Find a MAC that two containers of a bridge have."""
    holders: dict[tuple[str, str], Attached] = {}
    for each in living(facts):
        if not each.container_end or not each.bridge:
            continue
        mac = each.container_end.mac
        first = holders.setdefault((each.bridge, mac), each)
        if first is not each:
            yield Diagnosis(
                cause=f"{first.title} and {each.title} on {each.bridge} have the same MAC {mac}",
                effect="the bridge sends packets for both to one of them",
                command=f"recreate {each.title} without that MAC address",
            )


def ports(facts: Facts) -> Iterator[Diagnosis]:
    """Find processes on published ports, and published addresses that the host does not have."""
    own = {
        prefix.partition("/")[0]
        for link in facts.found.host.interfaces
        for prefix in link.addresses
    }
    waiting = {name: port_holders.waiting(number) or set() for name, number in PROTOCOLS.items()}
    told: set[str] = set()
    for each in living(facts):
        for port in each.protection.ports:
            what = port.name
            ip = port.host_ip
            if ip and ip not in own and not ipaddress.ip_address(ip).is_loopback:
                yield Diagnosis(
                    cause=f"{each.title} publishes port {what} at {ip}, which no interface has",
                    effect="the port cannot be reached",
                    command=f"ip addr add {ip} dev INTERFACE   # or publish it at another address",
                )
            for number in sorted(waiting.get(port.protocol, set()).intersection(port.host_ports)):
                what = f"{number}/{port.protocol}"
                if what in told:
                    continue
                told.add(what)
                owner = port_holders.owner(
                    PROTOCOLS[port.protocol], number, each.attachment.container
                )
                if not owner:
                    continue
                yield Diagnosis(
                    cause=f"{owner} listens on host port {what}, which {each.title} publishes",
                    effect=f"connections go to {each.title}: that process gets none",
                    command="stop that process, or let it listen on another port",
                )


def neighbours(facts: Facts) -> Iterator[Diagnosis]:
    """Find permanent neighbour entries that lead elsewhere, at the host and in containers."""
    for each in list(living(facts))[:MOST]:
        plan = facts.plans.get(each.attachment)
        if not plan or not each.container_end or not each.bridge:
            continue
        device, mac = gateway_of(plan), each.container_end.mac
        for prefix in each.addresses:
            address = prefix.partition("/")[0]
            if wrong := kernel_queries.wrong_neighbour(OWN_NETNS, device, address, mac):
                yield _entry(address, wrong, mac, f"ip neigh del {address} dev {device}", each)
        bridge, ifname = facts.found.host.interface(device), each.attachment.ifname
        for prefix in bridge.addresses if bridge else ():
            address = prefix.partition("/")[0]
            wrong = kernel_queries.wrong_neighbour(
                each.netns_path, ifname, address, bridge.mac if bridge else ""
            )
            if bridge and wrong:
                command = inside(each, f"ip neigh del {address} dev {ifname}")
                yield _entry(address, wrong, bridge.mac, command, each)


def isolated(facts: Facts) -> Iterator[Diagnosis]:
    """Find bridge ports that are isolated although their config does not say so."""
    for each in living(facts):
        plan = facts.plans.get(each.attachment)
        port = plan.veth.port if plan else None
        if port and each.host_end and not port.isolated and delivery.is_isolated(each):
            command = f"bridge link set dev {each.host_name} isolated off"
            yield Diagnosis(
                cause=f"port {each.host_name} of {each.title} is isolated, its config does not say so",
                effect="the container cannot reach other isolated ones on its bridge",
                command=command,
                fix=Fix(what=command, act=partial(fixes.join, each.host_name)),
            )


def _entry(address: str, wrong: str, mac: str, command: str, each: Attached) -> Diagnosis:
    return Diagnosis(
        cause=f"a permanent neighbour entry gives {address} the MAC {wrong}, but it is {mac}",
        effect=f"{each.title} is cut off from what has that entry",
        command=command,
    )
