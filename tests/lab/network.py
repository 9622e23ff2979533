"""A network as a runtime knows it: a config, a plugin, and the attachments made so far.

Builds the environment and stdin of each call as libcni does, prevResult included.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.lab.containers import Container
from tests.lab.iproute import ip_json
from tests.lab.plugin import Json, Plugin, Run, run_all

Call = tuple[dict[str, str], str]
CHECK_SINCE = (0, 4, 0)


@dataclass(frozen=True)
class Attachment:
    """One container interface on a network."""

    container: Container
    ifname: str = "eth0"


@dataclass
class Network:
    """One network config and the results of the ADDs that are still to be deleted."""

    plugin: Plugin
    config: Json
    results: dict[Attachment, Json] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)  # of every call

    @property
    def bridge(self) -> str:
        """The shared bridge's name."""
        return str(self.config.get("bridge", "cni0"))

    @property
    def shared(self) -> set[str]:
        """The bridge, and the pair that is the gateway of its VLAN if there is one."""
        gateway = f"{self.bridge}.{self.config.get('vlan', 0)}"
        ends = [link for link in ip_json("link") if gateway in (link["ifname"], link.get("link"))]
        return {self.bridge, *(link["ifname"] for link in ends)}

    @property
    def has_check(self) -> bool:
        """Whether the config's spec version has CHECK."""
        return version_key(self.config["cniVersion"]) >= CHECK_SINCE

    def add(self, container: Container, ifname: str = "eth0", **changes: Any) -> Run:
        """ADD; the result is remembered for CHECK and DEL."""
        return self.do("ADD", container, ifname, **changes)

    def check(self, container: Container, ifname: str = "eth0", **changes: Any) -> Run:
        """CHECK."""
        return self.do("CHECK", container, ifname, **changes)

    def delete(self, container: Container, ifname: str = "eth0", **changes: Any) -> Run:
        """DEL; on success the attachment is forgotten."""
        return self.do("DEL", container, ifname, **changes)

    def do(self, command: str, container: Container, ifname: str, **changes: Any) -> Run:
        """One call with changes: `environment` merged in (None removes), `config` merged in,
        `stdin` as it is.
        """
        attachment = Attachment(container, ifname)
        run = self.plugin.run(*self.call(command, attachment, **changes))
        return self._noted(command, attachment, run)

    def do_all(self, command: str, containers: Iterable[Container]) -> list[Run]:
        """Return the same command for all containers, started at once."""
        return self.do_each([(command, container) for container in containers])

    def do_each(self, wanted: "Iterable[tuple[str, Container]]") -> list[Run]:
        """Return a command for each container, started at once."""
        calls = [(command, Attachment(container)) for command, container in wanted]
        runs = run_all(self.plugin, [self.call(*each) for each in calls])
        return [self._noted(*each, run) for each, run in zip(calls, runs, strict=True)]

    def delete_all(self) -> None:
        """Delete what is still attached; each DEL must succeed."""
        for each in list(self.results):
            self.delete(each.container, each.ifname).assert_silent_success()

    def call(
        self,
        command: str,
        attachment: Attachment,
        *,
        environment: Mapping[str, str | None] | None = None,
        config: Json | None = None,
        stdin: str | None = None,
    ) -> Call:
        """Environment and stdin of one call."""
        variables: dict[str, str | None] = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": attachment.container.name,
            "CNI_NETNS": str(attachment.container.netns),
            "CNI_IFNAME": attachment.ifname,
            "CNI_PATH": self.plugin.search_path,
            **self.environment,
            **(environment or {}),
        }
        document = {**self.config, **(config or {})}
        if command in ("CHECK", "DEL") and self.has_check and attachment in self.results:
            document.setdefault("prevResult", self.results[attachment])
        set_variables = {key: value for key, value in variables.items() if value is not None}
        return set_variables, json.dumps(document) if stdin is None else stdin

    def _noted(self, command: str, attachment: Attachment, run: Run) -> Run:
        if run.status == 0 and command == "ADD":
            self.results[attachment] = run.result()
        if run.status == 0 and command == "DEL":
            self.results.pop(attachment, None)
        return run


def version_key(version: str) -> tuple[int, ...]:
    """Return a spec version as numbers, to compare."""
    return tuple(int(part) for part in version.split("."))


def addresses_in(result: Json) -> list[str]:
    """Return the addresses of a result of any spec version."""
    if "ips" in result:
        return [ip["address"] for ip in result["ips"]]
    return [result[key]["ip"] for key in ("ip4", "ip6") if key in result]


def bare(address: str) -> str:
    """Return an address without its prefix length."""
    return address.partition("/")[0]
