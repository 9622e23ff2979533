"""`cni-bridge add`, `del`, `check` and `exec`: what cnitool and nsenter do, without them."""

import json
import re
from pathlib import Path

import pytest

from tests.lab import PEERS, Host, Json, Plugin, dns
from tests.lab.cnitool import CNITOOL, cnitool
from tests.lab.people import command, printed, printed_json

WEB: Json = {
    "cniVersion": "1.0.0",
    "name": "web",
    "plugins": [
        {
            "type": "cni-bridge",
            "bridge": "web0",
            "isDefaultGateway": True,
            "ipMasq": True,
            "capabilities": {"portMappings": True, "ips": True, "mac": True},
            "ipam": {"type": "cni-bridge", "subnet": "10.88.0.0/24"},
        }
    ],
}
TUNED = {"type": "tuning", "mtu": 1400}


@pytest.fixture
def conf(tmp_path: Path, host: Host, plugin: Plugin) -> Path:
    """Return the directory of the configs, with one network, whose bridge may stay."""
    host.network(plugin, {**WEB["plugins"][0], "name": "web", "cniVersion": "1.0.0"})
    (tmp_path / "web.conflist").write_text(json.dumps(WEB))
    return tmp_path


def test_a_namespace_is_attached_checked_and_detached_by_name(host: Host, conf: Path) -> None:
    red = host.container("red")
    where = ("--conf-dir", str(conf))
    assert printed("add", "web", "red", *where) == "red eth0 on web: 10.88.0.2/24\n"
    assert red.can_ping("10.88.0.1")
    assert "10.88.0.2/24" in printed("exec", "red", "--", "ip", "-o", "addr", "show", "eth0")
    assert "is as it was added" in printed("check", "web", "red", *where)
    red.ip("link", "set", "eth0", "down")
    assert command("check", "web", "red", *where).status == 1
    printed("del", "web", "red", *where)
    assert "eth0" not in red.links()
    assert not list(Path("/var/lib/cni/results").glob("web-red-*"))
    printed("del", "web", "red", *where)  # twice is as well


def test_namespaces_find_each_other_by_name(host: Host, tmp_path: Path) -> None:
    plugin = {**WEB["plugins"][0], "bridge": "named0", "nameserver": True}
    (tmp_path / "named.conflist").write_text(
        json.dumps({**WEB, "name": "named", "plugins": [plugin]})
    )
    where = ("--conf-dir", str(tmp_path))
    for name in ("red", "blue"):
        host.container(name)
        unattached = command("explain", name, "192.0.2.1:80")
        assert unattached.status == 1
        assert f"{name} has no network: `cni-bridge add NETWORK {name}`" in unattached.stdout
        printed("add", "named", name, *where)
    assert "red has no" not in command("explain", "blue", "red:80").stdout
    assert dns.addresses(host.containers[0], "10.88.0.1", "blue") == ["10.88.0.3"]
    found = command("exec", "red", "--", "getent", "ahostsv4", "blue")
    assert found.stdout.startswith("10.88.0.3 "), found
    assert "blue is 10.88.0.3 for the nameserver" in command("explain", "red", "blue:80").stdout
    for name in ("red", "blue"):
        printed("check", "named", name, *where)
        printed("del", "named", name, *where)
    printed("rm", "named", *where)


def test_a_second_add_leaves_the_first_one_alone(host: Host, conf: Path) -> None:
    red = host.container("red")
    where = ("--conf-dir", str(conf))
    printed("add", "web", "red", *where)
    again = command("add", "web", "red", *where)
    assert again.status == 1
    assert again.stderr.startswith("cni-bridge: red has an interface eth0 already")
    assert red.can_ping("10.88.0.1")
    assert "is as it was added" in printed("check", "web", "red", *where)
    printed("del", "web", "red", *where)


