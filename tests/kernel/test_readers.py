"""Whoever looks into the ledger, or waits in line for it, stops no container."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from tests.kernel.conftest import GATEWAY4
from tests.lab import Host, Network
from tests.lab.network import addresses_in
from tests.lab.state import LEDGER

# A sample; the long run has CROWD=200 ROUNDS=10.
CROWD, ROUNDS = int(os.environ.get("CROWD", "40")), int(os.environ.get("ROUNDS", "1"))
BUSY = "while True: pass"


@pytest.fixture
def version() -> str:
    """Return one version: the ledger does not depend on it."""
    return "1.1.0"


def test_an_open_read_transaction_stops_neither_add_nor_del(host: Host, network: Network) -> None:
    first, second = host.container(), host.container()
    network.add(first).result()
    with closing(sqlite3.connect(LEDGER, isolation_level=None)) as reader:
        reader.execute("begin")
        held = reader.execute("select container from holding").fetchall()
        began = time.monotonic()
        network.add(second).result()
        network.delete(first).assert_silent_success()
        assert time.monotonic() - began < 5
        assert reader.execute("select container from holding").fetchall() == held
    assert second.can_ping(GATEWAY4)
    network.check(second).assert_silent_success()


def test_many_adds_beside_a_busy_process_all_succeed(host: Host, network: Network) -> None:
    containers = [host.container() for _ in range(CROWD)]
    for _ in range(ROUNDS):
        with subprocess.Popen([sys.executable, "-c", BUSY]) as busy:
            runs = network.do_all("ADD", containers)
            busy.kill()
        given = [address for run in runs for address in addresses_in(run.result())]
        assert len(set(given)) == 2 * CROWD
        for run in network.do_all("DEL", containers):
            run.assert_silent_success()
