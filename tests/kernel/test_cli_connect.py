"""`cni-bridge connect`: which network a container's default route leads to, when it has several."""

import subprocess
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.kernel.test_cli_live import where
from tests.lab import Container, Host, Network
from tests.lab.clinic import doctor, findings
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
    networks = gateways(make_network, "one", "two", "six")
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
    assert used(container) == {"eth2"}
    printed("check", "six", "c1", "--ifname", "eth2", *conf)
    for name in ("two", "six"):
        printed("disconnect", name, "c1", *conf)


def test_what_doctor_gives_back_takes_no_default_route_from_another_network(
    host: Host, make_network: MakeNetwork, tmp_path: Path
) -> None:
    one, two = gateways(make_network, "one", "two")
    conf = where(tmp_path, one, two)
    container = host.container("c1")
    one.add(container).result()
    printed("connect", "two", "c1", *conf)
    before = defaults(container)

    def lose(ifname: str) -> None:
        for family in ("-4", "-6"):
            container.ip(family, "route", "del", "default", "dev", ifname)

    container.ip("addr", "del", "10.2.0.2/24", "dev", "eth1")
    container.ip("link", "set", "eth1", "down")  # takes away its IPv4 routes only
    doctor(tmp_path, "--fix")
    assert defaults(container) == before, "also after the address of one is back"
    lose("eth1")
    told = [each["command"] for each in findings(tmp_path)]
    assert len(told) == 2
    for line in told:
        subprocess.run(line.split(), check=True, timeout=30)
    assert defaults(container) == before, "by hand"
    for ifname in ("eth1", "eth0"):
        lose(ifname)
        doctor(tmp_path, "--fix")
        assert defaults(container) == before, ifname
    assert not findings(tmp_path)

    printed("disconnect", "two", "c1", *conf)
    printed("connect", "two", "c1", "--default-route", *conf)
    assert used(container) == {"eth1"}
    lose("eth0")
    doctor(tmp_path, "--fix")
    assert used(container) == {"eth1"}
    assert {dev for dev, *_ in defaults(container)} == {"eth0", "eth1"}
    printed("disconnect", "two", "c1", *conf)


def test_a_command_means_the_interface_that_is_on_the_network(
    host: Host, make_network: MakeNetwork, tmp_path: Path
) -> None:
    one, two = gateways(make_network, "one", "two")
    conf = where(tmp_path, one, two)
    one.add(host.container("c1")).result()
    taken = command("connect", "two", "c1", "--ifname", "eth0", *conf).stderr
    assert "has an interface eth0 already" in taken
    assert "del " not in taken, "it is that of another network"
    printed("connect", "two", "c1", *conf)
    mistyped = command("disconnect", "two", "c1", "--ifname", "eth0", *conf).stderr
    assert "c1 on two has no interface eth0" in mistyped
    assert "its interfaces there: eth1" in mistyped
    assert printed("check", "two", "c1", *conf) == "c1 eth1 on two is as it was added\n"
    assert printed("del", "two", "c1", *conf) == "c1 eth1 is detached from two\n"


def gateways(make_network: MakeNetwork, *names: str) -> list[Network]:
    """Return networks that give a default route in both families."""
    return [
        make_network(
            {"ranges": [[{"subnet": f"10.{at}.0.0/24"}], [{"subnet": f"fd0{at}::/64"}]]},
            name=name,
            bridge=f"{name}0",
            isDefaultGateway=True,
        )
        for at, name in enumerate(names, 1)
    ]


def defaults(container: Container) -> set[tuple[str, str, int]]:
    """Return the default routes: interface, gateway and metric."""
    return {
        (route.get("dev", ""), route.get("gateway", ""), route.get("metric", 0))
        for family in ("-4", "-6")
        for route in ip_json(family, "route", "show", "default", container=container.name)
    }


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
