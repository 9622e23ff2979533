"""What a row of the tables is: a config, what is done with it, and the differences that are meant.

Nothing is run here. A row's name says what is tried, in words that fit both plugins.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
ABSENT: Any = ...  # as a value of a config: the key is left out

SUBNET4, GATEWAY4 = "10.88.0.0/16", "10.88.0.1"
SUBNET6, GATEWAY6 = "fd00:88::/64", "fd00:88::1"
BASE: Json = {
    "cniVersion": "1.0.0",
    "name": "testnet",
    "type": "bridge",
    "bridge": "cni0",
    "isGateway": True,
}
BASE_IPAM: Json = {"type": "host-local", "ranges": [[{"subnet": SUBNET4}], [{"subnet": SUBNET6}]]}


@dataclass(frozen=True)
class Call:
    """One call of the plugin.

    `config` changes the row's, and None in `environment` takes a variable away. `refused` holds our
    error code and words that both plugins' messages have; the reference's code is ours or 999.
    """

    command: str
    container: str = "c1"
    ifname: str = "eth0"
    config: Json = field(default_factory=dict)
    environment: Mapping[str, str | None] = field(default_factory=dict)
    stdin: str | None = None
    refused: tuple[int, str] | None = None


@dataclass(frozen=True)
class ByHand:
    """What an operator does meanwhile: words for iproute2's `ip`, on the host or in a container.

    `{port}` stands for the host end that was made last.
    """

    words: str
    container: str = ""


@dataclass(frozen=True)
class Write:
    """A file that is written, on the host or (a sysctl) in a container."""

    path: str
    content: str
    container: str = ""


Step = Call | ByHand | Write


def add(container: str = "c1", **changes: Any) -> Call:
    """ADD."""
    return Call("ADD", container, **changes)


def delete(container: str = "c1", **changes: Any) -> Call:
    """DEL, with prevResult where the config's version has it."""
    return Call("DEL", container, **changes)


def check(container: str = "c1", **changes: Any) -> Call:
    """CHECK, with prevResult."""
    return Call("CHECK", container, **changes)


@dataclass(frozen=True)
class Row:
    """`config` and `ipam` are merged into the base; `ipam` None is a config without IPAM.

    `differs`: names of intended differences that this row shows.
    """

    name: str
    config: Json = field(default_factory=dict)
    ipam: Json | None = field(default_factory=dict)
    steps: tuple[Step, ...] = (add(),)
    differs: tuple[str, ...] = ()

    def document(self) -> Json:
        """Return the network config."""
        ipam = {} if self.ipam is None else {"ipam": _present(BASE_IPAM | self.ipam)}
        return _present(BASE | ipam | self.config)


def _present(config: Json) -> Json:
    return {key: value for key, value in config.items() if value is not ABSENT}
