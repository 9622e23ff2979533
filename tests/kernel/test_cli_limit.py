"""`cni-bridge limit`: the bandwidth of a running container, changed and known afterwards."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.kernel.test_bandwidth import bucket, host_end, ifbs, kernel_has, shapes_egress
from tests.kernel.test_lost_ledger import lose
from tests.lab import Host, Network
from tests.lab.iproute import ip, tc
from tests.lab.people import command, printed, printed_json
from tests.lab.state import LEDGER

if not (kernel_has("tbf") and shapes_egress()):
    pytest.skip("this kernel has no token buckets or no ifb", allow_module_level=True)


@pytest.fixture
def version() -> str:
    """Limits are the same in every version of the spec."""
    return "1.1.0"


def test_limits_are_set_changed_and_taken_away_and_check_and_del_know(
    host: Host, network: Network
) -> None:
    container = host.container()
    network.add(container).result()
    assert printed("limit", container.name) == "c1 on testnet: ingress none, egress none\n"
    text = printed("limit", container.name, "--ingress", "10M", "--egress", "4M")
    assert text == "c1 on testnet: ingress 10M, egress 4M\n"
    end, (ifb,) = host_end(network), ifbs()
    assert (bucket(end)["rate"], bucket(ifb)["rate"]) == (1_250_000, 500_000)
    assert abs(bucket(end)["burst"] - 125_000) < 200
    network.check(container).assert_silent_success()
    printed("limit", container.name, "--egress", "8M", "--burst", "2M")  # in place, ingress stays
    assert ifbs() == [ifb]
    assert (bucket(end)["rate"], bucket(ifb)["rate"]) == (1_250_000, 1_000_000)
    assert abs(bucket(ifb)["burst"] - 250_000) < 200
    network.check(container).assert_silent_success()
    found = printed_json("limit", container.name, "--ingress", "none", "--json")
    assert found == {
        "attachments": [
            {
                "network": "testnet",
                "container": "c1",
                "ifname": "eth0",
                "ingress": 0,
                "egress": 8_000_000,
            }
        ]
    }
    assert container.can_ping("10.88.0.1")
    network.check(container).assert_silent_success()
    network.delete(container).assert_silent_success()
    assert ifbs() == []
    host.assert_as_before()


def test_check_finds_what_others_took_and_restore_gives_it_back(
    host: Host, network: Network
) -> None:
    container = host.container()
    network.add(container).result()
    printed("limit", container.name, "--ingress", "10M", "--egress", "4M")
    tc("qdisc", "del", "dev", host_end(network), "root")
    tc("qdisc", "del", "dev", host_end(network), "ingress")
    details = network.check(container).error()["details"]
    assert "expected a limit of 1250000 bytes/s" in details
    assert "restored the limits of 1 container" in printed("restore")
    network.check(container).assert_silent_success()
    assert "restored the limits" not in printed("restore")


def test_limits_of_the_config_are_replaced_for_one_container(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(
        ingressRate=8_000_000, ingressBurst=8_000_000, egressRate=8_000_000, egressBurst=8_000_000
    )
    container, other = host.container(), host.container()
    network.add(container).result()
    network.add(other).result()
    printed("limit", container.name, "--egress", "none")
    assert len(ifbs()) == 1
    for each in (container, other):
        network.check(each).assert_silent_success()
    network.delete_all()
    assert ifbs() == []


def test_what_makes_no_sense_is_refused_and_changes_nothing(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    for words, hint in (
        (("--ingress", "fast"), "like 10M or 500k, or none"),
        (("--ingress", "7"), "7: expected 8 bits or more"),
        (("--egress", "0"), "or none for no limit"),
        (("--ingress", "1.5M"), "1.5M: expected a whole number"),
        (("--ingress", "-5M"), "-5M: expected a whole number"),
        (("--burst", "-1"), "-1: expected a whole number"),
        (("--ingress", "5T"), "no unit is named T: expected k, M, G"),
        (("--burst", "1M"), "needs a rate"),
        (("--ingress", "1M", "--network", "other"), "not attached to other"),
    ):
        done = command("limit", container.name, *words)
        assert done.status
        assert hint in done.stderr, done
    with closing(sqlite3.connect(LEDGER)) as ledger:
        assert ledger.execute("select * from changed").fetchall() == []


def test_a_limit_of_a_container_that_was_deleted_says_so(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    network.delete(container).assert_silent_success()
    done = command("limit", container.name, "--ingress", "1M")
    assert (done.status, ifbs()) == (1, [])
    assert "is not attached" in done.stderr


def test_a_lost_ledger_learns_both_limits_from_the_kernel(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(egressRate=8_000_000, egressBurst=8_000_000)
    container = host.container()
    network.add(container).result()
    printed("limit", container.name, "--ingress", "10M", "--egress", "100k")
    lose()
    for words in (("limit", "c1"), ("limit", "c1", "--ingress", "4M"), ("publish", "c1", "80:80")):
        refused = command(*words)
        assert (
            refused.status,
            "attached to testnet, but no ledger knows it" in refused.stderr,
        ) == (
            1,
            True,
        ), refused
        assert "`cni-bridge restore --from-kernel` records it again" in refused.stderr
    assert "no ledger knows it" in command("disconnect", "testnet", "c1").stderr
    assert "not attached to other" in command("limit", "c1", "--network", "other").stderr
    printed("restore", "--from-kernel")
    printed("limit", container.name, "--ingress", "4M")
    network.check(container).assert_silent_success()
    assert bucket(*ifbs())["rate"] == 12_500


def test_a_container_that_is_gone_has_no_limits(
    host: Host, network: Network, tmp_path: Path
) -> None:
    container = host.container()
    network.add(container).result()
    ip("link", "del", host_end(network))
    for words in (("limit", "c1"), ("limit", "c1", "--ingress", "4M")):
        done = command(*words)
        assert (done.status, done.stdout) == (1, "")
        assert "c1 eth0 on testnet is gone" in done.stderr
    assert "is gone" in command("publish", "c1", "80:80", "--conf-dir", str(tmp_path)).stderr
    with closing(sqlite3.connect(LEDGER)) as ledger:
        assert ledger.execute("select * from changed").fetchall() == []
