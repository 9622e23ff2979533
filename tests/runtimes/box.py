"""A running container as its network sees it, and what must be true of all of them.

Whichever runtime has made it; asked with sockets in its namespace, not through the runtime.
"""

from dataclasses import dataclass
from pathlib import Path

from tests.lab import namespaces
from tests.lab.echo import NO_ANSWER, Question, ask_all
from tests.lab.ping import answers
from tests.lab.town import OUTSIDE, Town

LISTENING = (80, 53)


@dataclass(frozen=True)
class Box:
    """A container."""

    name: str
    netns: Path
    addresses: tuple[str, ...]


def assert_reach_each_other(one: Box, other: Box) -> None:
    """Both ping each other at every address, of both families."""
    for here, there in ((one, other), (other, one)):
        assert len(there.addresses) == 2, there
        with namespaces.visiting(here.netns):
            silent = [each for each in there.addresses if not answers(each)]
        assert not silent, f"{here.name} gets no answer from {silent}"


def assert_published(
    town: Town, box: Box, sibling: Box, host_port: int, port: int, kind: str
) -> None:
    """Assert that a published port answers the host, its localhost, the outside, a sibling and the box itself."""
    town.servers.listen(box.name, port, netns=box.netns)
    host4, host6 = OUTSIDE["host"]
    world = town.netns("world")
    where = {
        "the host": (None, host4),
        "localhost": (None, "127.0.0.1"),
        "the host by IPv6": (None, host6),
        "outside": (world, host4),
        "outside by IPv6": (world, host6),
        "a sibling": (sibling.netns, host4),
        "itself": (box.netns, host4),
    }
    questions = [Question(netns, address, host_port, kind) for netns, address in where.values()]
    heard = dict(zip(where, ask_all(questions), strict=True))
    town.servers.end(box.name)
    deaf = {who: what for who, what in heard.items() if not what.startswith(f"{box.name}:{port} ")}
    assert not deaf, deaf


def assert_not_published(town: Town, host_port: int, kind: str) -> None:
    """Nobody answers there any more."""
    question = Question(town.netns("world"), OUTSIDE["host"][0], host_port, kind)
    (heard,) = ask_all([question])
    assert heard in (NO_ANSWER, "refused"), heard
