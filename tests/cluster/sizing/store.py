"""A real etcd of three members on this machine's loopback, and what it tells of itself."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

FIRST_PORT = 23790
MEMBERS = 3
DEADLINE_S = 30
MEMORY = "/dev/shm"  # so that the disk is not what is measured


@contextmanager
def etcd(place: str = MEMORY) -> Iterator[tuple[str, ...]]:
    """Its endpoints; what it holds lies in a directory there."""
    clients = [f"http://127.0.0.1:{FIRST_PORT + 2 * each}" for each in range(MEMBERS)]
    peers = [f"http://127.0.0.1:{FIRST_PORT + 2 * each + 1}" for each in range(MEMBERS)]
    cluster = ",".join(f"m{number}={peer}" for number, peer in enumerate(peers))
    with tempfile.TemporaryDirectory(dir=place) as directory:
        running = []
        try:
            for number, (client, peer) in enumerate(zip(clients, peers, strict=True)):
                words = (
                    *("etcd", "--name", f"m{number}", "--data-dir", f"{directory}/{number}"),
                    *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                    *("--listen-client-urls", client, "--advertise-client-urls", client),
                    *("--initial-cluster", cluster, "--logger", "zap", "--log-level", "error"),
                )
                with Path(directory, f"{number}.log").open("wb") as log:
                    running.append(subprocess.Popen(words, stdout=log, stderr=log))
            _wait(clients[0])
            yield tuple(clients)
        finally:
            for each in running:
                each.kill()
                each.wait()


def counted(endpoints: tuple[str, ...]) -> dict[str, float]:
    """Sum over all members of what they count, by metric."""
    sums: dict[str, float] = {}
    for endpoint in endpoints:
        with urlopen(f"{endpoint}/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


def _wait(endpoint: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            with urlopen(f"{endpoint}/health", timeout=2) as answer:
                if b"true" in answer.read():
                    return
        except OSError:
            assert time.monotonic() < deadline, "etcd does not start"
        time.sleep(0.1)
