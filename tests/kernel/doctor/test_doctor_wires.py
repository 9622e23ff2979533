"""`cni-bridge doctor` and `explain` on wires, which have no bridge, and no end on the host."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab import Container, Host, Plugin
from tests.lab.clinic import explain, findings, write
from tests.lab.wire import addresses_of, wire

Harm = Callable[[Container], object]
HARMS: dict[str, tuple[Harm, str, str]] = {
    "end down": (lambda c: c.ip("link", "set", "eth0", "down"), "links", "eth0 in c2 is down"),
    "address lost": (
        lambda c: c.ip("addr", "flush", "dev", "eth0", "scope", "global"),
        "addresses",
        "is not on eth0 in c2",
    ),
}


@pytest.fixture
def ends(host: Host, plugin: Plugin, conf: Path) -> tuple[Container, Container, str]:
    """Two containers on a wire, and the second one's address."""
    network = host.network(plugin, wire(plugin))
    write(conf, network.config)
    one, two = host.container(), host.container()
    network.add(one).result()
    assert findings(conf) == [], "one that waits for the other is well"
    network.add(two).result()
    return one, two, addresses_of(network, two)[0]


def test_a_wire_that_is_well_has_no_findings(
    conf: Path, ends: tuple[Container, Container, str]
) -> None:
    assert findings(conf) == []
    _, why = explain("c1", f"{ends[2]}:80")
    assert why == "nothing listens on tcp/80 in c2: connection refused"


@pytest.mark.parametrize("harm", HARMS)
def test_what_is_wrong_at_an_end_is_found_and_named(
    harm: str, conf: Path, ends: tuple[Container, Container, str]
) -> None:
    act, check, words = HARMS[harm]
    one, two, address = ends
    act(two)
    found = findings(conf)
    assert {each["check"] for each in found} == {check}
    assert all(words in each["cause"] for each in found)
    hops, why = explain("c1", f"{address}:80")
    assert "c2" in why, hops
    assert why.endswith(("eth0 in c2 is down", f"has lost its address {address}/24"))
    for each in found:
        subprocess.run(["bash", "-c", each["command"]], check=True, timeout=30)
    assert findings(conf) == []
    assert one.can_ping(address)


def test_the_asker_whose_end_is_down_is_named(
    conf: Path, ends: tuple[Container, Container, str]
) -> None:
    ends[0].ip("link", "set", "eth0", "down")
    _, why = explain("c1", f"{ends[2]}:80")
    assert why == "eth0 in c1 is down"


def test_a_wire_whose_other_container_died_is_gone(
    conf: Path, ends: tuple[Container, Container, str]
) -> None:
    ends[0].ip("link", "del", "eth0")
    causes = [each["cause"] for each in findings(conf) if each["check"] == "links"]
    assert causes == ["eth0 of c1 eth0 is gone", "eth0 of c2 eth0 is gone"]
