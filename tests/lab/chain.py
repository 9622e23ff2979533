"""A network of several plugins, called one after the other as libcni does.

The order, prevResult and what is repeated on DEL; what the plugins are is decided by the callers.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.lab.containers import Container
from tests.lab.network import Attachment, Network
from tests.lab.plugin import Run


@dataclass
class Chain(Network):
    """The first plugin makes the interface, each of the `following` is given the result so far."""

    following: tuple[Network, ...] = ()
    given: dict[Attachment, dict[str, Any]] = field(default_factory=dict)

    def do(self, command: str, container: Container, ifname: str, **changes: Any) -> Run:
        """One command for all plugins; what ADD was given is given to every later command."""
        attachment = Attachment(container, ifname)
        if command == "ADD":
            self.given[attachment] = changes
            return self._add(attachment, changes)
        changes = self.given.get(attachment, {}) | changes
        run = Run(0, "", "")
        for each in reversed(self.following):
            run = each.do(command, container, ifname, **changes)
            if run.status:
                return run
        return super().do(command, container, ifname, **changes)

    def _add(self, attachment: Attachment, changes: dict[str, Any]) -> Run:
        run = super().do("ADD", attachment.container, attachment.ifname, **changes)
        for each in self.following:
            if run.status:
                break
            config = {**changes.get("config", {}), "prevResult": run.result()}
            run = each.do(
                "ADD", attachment.container, attachment.ifname, **{**changes, "config": config}
            )
        if run.status:
            self.do("DEL", attachment.container, attachment.ifname)
            return run
        return self._noted("ADD", attachment, run)
