"""Networks whose `ipam.dataDir` changes or is lost while containers run: nothing twice, nothing stuck."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.kernel.conftest import GATEWAY4, MakeNetwork
from tests.lab import Container, Host, Network
from tests.lab.iproute import ip_json
from tests.lab.people import command, printed
from tests.lab.publish import mapping, publish
from tests.lab.state import LEDGER

DIRECTORY = "/run/elsewhere"
OTHER = Path(DIRECTORY) / "cni-bridge/ledger.sqlite"
pytestmark = pytest.mark.parametrize("version", ["1.1.0"])


@pytest.fixture
def network(make_network: MakeNetwork) -> Network:
    """Make a network with its addresses in the host's ledger, at first."""
    return make_network()


@pytest.fixture(autouse=True)
def directory(host: Host) -> None:
    """Make a directory that is part of the private host."""
    assert host.before
    Path(DIRECTORY).mkdir()


def move(network: Network, directory: str | None) -> None:
    """Change the config's dataDir."""
    network.config["ipam"].pop("dataDir", None)
    if directory:
        network.config["ipam"]["dataDir"] = directory


def add(host: Host, network: Network) -> Container:
    container = host.container()
    network.add(container).result()
    return container


def records(path: Path = LEDGER, table: str = "holding") -> list[str]:
    """Return the containers that a ledger knows."""
    with closing(sqlite3.connect(path)) as ledger:
        return [name for (name,) in ledger.execute(f"select container from {table} order by 1")]


def test_no_address_is_given_twice_when_the_data_dir_comes_and_goes(
    host: Host, network: Network
) -> None:
    containers = []
    for directory in (None, DIRECTORY, None, DIRECTORY, f"{DIRECTORY}/more", DIRECTORY, None):
        move(network, directory)
        containers.append(add(host, network))
    given = [each.addresses()[0] for each in containers]
    assert len(set(given)) == len(given), given
    assert all(each.can_ping(GATEWAY4) for each in containers)


def test_del_by_the_old_config_and_add_by_the_new(host: Host, network: Network) -> None:
    one, two = add(host, network), add(host, network)
    move(network, DIRECTORY)
    add(host, network)
    move(network, None)
    network.delete(one).assert_silent_success()
    move(network, DIRECTORY)
    network.add(one).result()
    network.delete(two).assert_silent_success()
    assert records() == []
    move(network, None)
    network.add(two).result()
    assert one.can_ping(GATEWAY4)
    assert two.can_ping(GATEWAY4)


def test_del_finds_the_record_where_the_config_names_another_ledger(
    host: Host, network: Network
) -> None:
    move(network, DIRECTORY)
    one, two = add(host, network), add(host, network)
    assert records(OTHER) == [one.name, two.name]
    aliases = {link["ifalias"] for link in ip_json("link", "show", "type", "veth")}
    assert f"cni-bridge testnet/{one.name}/eth0 in {DIRECTORY}/cni-bridge" in aliases
    move(network, None)
    network.delete(one).assert_silent_success()
    assert records(OTHER) == [two.name]
    move(network, f"{DIRECTORY}/nothing")
    network.do("GC", two, "eth0", config={"cni.dev/valid-attachments": []}).assert_silent_success()
    assert records(OTHER) == []
    assert two.links() == {"lo"}


def test_a_second_add_by_another_ledger_does_not_hurt_the_first(
    host: Host, network: Network
) -> None:
    container = add(host, network)
    for directory in (DIRECTORY, f"{DIRECTORY}/more", None):
        move(network, directory)
        error = network.add(container).error()
        assert error["code"] == 102
        assert "Send DEL for it first" in error["details"]
        assert container.can_ping(GATEWAY4)


def test_an_id_can_be_added_again_after_its_ledger_was_lost(host: Host, network: Network) -> None:
    move(network, DIRECTORY)
    container = host.container()
    publish(network, container, mapping(8080)).result()
    shutil.rmtree(DIRECTORY)
    container.ip("link", "del", "eth0")
    publish(network, container, mapping(8080)).result()
    assert container.can_ping(GATEWAY4)
    network.check(container).assert_silent_success()
    network.delete(container).assert_silent_success()
    assert records(table="guarded") == []


def test_restore_records_an_attachment_in_its_own_ledger_only(host: Host, network: Network) -> None:
    ours = add(host, network)
    move(network, DIRECTORY)
    theirs = add(host, network)
    OTHER.unlink()
    LEDGER.unlink()
    assert f"of {ours.name} eth0" in printed("restore", "--from-kernel")
    assert records() == [ours.name]
    command("restore", "--from-kernel", "--state-dir", f"{DIRECTORY}/cni-bridge")
    assert records(OTHER) == [theirs.name]
