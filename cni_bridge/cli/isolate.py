"""`cni-bridge isolate`: keep a running container and all other containers of the host apart."""

from cni_bridge.cli import running, terminal
from cni_bridge.cli.options import Commands, Options, add_command, add_json
from cni_bridge.cli.running import Running
from cni_bridge.errors import InvalidConfig, TryAgainLater
from cni_bridge.firewall import apply, isolation
from cni_bridge.firewall.register import Register
from cni_bridge.kernel import netlink
from cni_bridge.ledger import blocks, host_ledger
from cni_bridge.model import Attachment


def register(parsers: Commands) -> None:
    """Add the command and its options."""
    parser = add_command(
        parsers,
        "isolate",
        run,
        description="Stops all packets between the container and any other container of this host, on any "
        "network,\nin open connections and through published ports too. The host and outside clients still "
        "reach it.\nLasts until `join`, or until the container is detached: after a restart, isolate it "
        "again.",
        examples="  cni-bridge isolate web\n"
        "  cni-bridge isolate web --network shop   # its other networks stay as they are",
    )
    running.add_names(parser)
    add_json(parser)


def run(options: Options) -> int:
    """Isolate the container, and print on which networks."""
    every = on_bridges(options)
    running.refuse_gone(netlink.Socket(), every)
    for each in every:
        _refuse_cluster(each)
    ledger = host_ledger.open_register(every[0].ledger)
    isolate(ledger, every)
    report(every, options, is_isolated=True)
    return 0


def isolate(ledger: Register, every: tuple[Running, ...]) -> None:
    """Isolate attachments of a container. Raises CniError."""
    isolation.isolate(ledger, [each.holding.attachment for each in every])
    late = [each for each in every if each.ledger.find(each.holding.attachment) != each.holding]
    if not late:
        return

    def gone() -> list[Attachment]:
        return [each.holding.attachment for each in late if not _is_recorded(each)]

    # If it is added again already, it only joins again.
    isolation.join(ledger, [each.holding.attachment for each in late])
    apply.remove(ledger, gone).close()
    raise TryAgainLater(f"{late[0].title} was deleted meanwhile")


def on_bridges(options: Options) -> tuple[Running, ...]:
    """Return the attachments that are meant, without wires. Raises InvalidConfig if none is left."""
    found = running.attachments(options.container, options.network, options.conf_dir)
    wires = [each for each in found if host_ledger.is_wired(each.ledger, each.holding.attachment)]
    if len(wires) == len(found):
        raise InvalidConfig(
            f"{found[0].title} has no interface on a bridge",
            "a wire leads to one other container: `cni-bridge disconnect` takes it away",
        )
    for each in wires:
        terminal.tell(f"{each.text} is a wire, and stays as it is", stderr=True)
    return tuple(each for each in found if each not in wires)


def report(every: tuple[Running, ...], options: Options, *, is_isolated: bool) -> None:
    """Print what is isolated now, and what is not."""
    if options.json:
        listed = [{**vars(each.holding.attachment), "is_isolated": is_isolated} for each in every]
        terminal.print_json({"attachments": listed})
        return
    for text in dict.fromkeys(each.text for each in every):  # it may be on a network twice
        terminal.tell(f"{text} is {'isolated' if is_isolated else 'not isolated any more'}")


def _is_recorded(own: Running) -> bool:
    return own.ledger.find(own.holding.attachment) is not None


def _refuse_cluster(own: Running) -> None:
    network = own.holding.attachment.network
    if blocks.rows(own.ledger.database, network):
        raise InvalidConfig(
            f"network {network} spans hosts: the rules of this host know only its own containers",
            "`cni-bridge disconnect` takes the container off it, or --network names another network",
        )