def test_wishes_reach_the_plugin_and_those_that_none_takes_are_refused(
    host: Host, conf: Path
) -> None:
    host.container("red")
    words = ("add", "web", "red", "--conf-dir", str(conf), "--json")
    result = printed_json(*words, "--ip", "10.88.0.9", "--mac", "02:00:00:00:00:05")
    assert result["ips"][0]["address"] == "10.88.0.9/24"
    assert "02:00:00:00:00:05" in {each["mac"] for each in result["interfaces"]}
    printed("del", "web", "red", "--conf-dir", str(conf))
    deaf = {**WEB, "name": "deaf", "plugins": [{**WEB["plugins"][0], "capabilities": {}}]}
    (conf / "deaf.conflist").write_text(json.dumps(deaf))
    run = command("add", "deaf", "red", "-p", "8080:80", "--conf-dir", str(conf))
    assert (run.status, "does not take portMappings" in run.stderr) == (1, True)


def test_a_chain_is_executed_whole_and_undone_whole(host: Host, conf: Path) -> None:
    red = host.container("red")
    chain = {**WEB, "plugins": [*WEB["plugins"], TUNED]}
    (conf / "web.conflist").write_text(json.dumps(chain))
    where = ("--conf-dir", str(conf))
    environment = {"CNI_PATH": str(PEERS)}
    printed("add", "web", "red", *where, environment=environment)
    assert red.link()["mtu"] == 1400
    printed("del", "web", "red", *where, environment=environment)
    failing = {**WEB, "plugins": [*WEB["plugins"], {"type": "portmap", "snat": "wrong"}]}
    (conf / "web.conflist").write_text(json.dumps(failing))
    run = command("add", "web", "red", *where, environment=environment)
    assert (run.status, "ADD by portmap" in run.stderr) == (1, True), run
    assert "eth0" not in red.links()


@pytest.mark.skipif(not CNITOOL.exists(), reason="no cnitool here")
def test_cnitool_finds_and_undoes_what_was_added(host: Host, plugin: Plugin, conf: Path) -> None:
    red = host.container("red")
    cnitool("add", "web", red, plugin, conf).result()
    assert "10.88.0.2/24" in printed("exec", "red", "--", "ip", "-o", "addr", "show", "eth0")
    printed("del", "web", "red", "--conf-dir", str(conf))
    assert "eth0" not in red.links()


def test_what_does_not_exist_is_named(host: Host, conf: Path) -> None:
    run = command("add", "web", "blue", "--conf-dir", str(conf))
    assert run.status == 1
    assert "no network namespace and no container is named blue" in run.stderr
    assert "ip netns add blue" in run.stderr
    host.container("red")
    run = command("add", "wbe", "red", "--conf-dir", str(conf))
    assert (run.status, "networks: web" in run.stderr) == (1, True)
    assert command("exec", "red", "--", "no-such-command").status == 1


def test_exec_without_a_command_is_a_shell(host: Host) -> None:
    host.container("red")
    shell = {"SHELL": "/bin/sh"}
    assert command("exec", "red", stdin="echo $((6 * 7))\n", environment=shell).stdout == "42\n"


def test_a_free_port_is_told(host: Host, conf: Path) -> None:
    host.container("red")
    text = printed("add", "web", "red", "-p", "0:80", "--conf-dir", str(conf))
    held, published = text.splitlines()
    assert held == "red eth0 on web: 10.88.0.2/24"
    assert re.fullmatch(r"red on web publishes [1-9][0-9]+/tcp to 80", published)
    printed("del", "web", "red", "--conf-dir", str(conf))


def test_a_range_of_ports_is_published(host: Host, conf: Path) -> None:
    where = ("--conf-dir", str(conf))
    host.container("red")
    ranges = ("-p", "8000-8009:8000-8009", "-p", "127.0.0.1:90-91:80-81/udp")
    printed("add", "web", "red", *where, *ranges)
    shown = printed("show")
    assert "8000-8009/tcp to 8000-8009" in shown
    assert "127.0.0.1:90/udp to 80" in shown
    assert "127.0.0.1:91/udp to 81" in shown
    for wrong in ("8000-8009:80", "9-8:9-8", "1-2-3:1-3", "0-1:0-1", "8000:"):
        assert command("add", "web", "red", *where, "-p", wrong).status == 2, wrong
    printed("del", "web", "red", *where)
