"""Firewalls and Docker that a real systemd starts, restarts and reloads while containers run."""

import pytest

from tests.machine.boxes import Boxes
from tests.machine.machines import Machine

FIREWALLD = "firewall-offline-cmd --zone=trusted --add-interface=web0; systemctl start firewalld"
TRUST = "firewall-cmd -q --zone=trusted --add-interface=web0"
AS_ADVISED = f"{TRUST}; {TRUST} --permanent; systemctl restart firewalld"  # by ADD and STATUS
DROP = "iptables -P FORWARD DROP; ip6tables -P FORWARD DROP"
UFW = "ufw --force enable; systemctl start ufw"
ATTEMPTS = 4  # the unit restores what is missing within a second, on a machine that is not loaded

# What happens before a container comes, and what happens then.
EVENTS = {
    "firewalld is reloaded": (FIREWALLD, "firewall-cmd -q --reload"),
    "firewalld is reloaded completely": (FIREWALLD, "firewall-cmd -q --complete-reload"),
    "firewalld is restarted": (FIREWALLD, "systemctl restart firewalld"),
    "firewalld comes later": ("true", f"systemctl start firewalld; {AS_ADVISED}"),
    "nftables is restarted": ("systemctl start nftables", "systemctl restart nftables"),
    "nftables is reloaded": ("systemctl start nftables", "systemctl reload nftables"),
    "nftables is stopped": ("systemctl start nftables", "systemctl stop nftables"),
    "nftables comes later": ("true", "systemctl start nftables"),
    "ufw is restarted": (UFW, "systemctl restart ufw"),
    "ufw is reloaded": (UFW, "ufw reload"),
    "ufw comes later": ("true", UFW),
    "docker is restarted": ("systemctl start docker", "systemctl restart docker"),
    "docker comes later": ("true", "systemctl start docker"),
    "docker starts again after a flush": (
        "systemctl start docker",
        "nft flush ruleset; systemctl restart docker",
    ),
    "forwarding is dropped by default": (DROP, "true"),
    "forwarding is dropped later": ("true", DROP),
}


@pytest.mark.parametrize("event", EVENTS)
def test_containers_are_reached_when(event: str, guest: Machine, boxes: Boxes) -> None:
    before, after = EVENTS[event]
    guest.run(before)
    boxes.start("one", 8081)
    boxes.assert_all_reach()
    guest.run(after)
    boxes.assert_all_reach(ATTEMPTS)
    boxes.start("two", 8082)
    boxes.assert_all_reach()
    guest.run("cni-bridge doctor")
