"""A ledger that SQLite can read, with a value that makes no sense: what each command does then.

That each column of each table is looked at is tested without a kernel.
"""

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.kernel.test_state_directory import forget, links, sql
from tests.lab import Host
from tests.lab.nft import ports
from tests.lab.people import printed
from tests.lab.publish import mapping, publish, publishing

IO_FAILURE, NOT_AVAILABLE = 5, 50
# The statement, and the commands that need the value.
DAMAGES = {
    "update lease set prefix_length = 'text'": "CHECK",
    "update lease set prefix_length = 99": "CHECK",
    "update lease set gateway = x'01'": "CHECK",
    "update holding set mac = 'text' where container = (select min(container) from lease)": "",
    "update last_leased set address = 'text'": "STATUS ADD",
    "insert into accepting values (5)": "",
    "update element set key_end = x'01' where set_name = 'masq4'": "CHECK",
    "update element set data = 'text' where data is not null": "CHECK",
    "update element set data = x'01' where data is not null": "CHECK",
}


@pytest.fixture
def version() -> str:
    """Return what becomes of the ledger does not depend on the spec version."""
    return "1.1.0"


@pytest.mark.parametrize("statement", DAMAGES)
def test_a_value_that_makes_no_sense_is_called_damage_and_del_does_without(
    statement: str, host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(ipMasq=True, macspoofchk=True)
    one, two, three = (host.container() for _ in range(3))
    publish(network, one, mapping(8080)).result()
    network.add(two).result()
    sql(statement)
    runs = {
        "STATUS": lambda: network.do("STATUS", one, "eth0"),
        "CHECK": lambda: network.check(one, config=publishing(mapping(8080))),
        "ADD": lambda: network.add(three),
    }
    for command in DAMAGES[statement].split():
        error = runs[command]().error()
        assert error["code"] == (NOT_AVAILABLE if command == "STATUS" else IO_FAILURE), error
        assert "/run/cni-bridge/ledger.sqlite is damaged: " in error["msg"]
        assert "restore --from-kernel" in error["details"]
    network.delete(one).assert_silent_success()
    assert (one.links(), ports("port4")) == ({"lo"}, [])
    printed("restore", "--from-kernel")
    network.check(two).assert_silent_success()
    network.add(three).result()
    network.delete(two).assert_silent_success()
    network.delete(three).assert_silent_success()
    assert (links(), ports("port4")) == (set(), [])
    forget(host)
