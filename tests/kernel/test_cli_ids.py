"""Container ids of runtimes have 64 letters: people are told the first twelve, programs all."""

import json
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import Host
from tests.lab.clinic import doctor, write
from tests.lab.people import command, printed, printed_json

ID = "3f2a9c0d71be" + "4" * 52


@pytest.fixture
def version() -> str:
    """Return what people see does not depend on the spec version."""
    return "1.1.0"


def test_people_are_told_short_ids_and_programs_whole_ones(
    host: Host, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network(isDefaultGateway=True)
    write(tmp_path, network.config)
    container = host.container("cni-7f0c1a52-3b64-4f0e-9d57-0123456789ab")  # as containerd has it
    identity = {"CNI_CONTAINERID": ID}
    network.add(container, environment=identity).result()
    container.ip("link", "set", "eth0", "down")
    told = {
        "trace": printed("trace"),
        "explain": command("explain", ID[:4], "192.0.2.1:80").stdout,
        "doctor": doctor(tmp_path).stdout,
        "graph": printed("graph"),
    }
    for name, text in told.items():
        assert ID[:12] in text, name
        assert ID not in text, name
    assert [each["environment"]["CNI_CONTAINERID"] for each in printed_json("trace", "--json")] == [
        ID
    ]
    assert f'title="{ID}"' in printed("graph", "--format", "html")
    assert json.loads(doctor(tmp_path, "--fix", "--json").stdout)["findings"] == []
    network.delete(container, environment=identity).assert_silent_success()
