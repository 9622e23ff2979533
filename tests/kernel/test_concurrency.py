"""Many runtimes at once: the same as one after the other."""

import os
import signal
from dataclasses import replace
from pathlib import Path

from tests.kernel.conftest import GATEWAY4
from tests.lab import Host, Network
from tests.lab.iproute import ip_json
from tests.lab.network import Attachment, addresses_in
from tests.lab.state import LEDGER
from tests.lab.waiting import wait_until

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


def test_a_del_that_resumes_late_leaves_what_was_added_meanwhile(
    host: Host, network: Network
) -> None:
    container = host.container()
    network.add(container).result()
    stop = (
        "-P",
        str(LEDGER.parent),
        "-e",
        "trace=openat",
        "-e",
        "inject=openat:signal=STOP:when=1",
    )
    prefix = ("strace", "-f", "-qq", "-o", "/dev/null", *stop)
    plugin = replace(network.plugin, prefix=prefix)
    process = plugin.start(*network.call("DEL", Attachment(container)))
    # Its pair is removed, and it stands still before it waits for the ledger.
    wait_until(lambda: container.links() == {"lo"} and stopped_child(process.pid) > 0)
    late = stopped_child(process.pid)
    network.delete(container).assert_silent_success()
    network.add(container).result()
    os.kill(late, signal.SIGCONT)
    plugin.finish(process).assert_silent_success()
    assert container.can_ping(GATEWAY4)
    if network.has_check:
        network.check(container).assert_silent_success()
    other = host.container()
    assert not set(addresses_in(network.add(other).result())) & set(container.addresses())


def stopped_child(parent: int) -> int:
    """Return the process that strace runs, once it stands still; 0 until then."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if Path(f"/proc/{child}/stat").read_text().rpartition(") ")[2][0] in "tT":
            return int(child)
    return 0
