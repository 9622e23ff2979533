"""Published ports: who reaches them from where, who is refused, and who may have them."""

import json
import subprocess

import pytest

from tests.lab.town import HOST_PORT, Town
from tests.traffic.rows import Setting, answers, published
from tests.traffic.scenes import MASQ_ALL, NO_SNAT, PORTS, SPELLING
from tests.traffic.trials import CONFLICTS, LOOPBACK, LOOPBACK_FROM_OUTSIDE, MANY, Trial


@pytest.mark.parametrize("setting", [PORTS, SPELLING, NO_SNAT, MASQ_ALL], ids=str)
def test_ports_answer_where_they_should(town: Town, setting: Setting) -> None:
    setting.build(town)
    answers(town, setting.rows).assert_wanted()


@pytest.mark.parametrize("trial", [*MANY, *LOOPBACK, *LOOPBACK_FROM_OUTSIDE, *CONFLICTS], ids=str)
def test_trials_end_as_they_should(town: Town, trial: Trial) -> None:
    assert trial.outcome(town) == trial.want


def test_a_refused_port_names_the_container_that_has_it(town: Town) -> None:
    town.network("a")
    town.attach("a1", *published(8080))
    error = town.try_to_attach("a2", *published(8080)).error()
    assert "8080" in f"{error}"
    assert "a1" in f"{error}"


def test_a_refused_port_names_the_process_that_listens(town: Town) -> None:
    town.network("a")
    error = town.try_to_attach("a1", *published(HOST_PORT)).error()
    assert str(HOST_PORT) in f"{error}"


def test_two_protocols_or_two_addresses_do_not_meet(town: Town) -> None:
    town.network("a")
    tcp, udp = published(8080)
    town.attach("a1", tcp)
    town.attach("a2", udp)
    town.attach("a3", *published(8081, at=town.address("host", 4)))
    town.attach("a4", *published(8081, at=town.address("host2", 4)))
    assert town.ask("world", "host", 8080, "tcp") == "a1:80 saw world"
    assert town.ask("world", "host", 8080, "udp") == "a2:80 saw world"
    assert town.ask("world", "host", 8081) == "a3:80 saw world"
    assert town.ask("world", "host2", 8081) == "a4:80 saw world"


def test_a_port_is_free_again_after_del(town: Town) -> None:
    town.network("a")
    town.attach("a1", *published(8080))
    town.detach("a1")
    assert town.ask("world", "host", 8080) == "refused"
    town.attach("a2", *published(8080))
    assert town.ask("world", "host", 8080) == "a2:80 saw world"


def test_host_port_zero_is_one_that_is_free(town: Town) -> None:
    town.network("a")
    (tcp, _) = published(0)
    town.attach("a1", tcp)
    (port,) = chosen_ports()
    assert town.ask("world", "host", port) == "a1:80 saw world"
    assert town.ask("world", "host", port, family=6) == "a1:80 saw world"


@pytest.mark.parametrize("key", ["conditionsV4", "conditionsV6"])
def test_conditions_are_refused(town: Town, key: str) -> None:
    town.network("a", **{key: ["-s", "192.0.2.0/24"]})
    error = town.try_to_attach("a1", *published(8080)).error()
    assert key in error["msg"]


def test_marks_are_accepted_and_not_needed(town: Town) -> None:
    town.network("a", markMasqBit=12, ipMasq=True, ipMasqBackend="iptables")
    town.attach("a1", *published(8080))
    assert town.ask("a1", "host", 8080) == "a1:80 saw gateway-a"


def chosen_ports() -> set[int]:
    """Return the ports in the kernel's map for every IPv4 address."""
    command = ("nft", "-j", "list", "map", "inet", "cni_bridge", "port4")
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    elements = next(entry["map"]["elem"] for entry in listed["nftables"] if "map" in entry)
    return {key["concat"][1] for key, _ in elements}
