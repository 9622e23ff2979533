"""The fixtures of the tests on the real kernel: a fresh private host, a plugin, a network.

`PLUGIN=/path/to/executable pytest tests/kernel` tests another executable, the reference included.
"""

from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from tests.lab import PLUGIN, Host, Network, Plugin
from tests.lab.namespaces import become_root
from tests.lab.stacks import OURS
from tests.lab.town import Town

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
SUBNET4, GATEWAY4 = "10.88.0.0/16", "10.88.0.1"
SUBNET6, GATEWAY6 = "fd00:88::/64", "fd00:88::1"

MakeNetwork = Callable[..., Network]


def pytest_configure() -> None:
    """An ordinary user can run these tests as root of a user namespace."""
    become_root()


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Every spec version that the plugin speaks."""
    return str(request.param)


@pytest.fixture
def plugin() -> Plugin:
    """The executable under test."""
    assert PLUGIN.is_file(), f"no plugin at {PLUGIN}: run `make build`"
    return Plugin.at(PLUGIN)


@pytest.fixture
def host() -> Iterator[Host]:
    """A private host."""
    with Host() as private:
        yield private


@pytest.fixture
def town(host: Host) -> Iterator[Town]:
    """The same host with an outside world, servers everywhere, and networks of the plugin's."""
    with Town(host, OURS) as surrounded:
        yield surrounded


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Every test ends so: what it attached is deleted, and then all must be as before."""
    outcome = yield
    private = pyfuncitem.funcargs.get("host")
    if isinstance(private, Host):
        private.tidy()
        private.assert_as_before()
    return outcome


@pytest.fixture
def make_network(host: Host, plugin: Plugin, version: str) -> MakeNetwork:
    """Makes a dual-stack network; keywords change the config, `ipam` keys are merged."""

    def make(ipam: dict[str, Any] | None = None, **changes: Any) -> Network:
        ranges = [[{"subnet": SUBNET4}], [{"subnet": SUBNET6}]]
        defaults = {
            "cniVersion": version,
            "name": "testnet",
            "type": plugin.type,
            "bridge": "cni0",
            "isGateway": True,
            "ipam": {"type": plugin.ipam_type, "ranges": ranges, **(ipam or {})},
        }
        config = {key: value for key, value in (defaults | changes).items() if value is not None}
        return host.network(plugin, config)

    return make


@pytest.fixture
def network(make_network: MakeNetwork) -> Network:
    """The network that most tests use."""
    return make_network()
