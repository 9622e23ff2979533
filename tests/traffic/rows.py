"""What a row is: in a setting, somebody asks somebody, and this is the answer that there should be.

A setting is built once and all its rows are asked at once; which settings and rows there are stands in `scenes`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from tests.lab.echo import BLOCKED, NO_ANSWER, PATIENCE
from tests.lab.plugin import Json
from tests.lab.town import FAMILIES, Town

PROTOCOLS = ("tcp", "udp")
WAYS = (True, False)  # with br_netfilter and without
KEPT_OUT = "kept out"  # in whatever way


@dataclass(frozen=True)
class Way:
    """One of the circumstances in which a row is asked."""

    bridged: bool
    family: int
    protocol: str

    def __str__(self) -> str:
        return f"IPv{self.family} {self.protocol}{', br_netfilter' if self.bridged else ''}"


@dataclass(frozen=True)
class Row:
    """`asker` asks `address` on `port`; `want` is the answer, `bridged` with br_netfilter."""

    about: str
    asker: str
    address: str
    port: int
    want: str
    bridged: str = ""
    families: tuple[int, ...] = FAMILIES
    protocols: tuple[str, ...] = PROTOCOLS

    def ways(self, bridged: bool) -> Iterator[Way]:
        """Yield the circumstances, with or without br_netfilter."""
        for family, protocol in product(self.families, self.protocols):
            yield Way(bridged, family, protocol)

    def wanted(self, way: Way) -> str:
        """Return the answer that there should be."""
        return self.bridged if way.bridged and self.bridged else self.want


@dataclass(frozen=True, eq=False)
class Setting:
    """Networks with their keys, and containers with what they publish."""

    about: str
    networks: Mapping[str, Json]
    containers: Mapping[str, tuple[Json, ...]]
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        return self.about

    def build(self, town: Town) -> None:
        """Make it all in an empty town."""
        for letter, config in self.networks.items():
            town.network(letter, **config)
        for name, ports in self.containers.items():
            town.attach(name, *ports)


@dataclass
class Answers:
    """What was answered to the rows of a setting, by row and way."""

    by_row: dict[Row, dict[Way, str]] = field(default_factory=dict)

    def add(self, town: Town, asked: Sequence[tuple[Row, Way]], patience: float = PATIENCE) -> None:
        """Asks all these at once."""
        said = town.ask_all(
            [(row.asker, row.address, row.port, way.protocol, way.family) for row, way in asked],
            patience,
        )
        for (row, way), answer in zip(asked, said, strict=True):
            self.by_row[row][way] = answer

    def is_late(self, row: Row, way: Way) -> bool:
        """Whether an answer that should have come did not: a busy machine, perhaps."""
        answer = self.by_row[row][way]
        return answer == NO_ANSWER and not fits(answer, row.wanted(way))

    def unwanted(self, row: Row) -> dict[Way, str]:
        """Where something else came than should have, and what."""
        return {
            way: answer
            for way, answer in self.by_row[row].items()
            if not fits(answer, row.wanted(way))
        }

    def assert_wanted(self) -> None:
        """Everything was answered as it should be."""
        wrong = [
            f"{row.about}, {way}: {answer}, not {row.wanted(way)}"
            for row in self.by_row
            for way, answer in self.unwanted(row).items()
        ]
        assert not wrong, "\n".join(wrong)


def fits(answer: str, want: str) -> bool:
    """Whether this answer is the one that there should be."""
    return answer in BLOCKED if want == KEPT_OUT else answer == want


def answers(town: Town, rows: Iterable[Row]) -> Answers:
    """Asks every row in every way."""
    rows = tuple(rows)
    found = Answers({row: {} for row in rows})
    for bridged in WAYS:
        town.filter_bridged(bridged)
        asked = [(row, way) for row in rows for way in row.ways(bridged)]
        found.add(town, asked)
        found.add(town, [each for each in asked if found.is_late(*each)], patience=3.0)
    return found


def published(host_port: int, port: int = 80, at: str = "", **changes: Any) -> tuple[Json, Json]:
    """Return the same port for TCP and UDP."""
    place = {"hostIP": at} if at else {}
    return tuple(  # type: ignore[return-value] # two protocols
        {"hostPort": host_port, "containerPort": port, "protocol": each, **place, **changes}
        for each in PROTOCOLS
    )
