"""Limits of what a container gets and sends, by the kernel's own account and by traffic.

Where the kernel lacks what a limit needs, what is tested is that ADD says so and does nothing.
"""

import json
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.conftest import GATEWAY4, MakeNetwork
from tests.kernel.test_failures import disturbed_adds
from tests.lab import Container, Host, Network, Plugin, peer
from tests.lab.iproute import ip, ip_json, tc, tc_json
from tests.lab.namespaces import private_host
from tests.lab.network import version_key
from tests.lab.throughput import received, sent

BYTES, BURST = 2_000_000, 100_000  # a second, and at once
INGRESS = {"ingressRate": BYTES * 8, "ingressBurst": BURST * 8}
EGRESS = {"egressRate": BYTES * 8, "egressBurst": BURST * 8}
BOTH = {**INGRESS, **EGRESS}
REFERENCE = peer("bandwidth")

PROBES = {
    "tbf": "tc qdisc add dev lo root tbf rate 1mbit burst 10k latency 25ms",
    "ifb": "ip link add ifb-x type ifb",
    "mirred": "tc actions add action mirred egress redirect dev lo",
    "police": "tc actions add action police rate 1mbit burst 10k drop",
}


@cache
def kernel_has(feature: str) -> bool:
    """By iproute2's account."""
    with private_host():
        return not subprocess.run(PROBES[feature].split(), capture_output=True).returncode


def shapes_egress() -> bool:
    return all(map(kernel_has, ("tbf", "ifb", "mirred")))


def can_limit(keys: dict[str, int]) -> bool:
    """Whether this kernel has what these keys need."""
    can_receive = "ingressRate" not in keys or kernel_has("tbf")
    return can_receive and ("egressRate" not in keys or shapes_egress() or kernel_has("police"))


def limited(host: Host, network: Network, **changes: Any) -> Container | None:
    """Return a container with limits; None, after a look at the error, where the kernel has none."""
    container = host.container()
    run = network.add(container, **changes)
    config = {**network.config, **changes.get("config", {})}
    if can_limit(config.get("runtimeConfig", {}).get("bandwidth", config)):
        run.result()
        return container
    error = run.error()
    assert error["code"] == 2, error
    assert "this kernel can't limit" in error["msg"]
    assert host.changes() == []
    return None


def host_end(network: Network) -> str:
    (port,) = ip_json("link", "show", "master", network.bridge)
    return str(port["ifname"])


def ifbs() -> list[str]:
    return [link["ifname"] for link in ip_json("link", "show", "type", "ifb")]


def bucket(device: str) -> dict[str, Any]:
    """Return the token bucket of a device, as tc shows it."""
    (shown,) = tc_json("qdisc", "show", "dev", device, "root")
    assert shown["kind"] == "tbf"
    options: dict[str, Any] = shown["options"]
    return options


@pytest.mark.parametrize("keys", [INGRESS, EGRESS, BOTH], ids=["ingress", "egress", "both"])
def test_limits_are_made_reported_checked_and_removed(
    keys: dict[str, int], host: Host, make_network: MakeNetwork, version: str
) -> None:
    network = make_network(**keys)
    container = limited(host, network)
    if container is None:
        return
    devices = [host_end(network)] if "ingressRate" in keys else []
    if "egressRate" in keys and shapes_egress():
        devices += ifbs()
        assert len(devices) == len(keys) // 2
    for device in devices:
        options = bucket(device)
        assert options["rate"] == BYTES
        assert abs(options["burst"] - BURST) < BURST / 1000
    (result,) = network.results.values()
    if version_key(version) >= (0, 3, 0):
        assert [each["name"] for each in result["interfaces"][3:]] == ifbs()
        assert result["interfaces"][2]["sandbox"] == str(container.netns)
        assert {each["interface"] for each in result["ips"]} == {2}
    if network.has_check:
        network.check(container).assert_silent_success()
    network.delete(container).assert_silent_success()
    assert ifbs() == []


def keeps_to_the_limit(carry: Callable[[Container, str], float], container: Container) -> None:
    """Never more than it may be, and near to it at least once: a busy machine carries less."""
    rates: list[float] = []
    while len(rates) < 5 and max(rates, default=0) < 0.6 * BYTES:
        rates.append(carry(container, GATEWAY4))
    assert 0.6 * BYTES < max(rates) < 1.3 * BYTES


@pytest.mark.parametrize("version", ["1.1.0"])
def test_traffic_keeps_to_the_limit_in_both_directions(
    host: Host, make_network: MakeNetwork
) -> None:
    container = limited(host, make_network(**BOTH))
    if container is None:
        return
    keeps_to_the_limit(received, container)
    if shapes_egress():
        keeps_to_the_limit(sent, container)
    else:
        assert sent(container, GATEWAY4) < 1.3 * BYTES


@pytest.mark.parametrize("version", ["1.1.0"])
def test_without_limits_traffic_is_not_limited(host: Host, network: Network) -> None:
    container = host.container()
    network.add(container).result()
    assert received(container, GATEWAY4) > 5 * BYTES
    assert sent(container, GATEWAY4) > 5 * BYTES


