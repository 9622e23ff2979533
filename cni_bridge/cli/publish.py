"""`cni-bridge publish`: publish ports of a running container."""

from collections.abc import Iterator
from typing import Any

from cni_bridge import attachments, plan
from cni_bridge.cli import firewall_summary, ports, running, terminal
from cni_bridge.cli.options import Commands, Options, add_command, add_json
from cni_bridge.cli.running import Running
from cni_bridge.errors import InvalidConfig, TryAgainLater
from cni_bridge.firewall import apply, live, nft_elements, port_runs
from cni_bridge.firewall.model import Firewall, PublishedPort
from cni_bridge.firewall.register import Register
from cni_bridge.kernel import netlink
from cni_bridge.lean.record import replace
from cni_bridge.ledger import changes, host_ledger
from cni_bridge.model import Grant, Plan
from cni_bridge.parts import bridge_port
from cni_bridge.recovery import stale


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "publish",
        run,
        description="Publishes ports as if ADD had requested them; fails if another container or a "
        "process\nholds one. Open connections stay. CHECK expects the ports from then on, and DEL "
        "removes\nthem.",
        examples="  cni-bridge publish web 8080:80\n"
        "  cni-bridge publish web 5353:53/udp --host-ip 192.0.2.1\n"
        "  cni-bridge publish web 20000-29999:20000-29999",
    )
    running.add_names(parser)
    parser.add_argument(
        "ports",
        metavar="PORT:PORT[/PROTO]",
        nargs="+",
        type=ports.mapping,
        help="a host port and the container's port, or ranges of both: 8000-8009:8000-8009",
    )
    ports.add_host_ip(parser)
    add_json(parser)


def run(options: Options) -> int:
    """Publish, and print what the container publishes now."""
    mappings = [
        each | ({"hostIP": options.host_ip} if options.host_ip else {}) for each in options.ports
    ]
    every = running.attachments(options.container, options.network, options.conf_dir)
    own = next((each for each in every if each.holding.bridge), None)
    if own is None:
        raise InvalidConfig(f"{every[0].title} has no interface on a bridge", "a wire has no ports")
    running.refuse_gone(netlink.Socket(), (own,))
    publish(own, options.conf_dir, mappings)
    report(host_ledger.open_register(own.ledger), (own,), options)
    return 0


def publish(own: Running, conf_dir: str, mappings: list[dict[str, Any]]) -> None:
    """Publish ports of an attachment. Raises CniError."""
    attachment = own.holding.attachment
    planned = _planned(own, conf_dir, mappings)
    desired = planned.firewall
    assert desired, "ports need the firewall"
    ledger = host_ledger.open_register(own.ledger)
    new = tuple(_new(ledger, own, desired))
    if not new:
        return
    changes.note(own.ledger.database, attachment, changes.PORTS)
    wanted = replace(desired, rules=replace(desired.rules, ports=new))
    attachments.apply_rules(
        ledger,
        attachment,
        wanted,
        lambda holder: stale.make_way(netlink.Socket(), own.ledger, holder),
        is_running=True,
    )
    if own.ledger.find(attachment) != own.holding:
        # If it is added again already, only the ports are taken back.
        live.unpublish(ledger, (attachment,), new)
        apply.remove(ledger, lambda: () if own.ledger.find(attachment) else (attachment,)).close()
        raise TryAgainLater(f"{own.title} was deleted meanwhile")
    _set_port(planned)


def adjust(ledger: Register, own: Running, conf_dir: str) -> None:
    """Adjust what depends on whether an attachment publishes ports at all. Raises CniError."""
    attachment = own.holding.attachment
    settings = host_ledger.as_published(own.settings(conf_dir, {}), own.ledger, attachment)
    planned = plan.build(attachment, settings, Grant(leases=own.holding.leases))
    _set_port(planned)
    if planned.firewall:
        live.close_loopback(ledger, planned.firewall.bridge)


def report(ledger: Register, every: tuple[Running, ...], options: Options) -> None:
    """Print what attachments of a container publish now."""
    published = [
        (each, tuple(firewall_summary.ports_of(ledger.of_attachment(each.holding.attachment))))
        for each in every
    ]
    if options.json:
        terminal.print_json(
            {
                "attachments": [
                    {**vars(own.holding.attachment), "ports": [vars(each) for each in found]}
                    for own, found in published
                ]
            }
        )
        return
    by_title: dict[str, dict[str, None]] = {}  # a container may be on a network twice
    for own, found in published:
        by_title.setdefault(own.text, {}).update(dict.fromkeys(each.text for each in found))
    for title, texts in by_title.items():
        terminal.tell(f"{title} publishes {', '.join(texts) or 'no ports'}")


def _planned(own: Running, conf_dir: str, mappings: list[dict[str, Any]]) -> Plan:
    """Return the plan of an attachment that publishes these ports. Raises CniError."""
    settings = own.settings(conf_dir, {"portMappings": mappings})
    leases = own.holding.leases
    if not leases:
        raise InvalidConfig(
            f"the addresses of network {settings.name} come from IPAM plugin {settings.ipam.type}",
            "ports of a running container can be changed where ipam.type is cni-bridge",
        )
    return plan.build(own.holding.attachment, settings, Grant(leases=leases))


def _set_port(planned: Plan) -> None:
    """Set the flags of the bridge port, which depend on whether ports are published."""
    port = planned.veth.port
    assert port, "it is on a bridge"
    end = planned.veth
    netlink.Socket().run(bridge_port.setting(end.host_name, end.alias, port))


def _new(ledger: Register, own: Running, desired: Firewall) -> Iterator[PublishedPort]:
    """Yield the ports that the attachment does not publish yet. Raises InvalidConfig.

    A port that leads elsewhere is not replaced.
    """
    attachment = own.holding.attachment
    held = [nft_elements.published_port(item) for item in live.published(ledger, attachment)]
    addresses = nft_elements.first_addresses(desired)
    for port in desired.rules.ports:
        if not port.host_port:  # a free one, the same for both families
            yield port
            continue
        for listens, _ in nft_elements.targets(addresses, port.host_ip):
            wanted = replace(port, host_ip=listens)
            there = [
                each for each in held if each.host_ip == listens and port_runs.overlap(each, port)
            ]
            for each in there:
                if port_runs.shift(each) != port_runs.shift(port):
                    (part, *_) = port_runs.common(each, [port])
                    raise InvalidConfig(
                        f"host port {part.host_port} leads to port {part.container_port} of this container",
                        "`cni-bridge unpublish` it first",
                    )
            yield from port_runs.without(wanted, there)
