"""Firewalls and Docker that a real systemd starts, restarts and reloads while containers run."""

import pytest

from tests.machine.boxes import Boxes
from tests.machine.emulated import Emulated

FIREWALLD = "firewall-offline-cmd --zone=trusted --add-interface=web0; systemctl start firewalld"
DROP = "iptables -P FORWARD DROP; ip6tables -P FORWARD DROP"
# `systemctl restart` does not wait for units that are restarted along with another.
SETTLED = "timeout 200 sh -c 'while systemctl list-jobs --plain --no-legend | grep -q .; do sleep 0.2; done'"

# What happens before a container comes, and what happens then.
EVENTS = {
    "firewalld is reloaded": (FIREWALLD, "firewall-cmd -q --reload"),
    "firewalld is restarted": (FIREWALLD, "systemctl restart firewalld"),
    "nftables is restarted": ("systemctl start nftables", "systemctl restart nftables"),
    "ufw is restarted": ("ufw --force enable; systemctl start ufw", "systemctl restart ufw"),
    "docker is restarted": ("systemctl start docker", "systemctl restart docker"),
    "docker comes later": ("true", "systemctl start docker"),
    "forwarding is dropped by default": (DROP, "true"),
}


@pytest.mark.parametrize("event", EVENTS)
def test_containers_are_reached_when(event: str, guest: Emulated, boxes: Boxes) -> None:
    before, after = EVENTS[event]
    guest.run(before)
    boxes.start("one", 8081)
    boxes.assert_all_reach()
    guest.run(f"{after}; {SETTLED}")
    boxes.assert_all_reach()