@pytest.mark.parametrize("version", ["1.1.0"])
def test_the_runtime_can_ask_for_limits(host: Host, make_network: MakeNetwork) -> None:
    network = make_network(capabilities={"bandwidth": True})
    container = limited(host, network, config={"runtimeConfig": {"bandwidth": INGRESS}})
    if container is not None:
        assert bucket(host_end(network))["rate"] == BYTES


@pytest.mark.parametrize("version", ["1.1.0"])
def test_a_burst_that_holds_no_frame_is_raised_to_one(
    host: Host, make_network: MakeNetwork
) -> None:
    container = limited(host, make_network(ingressRate=BYTES * 8, ingressBurst=8))
    if container is not None:
        assert container.can_ping(GATEWAY4)
        assert received(container, GATEWAY4) > 0.1 * BYTES


@pytest.mark.parametrize("version", ["1.1.0"])
def test_a_rate_beyond_32_bits_is_kept(host: Host, make_network: MakeNetwork) -> None:
    rate = 1 << 33
    network = make_network(ingressRate=rate * 8, ingressBurst=(1 << 34))
    container = limited(host, network)
    if container is not None:
        assert bucket(host_end(network))["rate"] == rate
        network.check(container).assert_silent_success()


Change = Callable[[Network], object]
CHANGES: dict[str, Change] = {
    "limit removed": lambda n: tc("qdisc", "del", "dev", host_end(n), "root"),
    "rate changed": lambda n: tc(
        *f"qdisc change dev {host_end(n)} root tbf rate 9mbit burst 100k latency 25ms".split()
    ),
    "filter removed": lambda n: tc("filter", "del", "dev", host_end(n), "ingress"),
}
IFB_CHANGES: dict[str, Change] = {
    "ifb gone": lambda _: ip("link", "del", ifbs()[0]),
    "ifb down": lambda _: ip("link", "set", ifbs()[0], "down"),
    "ifb's limit removed": lambda _: tc("qdisc", "del", "dev", ifbs()[0], "root"),
}


@pytest.mark.parametrize("version", ["1.1.0"])
@pytest.mark.parametrize("change", CHANGES | IFB_CHANGES)
def test_check_notices_each_change_made_by_hand(
    change: str, host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(**BOTH)
    container = limited(host, network)
    if container is None or (change in IFB_CHANGES and not shapes_egress()):
        return
    (CHANGES | IFB_CHANGES)[change](network)
    assert network.check(container).error()["code"] == 120


@pytest.mark.parametrize("version", ["1.1.0"])
def test_del_by_identity_alone_leaves_no_device(host: Host, make_network: MakeNetwork) -> None:
    network = make_network(**BOTH)
    container = limited(host, network)
    if container is None:
        return
    bare = {key: network.config[key] for key in ("cniVersion", "name", "type")}
    container.delete()
    run = network.delete(container, environment={"CNI_NETNS": None}, stdin=json.dumps(bare))
    run.assert_silent_success()
    assert ifbs() == []


@pytest.mark.parametrize("version", ["1.1.0"])
@pytest.mark.parametrize("fault", ["sendto:error=EPERM", "sendto:signal=KILL"])
def test_an_add_with_everything_inline_that_is_disturbed_leaves_nothing(
    fault: str, host: Host, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network(**BOTH, sysctl={"net.core.somaxconn": "99"}, promisc=True)
    if limited(host, network) is None:
        return
    network.delete_all()
    for step, run in disturbed_adds(host, network, fault, tmp_path):
        if run.status != 1:  # killed, or this step may fail and the attachment is whole
            network.delete(host.containers[-1]).assert_silent_success()
        left = host.left_behind()
        assert not left, f"{step}: {run.stdout}\n" + "\n".join(left)


@pytest.mark.parametrize("version", ["1.1.0"])
def test_what_is_wrong_with_a_limit_is_said_before_anything_is_done(
    host: Host, make_network: MakeNetwork
) -> None:
    error = make_network(ingressRate=1000).add(host.container()).error()
    assert (error["code"], error["msg"]) == (7, "if rate is set, burst must also be set")
    assert host.changes() == []


@pytest.mark.parametrize("version", ["1.1.0"])
def test_status_knows_whether_the_limits_are_possible(
    host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(**BOTH)
    environment = {"CNI_COMMAND": "STATUS", "CNI_PATH": network.plugin.search_path}
    run = network.plugin.run(environment, json.dumps(network.config))
    if can_limit(BOTH):
        run.assert_silent_success()
    else:
        assert run.error()["code"] == 50


@pytest.mark.parametrize("version", ["1.0.0"])
def test_the_reference_bandwidth_works_after_ours(host: Host, network: Network) -> None:
    assert REFERENCE.is_file(), "run `make peers`"
    if not (kernel_has("tbf") and shapes_egress()):
        return
    container = host.container()
    first = network.add(container).result()
    chained = Network(Plugin.at(REFERENCE), {**network.config, "type": "bandwidth", **BOTH})
    (attachment,) = network.results
    network.results[attachment] = chained.add(container, config={"prevResult": first}).result()
    for each in (network, chained):
        each.check(container).assert_silent_success()
    ours = bucket(host_end(network))
    assert ours["rate"] == BYTES
    chained.delete(container).assert_silent_success()
