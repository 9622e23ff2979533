"""The fixtures of the tests on the real kernel: a fresh private host, a plugin, a network.

`PLUGIN=/path/to/executable pytest tests/kernel` tests another executable, the reference included.

A test that asks for `version` itself, as an argument or with `usefixtures`, runs with every spec version.
Other tests only need it for a network's config; they run with the oldest and the newest. `SPEC_VERSIONS=all`
runs each with every version, `SPEC_VERSIONS=newest` with the newest that it has (`make try`).
"""

import inspect
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import PLUGIN, Host, Network, Plugin, dns
from tests.lab.namespaces import become_root
from tests.lab.stacks import OURS
from tests.lab.town import Town

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
SUBNET4, GATEWAY4 = "10.88.0.0/16", "10.88.0.1"
SUBNET6, GATEWAY6 = "fd00:88::/64", "fd00:88::1"

SPEC_VERSIONS = os.environ.get("SPEC_VERSIONS", "ends")  # "newest", "ends" or "all"
HERE = Path(__file__).parent

MakeNetwork = Callable[..., Network]


def pytest_configure() -> None:
    """Let an ordinary user run these tests as root of a user namespace."""
    become_root()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect spec versions that are not chosen; see the top of this file."""
    cases: dict[object, list[pytest.Function]] = defaultdict(list)
    for item in items:
        if HERE not in item.path.parents or not isinstance(item, pytest.Function):
            continue
        if "version" in (parameters := _parameters(item)):
            others = {**parameters, "version": None}
            cases[item.path, item.originalname, repr(others)].append(item)
    unwanted = {each for group in cases.values() for each in _not_chosen(group)}
    config.hook.pytest_deselected(items=[each for each in items if each in unwanted])
    items[:] = [each for each in items if each not in unwanted]


def _parameters(item: pytest.Function) -> dict[str, object]:
    return item.callspec.params if hasattr(item, "callspec") else {}


def _not_chosen(group: list[pytest.Function]) -> list[pytest.Function]:
    """Return the cases that do not run, of those that differ in their spec version only (rising)."""
    if SPEC_VERSIONS == "newest":
        return group[:-1]
    return [] if SPEC_VERSIONS == "all" or _asks_for_version(group[0]) else group[1:-1]


def _asks_for_version(item: pytest.Function) -> bool:
    named = [mark.args[0] for mark in item.iter_markers("parametrize")]
    named += [mark.args for mark in item.iter_markers("usefixtures")]
    named.append(inspect.signature(item.function).parameters)
    return any("version" in each for each in named)


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Every spec version that the plugin speaks."""
    return str(request.param)


@pytest.fixture
def plugin() -> Plugin:
    """Return the executable under test."""
    assert PLUGIN.is_file(), f"no plugin at {PLUGIN}: run `make build`"
    return Plugin.at(PLUGIN)


@pytest.fixture
def host() -> Iterator[Host]:
    """Yield a private host."""
    with Host() as private:
        yield private


@pytest.fixture
def town(host: Host) -> Iterator[Town]:
    """Yield the same host with an outside world, servers everywhere, and networks of the plugin's."""
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
    """Make a dual-stack network; keywords change the config, `ipam` keys are merged."""

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
    """Return the network that most tests use."""
    return make_network()


@pytest.fixture
def named(make_network: MakeNetwork) -> Iterator[Network]:
    """Return a network with a nameserver, which a failed test would leave running."""
    yield make_network(nameserver=True)
    for each in dns.servers():
        os.kill(each, signal.SIGKILL)
