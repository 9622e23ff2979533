"""The fixtures of the doctor's tests: a network whose config it finds, a container on it."""

from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import Container, Host, Network
from tests.lab.clinic import PORTS, write


@pytest.fixture
def version() -> str:
    """Return what people see does not depend on the spec version."""
    return "1.1.0"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """Return the directory of the configs."""
    directory = tmp_path / "net.d"
    directory.mkdir()
    return directory


@pytest.fixture
def network(make_network: MakeNetwork, conf: Path) -> Network:
    """Return a network with everything that can be broken, whose config the doctor finds."""
    made = make_network(isDefaultGateway=True, ipMasq=True)
    made.config["capabilities"] = {"portMappings": True}
    write(conf, made.config)
    return made


@pytest.fixture
def container(host: Host, network: Network) -> Container:
    """Return a container on it, which publishes a port."""
    made = host.container()
    network.add(made, config={"runtimeConfig": PORTS}).result()
    return made
