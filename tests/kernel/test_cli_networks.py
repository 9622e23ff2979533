"""Networks as people see them: listed with their addresses, shown one by one, drawn and removed."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.lab import Host
from tests.lab.iproute import ip, ip_json
from tests.lab.namespaces import mount
from tests.lab.people import command, printed, printed_json

ROOT = Path(__file__).parents[2]
DIRECTORY = Path("/etc/cni/net.d")


@pytest.fixture(autouse=True)
def _private_directory(host: Host) -> None:
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    mount("tmpfs", DIRECTORY, "tmpfs")


def define(name: str, subnet: str, **changes: Any) -> Path:
    """Write a network's config."""
    ipam = {"type": "cni-bridge", "subnet": subnet}
    plugin = {
        "type": "cni-bridge",
        "bridge": f"{name}0",
        "isGateway": True,
        "ipam": ipam,
        **changes,
    }
    file = DIRECTORY / f"{name}.conflist"
    file.write_text(json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": [plugin]}))
    return file


def bridges() -> set[str]:
    """Return the bridges of the host."""
    return {each["ifname"] for each in ip_json("link", "show", "type", "bridge")}


def test_networks_are_listed_with_used_and_free_addresses(host: Host) -> None:
    define("web", "10.88.0.0/24")
    define("idle", "10.77.0.0/29")
    host.container("red")
    printed("add", "web", "red")
    lines = printed("show").splitlines()
    assert lines[:2] == ["web  bridge web0 10.88.0.1/24", "10.88.0.0/24  1 address used, 252 free"]
    at = lines.index("idle  bridge idle0")
    assert lines[at + 1 :] == ["10.77.0.0/29  0 addresses used, 5 free", "no containers"]
    document = printed_json("show", "--json")
    jsonschema.validate(document, json.loads((ROOT / "schemas/show.schema.json").read_text()))
    web, idle = document["networks"]
    assert web["subnets"] == [{"subnet": "10.88.0.0/24", "used": 1, "free": 252}]
    assert (web["containers"], idle["containers"]) == (1, 0)
    forget("web")


def forget(name: str) -> None:
    """Detach the container, and remove the network."""
    printed("del", name, "red")
    assert "removed" in printed("rm", name)


def test_one_network_is_shown_with_its_config(host: Host) -> None:
    file = define("idle", "10.77.0.0/24", ipMasq=True)
    shown = printed("show", "idle")
    for text in (f"config      {file}", "bridge      idle0: none", "masquerade  yes"):
        assert text in shown
    assert "10.77.0.0/24  0 addresses used, 253 free" in shown
    assert [each["name"] for each in printed_json("show", "idle", "--json")["networks"]] == ["idle"]
    assert "networks: idle" in command("show", "nonsense").stderr


def test_addresses_reserved_by_host_local_are_not_free(host: Host) -> None:
    define("web", "10.88.0.0/24", ipam={"type": "host-local", "subnet": "10.88.0.0/24"})
    reserved = Path("/var/lib/cni/networks/web")
    reserved.mkdir(parents=True)
    (reserved / "10.88.0.9").write_text("0d5c6e\r\neth0")
    assert "10.88.0.0/24  1 address used, 252 free" in printed("show")
    (reserved / "10.88.0.9").unlink()
    reserved.rmdir()


def test_a_config_with_mistakes_is_not_passed_over(host: Host) -> None:
    file = define("web", "10.88.0.1/24")
    assert f"{file} is not valid: see `cni-bridge validate {file}`" in printed("show")


def test_graph_names_networks_also_those_without_a_bridge(host: Host) -> None:
    assert "no networks" in printed("graph")
    define("web", "10.88.0.0/24")
    assert "web  bridge web0  created with the first container" in printed("graph")
    host.container("red")
    printed("add", "web", "red")
    assert "web  bridge web0  10.88.0.1/24" in printed("graph")
    assert "web (bridge web0)" in printed("graph", "--format", "svg")
    forget("web")


def test_a_network_is_removed_with_its_bridge(host: Host) -> None:
    file = define("web", "10.88.0.0/24", ipMasq=True)
    host.container("red")
    printed("add", "web", "red")
    run = command("rm", "web")
    assert (run.status, run.stdout) == (1, "")
    assert run.stderr.startswith("cni-bridge: network web is in use by red\n")
    assert file.exists()
    assert "web0" in bridges()
    printed("del", "web", "red")
    assert printed("rm", "web") == f"removed bridge web0\nremoved {file}\n"
    assert bridges() == set()
    assert not file.exists()
    assert not host.changes()
    assert "no network of cni-bridge is named web" in command("rm", "web").stderr


def test_rm_frees_what_dead_containers_hold(host: Host) -> None:
    define("web", "10.88.0.0/24")
    red = host.container("red")
    printed("add", "web", "red")
    red.delete()
    while ip_json("link", "show", "type", "veth"):  # the kernel takes its time
        pass
    printed("rm", "web")
    assert bridges() == set()
    assert printed_json("show", "--json")["attachments"] == []


def test_a_container_without_a_record_is_in_the_way_too(host: Host) -> None:
    file = define("web", "10.88.0.0/24")
    host.container("red")
    printed("add", "web", "red")
    for each in Path("/run/cni-bridge").glob("ledger*"):
        each.unlink()
    assert "is in use by red" in command("rm", "web").stderr
    assert file.exists()
    printed("restore", "--from-kernel")
    forget("web")


def test_a_bridge_that_others_use_stays(host: Host) -> None:
    define("web", "10.88.0.0/24", bridge="shared0")
    define("db", "10.89.0.0/24", bridge="shared0", forceAddress=True)
    host.container("red")
    printed("add", "db", "red")
    assert "bridge shared0 stays: network db uses it" in printed("rm", "web")
    ip("link", "add", "tap9", "type", "veth", "peer", "name", "tap8")
    ip("link", "set", "tap9", "master", "shared0")
    printed("del", "db", "red")
    assert "bridge shared0 stays: tap9 is on it" in printed("rm", "db")
    ip("link", "del", "tap9")
    assert bridges() == {"shared0"}
    ip("link", "del", "shared0")


def test_a_bridge_of_another_program_stays(host: Host) -> None:
    define("web", "10.88.0.0/24", bridge="mine0")
    ip("link", "add", "mine0", "type", "bridge")
    host.container("red")
    printed("add", "web", "red")
    printed("del", "web", "red")
    assert "bridge mine0 stays: cni-bridge did not create it" in printed("rm", "web")
    ip("link", "del", "mine0")


def test_the_gateway_of_a_vlan_goes_with_its_bridge(host: Host) -> None:
    define("web", "10.88.0.0/24", vlan=100)
    host.container("red")
    if command("add", "web", "red").status:
        pytest.skip("this kernel has no VLANs on bridges")
    printed("del", "web", "red")
    printed("rm", "web")
    assert not host.changes()
