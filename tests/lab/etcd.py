"""A real etcd, one member a machine, all of it in the memory of that machine's /run.

Which machines these are is for the callers to say; what is kept in it is not known here.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab.machines import Machine
from tests.lab.waiting import wait_until

CLIENTS, PEERS = 2379, 2380
DATA = "/run/etcd"
# An election takes half a second here, where heartbeats cost nothing.
QUICK = ("--heartbeat-interval", "50", "--election-timeout", "500")
TIMEOUT = 20


class Member:
    """One of them; it can be killed and started again with what it had."""

    def __init__(self, machine: Machine, address: str, cluster: str) -> None:
        self.machine = machine
        self.endpoint = f"http://{address}:{CLIENTS}"
        self._address = address
        self._cluster = cluster
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        """Start the member, with these arguments beside its own; it joins the others, or joins them again."""
        peers, everywhere = f"http://{self._address}:{PEERS}", f"http://0.0.0.0:{CLIENTS}"
        words = (
            *("etcd", "--name", self._address, "--data-dir", DATA, "--logger", "zap"),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--listen-client-urls", everywhere, "--advertise-client-urls", self.endpoint),
            *("--initial-cluster", self._cluster, *QUICK, *more),
        )
        with self.machine.entered(), Path("/run/etcd.log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log)

    def kill(self) -> None:
        """At once, without a word to the others."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def tell(self, number: int) -> None:
        """Send the member a signal."""
        assert self._process
        self._process.send_signal(number)

    def forget(self) -> None:
        """Delete the member's data."""
        with self.machine.entered():
            shutil.rmtree(DATA)

    def restore(self, backup: Path) -> None:
        """Replace the member's data by the saved snapshot."""
        restore = "etcdutl" if shutil.which("etcdutl") else "etcdctl"  # of etcd before 3.6
        words = (
            *(restore, "snapshot", "restore", str(backup), "--data-dir", DATA),
            *("--name", self._address, "--initial-cluster", self._cluster),
            *("--initial-advertise-peer-urls", f"http://{self._address}:{PEERS}"),
        )
        self.forget()
        with self.machine.entered():
            subprocess.run(words, check=True, capture_output=True, timeout=TIMEOUT)

    @property
    def alone(self) -> str:
        """A cluster without others."""
        return f"{self._address}=http://{self._address}:{PEERS}"

    @property
    def runs(self) -> bool:
        """Whether it was started and not killed."""
        return self._process is not None


class Cluster:
    """All members."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members

    @property
    def endpoints(self) -> list[str]:
        """Where clients ask."""
        return [each.endpoint for each in self.members]

    def start(self, *more: str) -> None:
        """All that do not run, until there is a leader."""
        for each in self.members:
            if not each.runs:
                each.start(*more)
        wait_until(self._can_decide)

    def kill(self) -> None:
        """All of them."""
        for each in self.members:
            each.kill()

    def save(self, backup: Path) -> None:
        """Save the member's data to a file that all machines see."""
        self.ctl("snapshot", "save", str(backup), endpoint=self.endpoints[0])

    def leader(self) -> Member:
        """Return the one that leads now."""
        for each in self.members:
            status = self.ctl("endpoint", "status", endpoint=each.endpoint)[0]["Status"]
            if status["leader"] == status["header"]["member_id"]:
                return each
        raise AssertionError("no member leads")

    def ctl(self, *words: str, endpoint: str = "") -> Any:
        """Return what etcdctl says."""
        endpoint = endpoint or ",".join(self.endpoints)
        done = self._run(("etcdctl", "-w", "json", "--endpoints", endpoint, *words))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout

    def fails(self, *words: str) -> bool:
        """Whether etcdctl is refused."""
        return self._run(("etcdctl", "--endpoints", self.endpoints[0], *words)).returncode != 0

    def _can_decide(self) -> bool:
        return not self.fails("get", "anything")

    def _run(self, words: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
        with self.members[0].machine.entered():
            return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT)


@contextmanager
def etcd(machines: Mapping[str, Machine]) -> Iterator[Cluster]:
    """Yield a cluster with a member at each of these addresses."""
    names = ",".join(f"{address}=http://{address}:{PEERS}" for address in machines)
    found = Cluster([Member(machine, address, names) for address, machine in machines.items()])
    try:
        found.start()
        yield found
    finally:
        found.kill()
