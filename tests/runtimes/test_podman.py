"""podman 4 with CNI networks, the way its users type."""

import os
import signal
from pathlib import Path
from typing import Any

from tests.lab import dns
from tests.lab.iproute import ip_json
from tests.lab.waiting import wait_until
from tests.runtimes.arrangements import only_alone
from tests.runtimes.box import assert_not_published, assert_published, assert_reach_each_other
from tests.runtimes.features import (
    ADDRESS,
    CRASH,
    GC,
    KILLED_INSIDE,
    NETWORKS,
    PORTS,
    REACH,
    RELOAD,
    RESTART,
    TAKEN_ADDRESS,
    TAKEN_PORT,
    proves,
)
from tests.runtimes.interrupted import (
    forget_namespaces,
    held_ledger,
    is_adding,
    slow_chain,
    slow_pid,
)
from tests.runtimes.podman import Podman

RUNTIME = ("podman", "podman")

MAC = "02:00:00:00:00:50"
NAMED: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "shop",
    "plugins": [
        {
            "type": "cni-bridge",
            "bridge": "shop0",
            "isDefaultGateway": True,
            "nameserver": True,
            "capabilities": {"aliases": True},
            "ipam": {
                "type": "cni-bridge",
                "ranges": [[{"subnet": "10.97.0.0/24"}], [{"subnet": "fd97::/64"}]],
            },
        }
    ],
}

STICKY: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "kept",
    "plugins": [
        {
            "type": "cni-bridge",
            "bridge": "kept0",
            "isDefaultGateway": True,
            "ipam": {
                "type": "cni-bridge",
                "ranges": [[{"subnet": "10.96.0.0/24"}], [{"subnet": "fd96::/64"}]],
                "sticky": True,
            },
        }
    ],
}


@proves(REACH)
def test_two_containers_reach_each_other_by_both_families(podman: Podman) -> None:
    a, b = podman.start("a"), podman.start("b")
    assert_reach_each_other(a, b)
    assert "1 packets received" in podman.exec("a", "ping", "-c", "1", "-W", "2", b.addresses[0])


@proves(ADDRESS)
def test_a_container_gets_the_address_and_the_mac_that_were_asked_for(podman: Podman) -> None:
    podman.start("a", "--ip", "10.99.0.50", "--mac-address", MAC)
    shown = podman.exec("a", "ip", "address", "show", "eth0")
    assert MAC in shown
    assert "10.99.0.50/24" in shown


@proves(ADDRESS)
def test_both_addresses_can_be_asked_for(podman: Podman) -> None:
    a = podman.start("a", "--ip", "10.99.0.50", "--ip6", "fd99::50")
    assert a.addresses == ("10.99.0.50", "fd99::50")


@proves(TAKEN_ADDRESS)
def test_an_address_that_is_taken_is_refused_with_a_reason(podman: Podman) -> None:
    podman.start("a", "--ip", "10.99.0.50")
    root = str(podman.machine.root_directory("b"))
    asked = ("--network", "web", "--ip", "10.99.0.50", "--rootfs", root, "/bin/true")
    assert "10.99.0.50" in podman.fail("run", "--rm", *asked)


@proves(PORTS)
def test_published_ports_answer_from_everywhere(podman: Podman) -> None:
    town = podman.machine.town
    a = podman.start("a", "-p", "8080:80", "-p", "9053:53/udp")
    b = podman.start("b")
    assert_published(town, a, b, 8080, 80, "tcp")
    assert_published(town, a, b, 9053, 53, "udp")
    podman("stop", "--time", "0", "a")
    assert_not_published(town, 8080, "tcp")
    assert_not_published(town, 9053, "udp")


@proves(RESTART)
def test_a_restarted_container_is_published_again(podman: Podman) -> None:
    town = podman.machine.town
    podman.start("a", "-p", "8080:80", "-p", "9053:53/udp")
    b = podman.start("b")
    podman("restart", "--time", "0", "a")
    a = podman.box("a")
    assert_reach_each_other(a, b)
    assert_published(town, a, b, 8080, 80, "tcp")
    assert_published(town, a, b, 9053, 53, "udp")


@proves(RELOAD)
def test_a_reloaded_network_keeps_the_address_and_the_ports(podman: Podman) -> None:
    before = podman.start("a", "-p", "8080:80")
    b = podman.start("b")
    podman("network", "reload", "a")
    after = podman.box("a")
    assert after.addresses[0] == before.addresses[0]
    assert_reach_each_other(after, b)
    assert_published(podman.machine.town, after, b, 8080, 80, "tcp")


