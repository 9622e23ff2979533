"""A running container's attachments, and the config that ADD had for them: what live changes start from."""

from collections.abc import Collection, Iterable
from typing import Any

from cni_bridge import names
from cni_bridge.cli import conflists, container_names, containers, stdin
from cni_bridge.cli.container_names import Known
from cni_bridge.cli.containers import Target
from cni_bridge.cli.options import IFNAME, Options, Parser, add_conf_dir, add_container
from cni_bridge.edge import codec, config, validators
from cni_bridge.edge.config import STATE_DIR
from cni_bridge.errors import CniError, InvalidConfig
from cni_bridge.ipam import sources
from cni_bridge.kernel import netns, netns_ids
from cni_bridge.kernel.links import Link
from cni_bridge.kernel.netlink import Socket
from cni_bridge.lean.record import record, replace
from cni_bridge.ledger import container_names as recorded_names
from cni_bridge.ledger import store
from cni_bridge.ledger.store import Ledger
from cni_bridge.model import Attachment, Holding, NetworkConfig
from cni_bridge.parts import veth


@record
class Running:
    """One attachment, and the ledger that records it."""

    ledger: Ledger
    holding: Holding
    title: str  # what to call the container

    @property
    def text(self) -> str:
        """The container and its network, as messages name them."""
        return f"{self.title} on {self.holding.attachment.network}"

    def settings(self, conf_dir: str, runtime: dict[str, Any]) -> NetworkConfig:
        """Return the network's config as ADD had it, with this runtimeConfig. Raises CniError."""
        document, _ = conflists.find(self.holding.attachment.network, conf_dir)
        own = {**stdin.own_plugin(document), "runtimeConfig": runtime}
        if self.holding.mac:
            runtime.setdefault("mac", self.holding.mac.hex(":"))
        prepared = config.prepare(codec.fold(own, validators.FOLD), "ADD")
        is_delegated = config.ipam_type(prepared) not in ("", sources.OWN_TYPE)
        return replace(
            config.parse(prepared, "", is_delegated=is_delegated),
            names=recorded_names.given(self.ledger.database, self.holding.attachment),
        )


def add_names(parser: Parser) -> None:
    """Add the container, its network and the configs."""
    add_container(parser)
    parser.add_argument(
        "--network", metavar="NAME", default="", help="one of the container's networks"
    )
    add_conf_dir(parser, conflists.directory())


def attachments(which: str, network: str, conf_dir: str) -> tuple[Running, ...]:
    """Return a container's attachments, on one network or on all, in the order of their ADDs.

    Raises InvalidConfig if there are none.
    """
    try:
        target = containers.find(which, conf_dir)
    except InvalidConfig:
        _refuse_unrecorded(which, Target(container="", netns_path="", title=which), network, ())
        raise
    container = target.container
    ledgers = (store.find_ledger(each) for each in conflists.ledgers(STATE_DIR, conf_dir))
    found = [
        Running(ledger=ledger, holding=holding, title=target.title)
        for ledger in ledgers
        if ledger
        for holding in ledger.holdings()
        if holding.attachment.container == container
    ]
    meant = [each for each in found if network in ("", each.holding.attachment.network)]
    if not meant:
        _refuse_unrecorded(which, target, network, [each.holding.attachment for each in found])
        there = ", ".join(sorted({each.holding.attachment.network for each in found}))
        raise InvalidConfig(
            f"{target.title} is not attached to {network or 'any network'}",
            f"its networks: {there}"
            if there
            else "`cni-bridge connect NETWORK CONTAINER` attaches it",
        )
    return tuple(sorted(meant, key=lambda each: each.holding.created))


def interface(options: Options) -> str:
    """Return the interface that is meant: --ifname, or that by which the container is on the network.

    It is `add`'s where none is recorded. Raises InvalidConfig if there are several.
    """
    if options.ifname:
        return str(options.ifname)
    try:
        every = attachments(options.container, options.network, options.conf_dir)
    except CniError:
        return IFNAME
    names_there = sorted(each.holding.attachment.ifname for each in every)
    if len(names_there) > 1:
        raise InvalidConfig(
            f"{every[0].title} has several interfaces on {options.network}",
            f"name one with --ifname: {', '.join(names_there)}",
        )
    return names_there[0]


def refuse_gone(host: Socket, every: Iterable[Running]) -> None:
    """Raise InvalidConfig if an attachment has no host end any more."""
    for each in every:
        own = each.holding.attachment
        if not is_there(host, own):
            raise InvalidConfig(
                f"{each.title} {own.ifname} on {own.network} is gone: there is no host end "
                f"{names.host_name(own)}",
                "its runtime's DEL, or `cni-bridge gc`, frees what is recorded of it",
            )


def is_there(host: Socket, attachment: Attachment) -> bool:
    """Return whether an attachment has a host end: the kernel removes it with the namespace."""
    return veth.find(host, names.host_name(attachment)) is not None


def _refuse_unrecorded(
    which: str, target: Target, network: str, recorded: Collection[Attachment]
) -> None:
    """Raise InvalidConfig if the kernel has host ends of the container that no ledger knows."""
    ends = {
        attachment: link
        for attachment, link in _host_ends(which, target).items()
        if network in ("", attachment.network) and attachment not in recorded
    }
    if not ends:
        return
    attachment, link = next(iter(ends.items()))
    directory = names.directory_in(link.alias)
    ledger = store.find_ledger(directory) if directory.startswith("/") else None
    if ledger and ledger.find(attachment):
        raise InvalidConfig(
            f"{which} is recorded in the ledger in {directory}, which no config here names",
            f"--conf-dir names the directory that has the config of {attachment.network}",
        )
    command = "cni-bridge restore --from-kernel"
    if directory.startswith("/"):
        command += f" --state-dir {directory}"
    on = ", ".join(sorted({each.network for each in ends}))
    raise InvalidConfig(
        f"{which} is attached to {on}, but no ledger knows it", f"`{command}` records it again"
    )


def _host_ends(which: str, target: Target) -> dict[Attachment, Link]:
    """Return the host ends of a container, found by its namespace, or by what it is called."""
    host = Socket()
    ends = veth.host_ends(host)
    number = None
    if target.netns_path:
        space = netns.open_netns(target.netns_path, may_be_own=True)
        number = netns_ids.identifier(host, space)
        netns.close(space)
    known = (
        Known(container=who.container, names=tuple(filter(None, _called(link))))
        for who, link in ends.items()
    )
    named = () if target.container else container_names.matching(which, known)
    return {
        who: link
        for who, link in ends.items()
        if who.container in (target.container, *named)
        or (number is not None and number >= 0 and link.peer_netns == number)
    }


def _called(link: Link) -> tuple[str, ...]:
    own, _, aliases = names.called_in(link.alias)
    return (own, *aliases)
