"""`cni-bridge connect`: which network a container's default route leads to, when it has several."""

from functools import partial
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.kernel.test_cli_live import where
from tests.lab import Container, Host
from tests.lab.iproute import ip_json
from tests.lab.people import command, printed

FAR_AWAY = ("198.51.100.1", "2001:db8:f::1")


@pytest.fixture
def version() -> str:
    """Use one version of the spec: its routes are the same in all."""
    return "1.1.0"


def test_the_first_network_keeps_the_default_route_until_it_is_gone(
    host: Host, make_network: MakeNetwork, tmp_path: Path
) -> None:
    make = partial(make_network, isDefaultGateway=True)
    networks = [
        make(
            {"ranges": [[{"subnet": f"10.{at}.0.0/24"}], [{"subnet": f"fd0{at}::/64"}]]},
            name=name,
            bridge=f"{name}0",
        )
        for at, name in enumerate(("one", "two", "six"), 1)
    ]
    conf = where(tmp_path, *networks)
    container = host.container("c1")
    networks[0].add(container).result()
    printed("connect", "two", "c1", *conf)
    printed("isolate", "c1", "--network", "two", *conf)
    told = command("connect", "six", "c1", *conf).stderr
    assert "c1 on two is isolated, on six it is not: `cni-bridge isolate c1`" in told
    printed("join", "c1", *conf)
    assert used(container) == {"eth0"}
    printed("check", "two", "c1", "--ifname", "eth1", *conf)
    printed("disconnect", "one", "c1", *conf)
    assert used(container) == {"eth1"}
    printed("disconnect", "six", "c1", *conf)
    printed("connect", "six", "c1", "--ifname", "eth2", "--default-route", *conf)
    assert "eth2" in used(container)
    for name in ("two", "six"):
        printed("disconnect", name, "c1", *conf)


def used(container: Container) -> set[str]:
    """Return the interfaces by which packets to hosts far away leave, whatever the connection."""
    return {
        route["dev"]
        for address in FAR_AWAY
        for port in range(1, 9)
        for route in ip_json(
            *("route", "get", address, "ipproto", "tcp", "dport", str(port)),
            container=container.name,
        )
    }
