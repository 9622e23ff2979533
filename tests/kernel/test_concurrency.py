"""Many runtimes at once: the same as one after the other."""

from pathlib import Path

import pytest

from cni_bridge.attachments import NAMESERVERS
from tests.kernel.conftest import GATEWAY4, MakeNetwork
from tests.lab import Host, Json, Network
from tests.lab.iproute import ip_json
from tests.lab.network import Attachment, addresses_in
from tests.lab.paused import paused
from tests.lab.state import LEDGER

AT_ONCE = 30


def test_thirty_adds_at_once_give_thirty_addresses_and_thirty_dels_leave_nothing(
    host: Host, network: Network
) -> None:
    containers = [host.container() for _ in range(AT_ONCE)]
    results = [run.result() for run in network.do_all("ADD", containers)]
    given = [address for result in results for address in addresses_in(result)]
    assert len(set(given)) == 2 * AT_ONCE
    assert len(ip_json("link", "show", "type", "bridge")) == 1
    assert len(ip_json("link", "show", "master", network.bridge)) == AT_ONCE
    unreachable = [each.name for each in containers if not each.can_ping(GATEWAY4)]
    assert not unreachable
    for run in network.do_all("DEL", containers):
        run.assert_silent_success()
    host.assert_as_before()


def test_of_equal_adds_at_once_one_wins_and_it_stays_whole(host: Host, network: Network) -> None:
    container = host.container()
    runs = network.do_all("ADD", [container] * 5)
    (winner,) = (run for run in runs if run.status == 0)
    assert container.addresses() == addresses_in(winner.result())
    assert container.can_ping(GATEWAY4)
    assert {run.error()["code"] for run in runs if run.status} <= {11, 102}


@pytest.mark.parametrize(
    ("keys", "path", "call"),
    [
        # Before it removes anything, it looks whether there are nameservers.
        ({}, NAMESERVERS, "%file"),
        ({"ipMasq": True}, NAMESERVERS, "%file"),
        # Its pair is removed, and it waits for the ledger.
        ({}, str(LEDGER.parent), "openat"),
    ],
    ids=["before", "before it removes rules", "before it releases"],
)
def test_a_del_that_resumes_late_leaves_what_was_added_meanwhile(
    keys: Json, path: str, call: str, host: Host, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network(**keys)
    container = host.container()
    network.add(container).result()
    log = tmp_path / "strace"
    with paused(network, "DEL", Attachment(container), log, at=call, path=path):
        network.delete(container).assert_silent_success()
        network.add(container).result()
    assert container.can_ping(GATEWAY4)
    if network.has_check:
        network.check(container).assert_silent_success()
    other = host.container()
    assert not set(addresses_in(network.add(other).result())) & set(container.addresses())
