"""Containers have names: they are shown first, and every command takes them, ids and addresses."""

from pathlib import Path
from typing import Any

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import Container, Host, Network
from tests.lab.clinic import doctor, write
from tests.lab.iproute import ip
from tests.lab.people import command, printed, printed_json
from tests.lab.state import LEDGER

ID = "bb130bf84a3a" + "4" * 52
SPACE = "cni-7f0c1a52-3b64-4f0e-9d57-0123456789ab"  # containerd's
NAMED = {"CNI_CONTAINERID": ID, "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAME=web"}
BACK = {"type": "cni-bridge", "subnet": "10.77.0.0/24"}
PORT: dict[str, Any] = {
    "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
}


@pytest.fixture
def version() -> str:
    """Return what people see does not depend on the spec version."""
    return "1.1.0"


@pytest.fixture
def network(make_network: MakeNetwork, tmp_path: Path) -> Network:
    """Return a network with a config that `check` and `doctor` find."""
    network = make_network(isDefaultGateway=True)
    write(tmp_path, network.config)
    return network


@pytest.fixture
def web(host: Host, network: Network) -> Container:
    """Return a container that its runtime calls web."""
    container = host.container(SPACE)
    network.add(container, environment=NAMED, config=PORT).result()
    return container


def test_the_name_is_shown_first(
    host: Host, network: Network, web: Container, tmp_path: Path
) -> None:
    network.add(host.container("red"), environment={"CNI_CONTAINERID": "cnitool-5a8a"}).result()
    web.ip("link", "set", "eth0", "down")
    told = {
        "show": printed("show"),
        "graph": printed("graph"),
        "explain": command("explain", "web", "192.0.2.1:80").stdout,
        "doctor": doctor(tmp_path).stdout,
        "trace": printed("trace"),
    }
    for name, text in told.items():
        assert ("web" in text, ID[:12] in text) == (True, False), (name, text)
    for name in ("show", "graph", "trace"):
        assert ("red" in told[name], "cnitool" in told[name]) == (True, False), name
    (found,) = printed_json("show", "web", "--json")["attachments"]
    assert (found["name"], found["container"]) == ("web", ID)
    details = printed("show", "web").splitlines()
    assert details[:2] == ["container    web", f"id           {ID}"]
    network.delete(web, environment=NAMED).assert_silent_success()
    red = {"CNI_CONTAINERID": "cnitool-5a8a"}
    network.delete(host.containers[1], environment=red).assert_silent_success()


@pytest.mark.parametrize("which", ["web", ID, ID[:6], SPACE, "10.88.0.2", "fd00:88::2"])
def test_every_command_takes_every_way_to_name_it(
    which: str, host: Host, web: Container, network: Network, tmp_path: Path
) -> None:
    where = ("--conf-dir", str(tmp_path))
    assert "10.88.0.2/16" in printed("show", which)
    assert "10.88.0.2/16" in printed("exec", which, "--", "ip", "-o", "addr", "show", "eth0")
    assert "ADD web" in printed("trace", which)
    assert command("explain", which, f"{_host(which)}:80").status < 2
    # It was not added from here, so there is no result to check against.
    assert "web eth0 was not added" in command("check", "testnet", which, *where).stderr
    printed("del", "testnet", which, *where)
    assert "eth0" not in web.links()


