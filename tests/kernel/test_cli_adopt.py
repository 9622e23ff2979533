"""`cni-bridge adopt host-local`: what the reference has reserved, and whether we look at it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import PEERS, PLUGIN, Host, Network, Plugin
from tests.lab.clinic import write
from tests.lab.people import printed

RESERVATIONS = Path("/var/lib/cni/networks")
REFERENCE = Plugin(PEERS / "bridge", "host-local")


@pytest.fixture
def version() -> str:
    """Return what people see does not depend on the spec version."""
    return "1.1.0"


@pytest.fixture
def before(make_network: MakeNetwork) -> Network:
    """Return a network that the reference serves."""
    return Network(REFERENCE, make_network({"type": "host-local"}).config | {"type": "bridge"})


def adopt(conf: Path) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit status, and what is listed."""
    words = (PLUGIN, "adopt", "host-local", "--conf-dir", conf, "--json")
    run = subprocess.run(words, capture_output=True, text=True, timeout=60)
    return run.returncode, json.loads(run.stdout)["reservations"]


def test_reservations_are_kept_where_a_config_leads_to_them(
    host: Host, before: Network, tmp_path: Path
) -> None:
    container = host.container()
    before.add(container).result()
    status, ignored = adopt(tmp_path)
    assert (status, {each["state"] for each in ignored}) == (1, {"ignored"})
    write(tmp_path, before.config | {"type": "cni-bridge"})
    status, kept = adopt(tmp_path)
    assert (status, {each["state"] for each in kept}) == (0, {"kept"})
    assert {(each["network"], each["container"], each["ifname"]) for each in kept} == {
        ("testnet", container.name, "eth0")
    }
    before.delete(container).assert_silent_success()
    assert adopt(tmp_path) == (0, [])


def test_a_reservation_of_a_container_that_is_gone_is_stale_and_its_file_named(
    host: Host, before: Network, tmp_path: Path
) -> None:
    container = host.container()
    before.add(container).result()
    write(tmp_path, before.config | {"type": "cni-bridge"})
    container.delete()
    status, stale = adopt(tmp_path)
    assert (status, {each["state"] for each in stale}) == (0, {"stale"})
    for each in stale:
        subprocess.run(["bash", "-c", each["advice"].partition(": ")[2]], check=True, timeout=30)
    assert adopt(tmp_path) == (0, [])


def test_a_directory_that_is_none_is_refused(host: Host) -> None:
    words = (PLUGIN, "adopt", "host-local", "/nowhere")
    run = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (1, "")
    assert "/nowhere is not a directory" in run.stderr


def test_without_a_reference_nothing_is_reserved(host: Host) -> None:
    if RESERVATIONS.exists():
        RESERVATIONS.rmdir()
    assert printed("adopt", "host-local") == f"no reservations in {RESERVATIONS}\n"