@proves(NETWORKS)
def test_a_created_network_can_be_connected_disconnected_and_removed(podman: Podman) -> None:
    podman("network", "create", "--subnet", "10.98.0.0/24", "more")
    bridge = podman.bridge("more")
    podman.machine.shared.add(bridge)
    podman.start("a")
    podman("network", "connect", "more", "a")
    podman.start("b", network="more")
    there = podman.inspect("b")["NetworkSettings"]["Networks"]["more"]["IPAddress"]
    assert "1 packets received" in podman.exec("a", "ping", "-c", "1", "-W", "2", there)
    podman("network", "disconnect", "more", "a")
    assert "eth1" not in podman.exec("a", "ip", "link")
    assert "eth0" in podman.exec("a", "ip", "link")
    podman("rm", "--force", "--time", "0", "b")
    podman("network", "rm", "more")
    assert bridge not in {link["ifname"] for link in ip_json("link")}


@proves(CRASH)
def test_a_container_whose_watcher_was_killed_leaves_nothing(podman: Podman) -> None:
    podman.start("a", "-p", "8080:80")
    facts = podman.inspect("a")
    conmon = int(Path(facts["ConmonPidFile"]).read_text())
    for pid in (conmon, facts["State"]["Pid"]):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{facts['State']['Pid']}").exists())
    podman("rm", "--force", "--time", "0", "a")
    assert_not_published(podman.machine.town, 8080, "tcp")


@proves(KILLED_INSIDE)
def test_a_podman_killed_inside_of_add_leaves_nothing_of_ours(podman: Podman) -> None:
    a = podman.start("a")
    with held_ledger():
        running = podman.begin("late", "-p", "8080:80")
        wait_until(is_adding)
        running.kill()
        running.wait()
    podman.clean_up("late")
    forget_namespaces(but=a.netns)  # podman has not come to write down which was the container's
    assert_not_published(podman.machine.town, 8080, "tcp")
    assert_reach_each_other(a, podman.start("b", "-p", "8080:80"))


@proves(GC)
@only_alone
def test_what_a_podman_killed_after_add_has_left_can_be_freed(podman: Podman) -> None:
    """podman writes down what it has attached after the last plugin; until then nobody sends DEL."""
    machine = podman.machine
    with slow_chain(machine):
        running = podman.begin("late", "-p", "8080:80")
        wait_until(lambda: slow_pid() > 0)
        running.kill()
        running.wait()
        os.kill(slow_pid(), signal.SIGKILL)
    podman.clean_up("late")
    assert "10.99.0.2" in "\n".join(machine.left_behind())
    forget_namespaces()  # or the next boot does
    wait_until(lambda: not ip_json("link", "show", "master", "web0"))
    machine.run("cni-bridge", "gc")


@proves(TAKEN_PORT)
def test_a_port_that_is_taken_is_refused_and_the_first_container_goes_on(podman: Podman) -> None:
    a = podman.start("a", "-p", "8080:80")
    root = str(podman.machine.root_directory("c"))
    podman.fail("run", "--rm", "--network", "web", "-p", "8080:80", "--rootfs", root, "/bin/true")
    assert_published(podman.machine.town, a, podman.start("b"), 8080, 80, "tcp")


@only_alone
def test_containers_find_each_other_by_name(podman: Podman) -> None:
    """podman writes the server into resolv.conf; a server that dies comes back with the next container."""
    machine = podman.machine
    machine.configure(NAMED)
    machine.shared.add("shop0")
    podman.start("web", "--network-alias", "www", network="shop")
    podman.start("b", network="shop")
    script = "mkdir -p /www; echo it is web > /www/index.html; httpd -p 80 -h /www"
    podman.exec("web", "sh", "-c", script)
    assert "10.97.0.1" in podman.exec("b", "cat", "/etc/resolv.conf")
    for name in ("web", "www", "web.cni.internal"):
        assert podman.exec("b", "wget", "-q", "-O", "-", f"http://{name}/") == "it is web\n"
    podman("restart", "--time", "0", "web")
    podman.exec("web", "sh", "-c", script)
    assert podman.exec("b", "wget", "-q", "-O", "-", "http://web/") == "it is web\n"
    (server,) = dns.servers()
    os.kill(server, signal.SIGKILL)
    podman.start("c", network="shop")
    assert podman.exec("b", "wget", "-q", "-O", "-", "http://web/") == "it is web\n"
    podman("rm", "--all", "--force", "--time", "0")
    assert dns.servers() == []


@only_alone
def test_a_name_keeps_its_address_where_the_network_is_sticky(podman: Podman) -> None:
    podman.machine.configure(STICKY)
    podman.machine.shared.add("kept0")
    before = podman.start("web", network="kept")
    podman("stop", "--time", "0", "web")
    other = podman.start("other", network="kept")
    assert other.addresses != before.addresses
    podman("start", "web")
    assert podman.box("web", "kept").addresses == before.addresses
    podman("rm", "--force", "--time", "0", "web")
    again = podman.start("web", network="kept")
    assert again.addresses == before.addresses
    assert_reach_each_other(again, other)
