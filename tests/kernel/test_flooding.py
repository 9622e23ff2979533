"""What an ADD floods to the other containers on its bridge: each frame costs CPU for each of them."""

import socket
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import Container, Host, Network
from tests.lab.namespaces import visiting
from tests.lab.script import delegate, script

ETH_P_ALL, ETH_P_ARP, ETH_P_IPV6 = 3, 0x0806, 0x86DD
LATER_S = 0.7  # the kernel solicits routers and reports groups within a second


@pytest.fixture
def network(make_network: MakeNetwork) -> Network:
    # The result of 0.1.0 names no interfaces.
    return make_network(cniVersion="1.0.0", ipam={"ranges": [[{"subnet": "10.88.0.0/16"}]]})


def heard_by(listener: Container, network: Network, host: Host) -> Counter[str]:
    """Return the kinds of frames of a container that is added that arrive at another one."""
    added = host.container()
    with visiting(listener.netns):
        link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        link.bind(("eth0", ETH_P_ALL))
    with link:
        _, outer, inner = network.add(added).result()["interfaces"]
        heard: Counter[str] = Counter()
        deadline = time.monotonic() + LATER_S
        while (left := deadline - time.monotonic()) > 0:
            link.settimeout(left)
            try:
                frame = link.recv(2048)
            except TimeoutError:
                break
            if frame[6:12].hex(":") not in (outer["mac"], inner["mac"]):
                continue
            kind = int.from_bytes(frame[12:14], "big")
            heard[{ETH_P_ARP: "ARP", ETH_P_IPV6: "IPv6"}.get(kind, hex(kind))] += 1
    return heard


def setting(container: Container, key: str) -> str:
    with visiting(container.netns):
        return Path("/proc/sys/net", key).read_text().strip()


def test_an_ipv4_add_floods_one_announcement_and_nothing_else(host: Host, network: Network) -> None:
    listener = host.container()
    network.add(listener).result()
    time.sleep(LATER_S)  # until its own frames are over
    assert heard_by(listener, network, host) == {"ARP": 1}


def test_ipv6_stays_on_where_the_config_keeps_it(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    assert setting(container, "ipv6/conf/eth0/disable_ipv6") == "1"
    network.delete(container).assert_silent_success()
    network.config["ipv6LinkLocal"] = True
    network.add(container).result()
    assert setting(container, "ipv6/conf/eth0/disable_ipv6") == "0"


def test_ipv6_stays_on_where_a_sysctl_turns_it_on(host: Host, network: Network) -> None:
    network.config["sysctl"] = {"net.ipv6.conf.IFNAME.disable_ipv6": "0"}
    container = host.container()
    network.add(container).result()
    assert setting(container, "ipv6/conf/eth0/disable_ipv6") == "0"


def test_ipv6_stays_on_for_a_delegated_route(host: Host, network: Network, tmp_path: Path) -> None:
    answer = '{"ips": [{"address": "10.88.0.2/16"}], "routes": [{"dst": "2001:db8::/32"}]}'
    script(tmp_path, f"[ \"$CNI_COMMAND\" = ADD ] || exit 0; echo '{answer}'")
    variables = delegate(network, "scripted", tmp_path)
    container = host.container()
    network.add(container, environment=variables).result()
    assert "2001:db8::/32 dev eth0" in container.ip("-6", "route", "show")
    network.check(container, environment=variables).assert_silent_success()
    network.delete(container, environment=variables).assert_silent_success()


def test_ipv6_stays_on_where_the_bridge_has_other_gateways(host: Host, network: Network) -> None:
    network.config["isGateway"] = False
    container = host.container()
    network.add(container).result()
    assert setting(container, "ipv6/conf/eth0/disable_ipv6") == "0"


def test_an_address_is_announced_again_when_the_link_comes_back(
    host: Host, network: Network
) -> None:
    container = host.container()
    network.add(container).result()
    assert setting(container, "ipv4/conf/eth0/arp_notify") == "1"