@pytest.mark.parametrize("name", ["web", "shop/web"])
def test_no_command_prints_an_id_where_there_is_a_name(
    name: str, host: Host, network: Network, make_network: MakeNetwork, tmp_path: Path
) -> None:
    container, where = host.container(SPACE), ("--conf-dir", str(tmp_path))
    *namespace, own = name.split("/")
    arguments = f"K8S_POD_NAME={own};K8S_POD_NAMESPACE={''.join(namespace)}"
    environment = {**NAMED, "CNI_ARGS": f"IgnoreUnknown=1;{arguments}"}
    network.add(container, environment=environment, config=PORT).result()
    write(tmp_path, {**network.config, "name": "back", "bridge": "back0", "ipam": BACK})
    told = [
        command(*words.split(), *where)
        for words in (
            f"publish {ID[:9]} 8081:81",
            f"unpublish {ID[:9]} 8081",
            f"unpublish {ID[:9]} 9999",
            f"limit {ID[:9]} --ingress 10M",
            f"limit {ID[:9]} --network nosuch",
            f"connect back {ID[:9]} --ifname eth7",
            f"add back {ID[:9]} --ifname eth7",
            f"check back {ID[:9]} --ifname eth7",
            f"disconnect back {ID[:9]}",
            f"disconnect back {ID[:9]}",
            "rm testnet",
        )
    ]
    request = {"CNI_CONTAINERID": ID, "CNI_NETNS": str(container.netns), "CNI_IFNAME": "eth0"}
    file = str(next(tmp_path.glob("*testnet*")))
    told += [command("plan", file, *more, environment=request) for more in ((), ("--diff",))]
    assert not [run for run in told if name not in run.stdout + run.stderr]
    assert not [run for run in told if ID[:12] in run.stdout + run.stderr]
    host_end = printed_json("show", ID, "--json")["attachments"][0]["host_name"]
    ip("link", "set", host_end, "nomaster")
    assert f"of {name} eth0" in doctor(tmp_path, "--fix").stdout
    LEDGER.unlink()
    assert f"of {name} eth0 on testnet" in printed("restore", "--from-kernel")
    ip("link", "del", host_end)
    container.delete()
    for words in ("gc --dry-run", "gc"):
        assert f"stale attachment {name}/eth0" in printed(*words.split())
    printed("rm", "back", *where)


def _host(which: str) -> str:
    return f"[{which}]" if ":" in which else which


def test_names_are_completed(host: Host, network: Network, web: Container) -> None:
    facts = "web\ttestnet 10.88.0.2 fd00:88::2\n"
    for words in (("show", "we"), ("explain", "w"), ("exec", ""), ("trace", "web")):
        assert facts in printed("__complete", *words)
    host.container("red")
    assert "red\tnetwork namespace\n" in printed("__complete", "add", "testnet", "r")
    network.delete(web, environment=NAMED).assert_silent_success()


def test_errors_name_the_holder(host: Host, network: Network, web: Container) -> None:
    other = host.container("other")
    error = network.add(other, config=PORT).error()
    assert f"is held by container web ({ID[:12]}) on network testnet" in error["msg"]
    wish = {"CNI_ARGS": "IgnoreUnknown=1;IP=10.88.0.2"}
    error = network.add(other, environment=wish).error()
    assert f"interface eth0 of container web ({ID[:12]}) on network testnet" in error["details"]
    network.delete(web, environment=NAMED).assert_silent_success()


def test_two_containers_with_one_name_are_told_apart(
    host: Host, network: Network, web: Container
) -> None:
    twin = {**NAMED, "CNI_CONTAINERID": "cc" + ID[2:]}
    network.add(host.container("cni-" + SPACE[4:].replace("7", "8")), environment=twin).result()
    shown = printed("show")
    for identity in (ID, twin["CNI_CONTAINERID"]):
        assert f"web ({identity[:12]})" in shown
    run = command("explain", "web", "192.0.2.1:80")
    assert (run.status, "web may be any of several containers" in run.stderr) == (2, True)
    assert f"web ({ID[:12]})" in run.stderr
    network.delete(web, environment=NAMED).assert_silent_success()
    network.delete(host.containers[1], environment=twin).assert_silent_success()


def test_the_namespace_of_a_pod_goes_before_its_name(host: Host, network: Network) -> None:
    names = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart"
    environment = {"CNI_CONTAINERID": ID, "CNI_ARGS": names}
    network.add(host.container(SPACE), environment=environment).result()
    assert "shop/cart" in printed("show")
    for which in ("shop/cart", "cart"):
        assert printed("show", which).startswith("container    shop/cart\n")
        assert "ADD shop/cart" in printed("trace", which)
    network.delete(host.containers[0], environment=environment).assert_silent_success()
