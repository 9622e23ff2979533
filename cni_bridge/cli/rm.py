"""`cni-bridge rm`: remove a network's config, and its bridge if nothing else uses it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing

from cni_bridge import names
from cni_bridge.cli import chain, conflists, container_names, terminal
from cni_bridge.cli.conflists import Network
from cni_bridge.cli.options import Commands, Options, add_command, add_conf_dir, add_network
from cni_bridge.errors import InvalidConfig, IOFailure
from cni_bridge.kernel import links, machine
from cni_bridge.kernel.links import Link
from cni_bridge.kernel.netlink import Socket
from cni_bridge.ledger import state_directory, store
from cni_bridge.ledger.store import Ledger
from cni_bridge.parts import veth
from cni_bridge.recovery import stale

NAMED = 5  # containers in one message
OF_NETWORK = (
    "last_leased",
    "resting",
    "remembered",
    "home",
)  # the ledger's tables without attachments


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "rm",
        run,
        description="Removes a network's config and its bridge; fails as long as a container is attached. "
        "The bridge\nstays if cni-bridge did not create it, or if another network or interface uses it.",
        examples="  cni-bridge rm web",
    )
    add_network(parser)
    add_conf_dir(parser, conflists.directory())


def run(options: Options) -> int:
    """Remove the network, and print what was removed."""
    every = conflists.read(options.conf_dir)
    own = [each for each in every if each.config and each.config.name == options.network]
    if not own:
        _refuse_unknown(options.network, options.conf_dir, every)
    with closing(Socket()) as host:
        for line in _remove(host, own, every):
            terminal.tell(line)
    return 0


def _remove(host: Socket, own: list[Network], every: tuple[Network, ...]) -> Iterator[str]:
    """Remove the bridge and then the files, which name it; yield what was done.

    The ledgers are locked meanwhile: an ADD comes before, and is found, or makes the bridge again.
    """
    name = own[0].config.name if own[0].config else ""
    directories = dict.fromkeys((*conflists.state_dirs(tuple(own)), state_directory.HOST))
    with ExitStack() as stack:
        ledgers = [ledger for each in directories if (ledger := store.find_ledger(each))]
        for ledger in ledgers:
            for gone in stale.reclaim(host, ledger, name)[0]:
                chain.cache(gone.attachment).unlink(missing_ok=True)
        for ledger in ledgers:
            stack.enter_context(ledger.transaction())
        _refuse_used(host, own, ledgers)
        for bridge in dict.fromkeys(map(_bridge, own)):
            yield from _remove_bridge(host, bridge, name, ledgers, every)
        for ledger in ledgers:
            for table in OF_NETWORK:
                ledger.database.change(f"delete from {table} where network = ?", name)  # noqa: S608 - constants
        for each in own:
            try:
                os.unlink(each.file)
            except OSError as error:
                raise IOFailure(f"cannot remove {each.file}: {error.strerror}") from error
            yield f"removed {each.file}"


def _bridge(network: Network) -> str:
    """Return the network's bridge; empty for a wire, or if it is not known."""
    config = network.config
    return config.bridge if config and not config.is_wire else ""


def _refuse_unknown(name: str, directory: str, every: tuple[Network, ...]) -> None:
    known = ", ".join(sorted({each.config.name for each in every if each.config}))
    faulty = [f"{file} is not valid" for file in conflists.faulty(every)]
    raise InvalidConfig(
        f"no network of cni-bridge is named {name} in {directory}",
        "\n".join((f"networks: {known or 'none'}", *faulty)),
    )


def _refuse_used(host: Socket, own: list[Network], ledgers: list[Ledger]) -> None:
    """Raise InvalidConfig if a container is attached, or a cluster's agent serves the network."""
    config = own[0].config
    assert config, "only networks with a config are removed"
    holdings = [each for ledger in ledgers for each in ledger.holdings(config.name)]
    users = {each.attachment.container for each in holdings}
    users |= {each.container for each in veth.host_ends(host) if each.network == config.name}
    if users:
        names = container_names.of_ledgers(ledgers)
        titles = container_names.titles({**dict.fromkeys(users, ()), **names})
        raise InvalidConfig(
            f"network {config.name} is in use by {_listed([titles[each] for each in users])}",
            f"remove the containers first, or `cni-bridge del {config.name} CONTAINER` each",
        )
    if config.cluster is not None:
        from cni_bridge.cluster import snapshot

        if snapshot.path(config.state_dir, config.name).exists():
            raise InvalidConfig(
                f"network {config.name} is in use: this host is a member of it",
                f"take it out of service first: `cni-bridge agent {config.name} --leave`",
            )


def _listed(titles: list[str]) -> str:
    titles = sorted(titles)
    more = f" and {len(titles) - NAMED} more" if titles[NAMED:] else ""
    return ", ".join(titles[:NAMED]) + more


def _remove_bridge(
    host: Socket, name: str, network: str, ledgers: list[Ledger], every: tuple[Network, ...]
) -> Iterator[str]:
    """Delete a bridge and its VLANs' gateways; yield what was deleted, or why it stays."""
    listed = [links.parse(answer) for answer in host.dump(links.listing())]
    bridge = next((each for each in listed if each.name == name and each.kind == "bridge"), None)
    if bridge is None:
        return
    gateways = {each.name: each for each in listed if _vlan(name, each)}
    inner = {names.gateway_port(name, _vlan(name, each)) for each in gateways.values()}
    ports = [each for each in listed if each.master == bridge.index and each.name not in inner]
    others = sorted(
        {
            each.config.name
            for each in every
            if each.config and _bridge(each) == name and each.config.name != network
        }
        | {
            each.attachment.network
            for ledger in ledgers
            for each in ledger.holdings()
            if each.bridge == name
        }
    )
    if others:
        yield f"bridge {name} stays: network {', '.join(others)} uses it"
    elif ports:
        yield f"bridge {name} stays: {', '.join(each.name for each in ports)} is on it"
    elif bridge.mac != names.bridge_mac(name, machine.machine_id()).hex(":"):
        yield f"bridge {name} stays: cni-bridge did not create it"
    else:
        doomed = [*gateways.values(), bridge]
        host.run(*(links.delete(each.index, each.name) for each in doomed))
        yield f"removed bridge {name}"


def _vlan(bridge: str, link: Link) -> int:
    """Return the VLAN whose gateway the interface is; 0 for any other."""
    name, _, number = link.name.rpartition(".")
    return int(number) if name == bridge and number.isdecimal() and link.kind == "veth" else 0
