"""Two hundred calls at once over several networks, and a DEL that comes before its ADD is done."""

import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.kernel.test_failures import under_strace
from tests.kernel.test_stale import sql
from tests.lab import Attachment, Container, Host, Network, run_all
from tests.lab.iproute import ip_json
from tests.lab.network import addresses_in
from tests.lab.nft import ports
from tests.lab.publish import mapping, publishing

if TYPE_CHECKING:
    from subprocess import Popen

CONTAINERS = 50
EXHAUSTED, OVERTAKEN = 100, 11
PATIENCE = 50  # seconds; a run waits for the ledger ten at most, and all share the processors
STEPS = tuple(range(4, 13))  # messages to the kernel, before and after the pair is made

Wanted = tuple[str, Network, Container, str]


@pytest.fixture
def version() -> str:
    """Return a crowd is the same in every spec version."""
    return "1.1.0"


def at_once(wanted: list[Wanted]) -> list[int]:
    """All calls at the same time; the codes of those that failed."""
    calls = [
        network.call(command, Attachment(container, ifname))
        for command, network, container, ifname in wanted
    ]
    begin = time.monotonic()
    runs = run_all(wanted[0][1].plugin, calls)
    assert time.monotonic() - begin < PATIENCE
    codes = []
    for (command, network, container, ifname), run in zip(wanted, runs, strict=True):
        if run.status:
            codes.append(run.error()["code"])
        elif command == "ADD":
            network.results[Attachment(container, ifname)] = run.result()
        else:
            network.results.pop(Attachment(container, ifname))
    return codes


def given(network: Network) -> list[str]:
    """All addresses that the network's attachments have been told of."""
    return [ip for result in network.results.values() for ip in addresses_in(result)]


def test_two_hundred_calls_at_once_share_everything_and_disturb_nobody(
    host: Host, make_network: MakeNetwork
) -> None:
    networks = [
        make_network(
            {"ranges": [[{"subnet": f"10.{number}.0.0/24"}]]},
            name=f"net{number}",
            bridge=f"cni{number}",
            ipMasq=number < 2,
            **(publishing(mapping(0)) if number == 1 else {}),
        )
        for number in range(4)
    ]
    small = networks[3]
    small.config["ipam"]["ranges"][0][0]["rangeEnd"] = "10.3.0.41"  # forty, beside the gateway
    containers = [host.container() for _ in range(CONTAINERS)]

    def everywhere(command: str, numbers: tuple[int, ...]) -> list[Wanted]:
        return [
            (command, networks[number], container, f"eth{number}")
            for container in containers
            for number in numbers
        ]

    # A fresh host: no ledger, no bridge, no table of nftables.
    assert at_once(everywhere("ADD", (0, 1))) == []
    assert len(set(given(networks[0]))) == len(set(given(networks[1]))) == CONTAINERS
    chosen = [line.partition(" -> ")[0] for line in ports("port4")]
    assert len(set(chosen)) == CONTAINERS
    mixed = zip(everywhere("DEL", (0, 1)), everywhere("ADD", (2, 3)), strict=True)
    failed = at_once([call for pair in mixed for call in pair])
    assert Counter(failed) == {EXHAUSTED: 10}
    assert (len(set(given(networks[2]))), len(set(given(small)))) == (CONTAINERS, 40)
    assert ports("port4") == []
    ends = Counter(link["master"] for link in ip_json("link") if link["ifname"].startswith("veth"))
    assert ends == {"cni2": CONTAINERS, "cni3": 40}
    assert all(container.can_ping("10.2.0.1") for container in containers[::7])
    assert at_once(everywhere("DEL", (2,))) == []


@pytest.mark.parametrize("step", STEPS)
def test_a_del_that_overtakes_a_slow_add_wins(
    step: int, host: Host, network: Network, tmp_path: Path
) -> None:
    network.config["ipam"]["ranges"] = [[{"subnet": "10.88.0.0/30"}]]  # a single address
    slow, other = host.container(), host.container()
    stop = f"sendto:signal=STOP:when={step}"
    log = tmp_path / "strace.log"
    plugin = under_strace(network.plugin, stop, log)
    process = plugin.start(*network.call("ADD", Attachment(slow)))
    pid = stopped_after_its_claim(process, log)
    network.delete(slow).assert_silent_success()
    winner = network.add(other).result()
    os.kill(pid, signal.SIGCONT)
    error = plugin.finish(process).error()
    assert error["code"] == OVERTAKEN
    assert "was deleted while it was being added" in error["msg"]
    assert slow.links() == {"lo"}
    assert addresses_in(winner) == ["10.88.0.2/30"]
    assert other.can_ping("10.88.0.1")


def stopped_after_its_claim(process: "Popen[str]", log: Path) -> int:
    """Return the process id of an ADD, once it stands still and the ledger knows of it."""
    deadline = time.monotonic() + 20
    while not (log.exists() and "stopped by SIGSTOP" in log.read_text()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    ((pid,),) = sql("select pid from holding")
    return int(str(pid))
