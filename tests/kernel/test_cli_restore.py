"""`cni-bridge restore`: the firewall is there again, at once, as the ledger knows it."""

import subprocess
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.kernel.test_firewall_accidents import without_nft
from tests.lab import Host
from tests.lab.nft import exists, held, nft, ports
from tests.lab.people import command, printed
from tests.lab.publish import mapping, publish, publishing
from tests.lab.state import LEDGER


@pytest.fixture
def version() -> str:
    """Return the firewall is the same in every version of the spec."""
    return "1.1.0"


@pytest.mark.parametrize(
    ("harm", "missing"),
    [
        (
            "flush ruleset",
            "restored the rules of nftables table inet cni_bridge\n"
            "restored 12 elements of nftables table inet cni_bridge\n"
            "restored the rules of nftables table bridge cni_bridge\n"
            "restored 2 elements of nftables table bridge cni_bridge\n",
        ),
        (
            "flush chain inet cni_bridge forward",
            "restored the rules of nftables table inet cni_bridge\n",
        ),
        (
            "flush map inet cni_bridge port6",
            "restored 1 element of nftables table inet cni_bridge\n",
        ),
        (
            "delete table bridge cni_bridge",
            "restored the rules of nftables table bridge cni_bridge\n"
            "restored 2 elements of nftables table bridge cni_bridge\n",
        ),
    ],
)
def test_restore_brings_everything_back_and_says_what_was_missing(
    harm: str, missing: str, host: Host, make_network: MakeNetwork
) -> None:
    one = make_network(name="one", ipMasq=True, macspoofchk=True)
    two = make_network(name="two", bridge="cni1", isolation="on")
    two.config["ipam"] = {**two.config["ipam"], "dataDir": "/run/elsewhere"}
    two.config["ipam"]["ranges"] = [[{"subnet": "10.9.0.0/24"}]]
    first, second = host.container(), host.container()
    publish(one, first, mapping(8080)).result()
    two.add(second).result()
    assert printed("restore") == "nothing to restore\n"
    nft(*harm.split())
    assert one.check(first, config=publishing(mapping(8080))).error()["code"] == 120
    assert printed("restore") == missing
    assert printed("restore", "--quiet") == "", "again, which is harmless"
    one.check(first, config=publishing(mapping(8080))).assert_silent_success()
    two.check(second).assert_silent_success()
    assert (ports("port4"), held("isolated")) == (["tcp 8080 -> 10.88.0.2 80"], ["cni1"])


def test_restore_says_that_the_filter_of_published_ports_was_missing(
    host: Host, make_network: MakeNetwork
) -> None:
    publish(make_network(ipMasq=True), host.container(), mapping(8080)).result()
    subprocess.run(("tc", "qdisc", "delete", "dev", "cni0", "clsact"), check=True, timeout=30)
    assert "restored published ports of cni0 on 127.0.0.1" in printed("restore")
    assert printed("restore") == "nothing to restore\n"


def test_restore_without_a_ledger_makes_nothing(host: Host) -> None:
    assert "nothing to restore" in printed("restore")
    assert not LEDGER.exists()
    assert not exists()


def test_restore_without_nft_fails_and_says_what_to_install(
    host: Host, make_network: MakeNetwork, tmp_path: Path
) -> None:
    make_network(ipMasq=True).add(host.container()).result()
    with without_nft(tmp_path):
        run = command("restore", "--quiet")
    assert run.status == 1
    assert "nft is not installed" in run.stderr
