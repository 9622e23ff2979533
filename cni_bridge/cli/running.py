"""A running container's attachments, and the config that ADD had for them: what live changes start from."""

from typing import Any

from cni_bridge.cli import conflists, containers, stdin
from cni_bridge.cli.options import Parser, add_conf_dir
from cni_bridge.edge import codec, config, validators
from cni_bridge.edge.config import STATE_DIR
from cni_bridge.errors import InvalidConfig
from cni_bridge.ipam import sources
from cni_bridge.lean.record import record
from cni_bridge.ledger import store
from cni_bridge.ledger.store import Ledger
from cni_bridge.model import Holding, NetworkConfig


@record
class Running:
    """One attachment, and the ledger that records it."""

    ledger: Ledger
    holding: Holding

    def settings(self, conf_dir: str, runtime: dict[str, Any]) -> NetworkConfig:
        """Return the network's config as ADD would have it with this runtimeConfig. Raises CniError."""
        document, _ = conflists.find(self.holding.attachment.network, conf_dir)
        own = {**stdin.own_plugin(document), "runtimeConfig": runtime}
        if self.holding.mac:
            runtime.setdefault("mac", self.holding.mac.hex(":"))
        prepared = config.prepare(codec.fold(own, validators.FOLD), "ADD")
        is_delegated = config.ipam_type(prepared) not in ("", sources.OWN_TYPE)
        return config.parse(prepared, "", is_delegated=is_delegated)


def add_names(parser: Parser) -> None:
    """Add the container, its network and the configs."""
    parser.add_argument(
        "container", metavar="CONTAINER", help="a namespace, a process id, or a container's id"
    )
    parser.add_argument(
        "--network", metavar="NAME", default="", help="which of the container's networks is meant"
    )
    add_conf_dir(parser, conflists.directory())


def attachments(which: str, network: str) -> tuple[Running, ...]:
    """Return a container's attachments, on one network or on all, in the order of their ADDs.

    Raises InvalidConfig if there are none.
    """
    container = containers.find(which).container
    ledgers = (store.find_ledger(each) for each in conflists.ledgers(STATE_DIR))
    found = [
        Running(ledger=ledger, holding=holding)
        for ledger in ledgers
        if ledger
        for holding in ledger.holdings()
        if holding.attachment.container == container
    ]
    meant = [each for each in found if network in ("", each.holding.attachment.network)]
    if not meant:
        there = ", ".join(sorted({each.holding.attachment.network for each in found}))
        raise InvalidConfig(
            f"{which} is not attached to {network or 'any network'}",
            f"its networks: {there}"
            if there
            else "`cni-bridge connect NETWORK CONTAINER` attaches it",
        )
    return tuple(sorted(meant, key=lambda each: each.holding.created))
