"""Several hosts, each with a network, mounts and containers of its own, on one network below them.

    container ── cni0 host 1 eth0 ─┐
    container ── cni0 host 2 eth0 ─┼─ below
    container ── cni0 host 3 eth0 ─┘

What the hosts know of each other is for the callers to tell them.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.lab import namespaces
from tests.lab.host import Host
from tests.lab.iproute import ip, ip_json
from tests.lab.namespaces import Place
from tests.lab.waiting import wait_until

BELOW = "below"
SYSCTLS = Path("/proc/sys/net")
FORWARDING = {"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1"}
QUICK = {"ipv6/conf/all/accept_dad": "0", "ipv6/conf/default/accept_dad": "0"}


class Machine:
    """One host; what is inside of `with machine.entered()` happens there."""

    def __init__(self, number: int, home: Place, host: Host) -> None:
        self.number = number
        self.host = host
        self._home = home
        self._place = Place()

    @contextmanager
    def entered(self) -> Iterator["Host"]:
        """Inside, the calling thread is on this host."""
        self._place.enter()
        try:
            yield self.host
        finally:
            self._home.enter()

    def close(self) -> None:
        """Let it go."""
        self._place.close()


@contextmanager
def machines(addresses: Mapping[int, tuple[str, ...]]) -> Iterator[dict[int, Machine]]:
    """Hosts by their numbers, with these addresses on a link that all share."""
    with namespaces.private_host():
        home = Place()
        descriptor = os.open(namespaces.SELF_NET, os.O_RDONLY | os.O_CLOEXEC)
        ip("link", "add", BELOW, "type", "bridge")
        ip("link", "set", BELOW, "up")
        there = f"/proc/{os.getpid()}/fd/{descriptor}"
        made = {number: _machine(number, home, there, each) for number, each in addresses.items()}
        try:
            yield made
        finally:
            for machine in made.values():
                machine.close()
            os.close(descriptor)
            home.close()


def router(addresses: Mapping[int, tuple[str, ...]]) -> None:
    """Part the link below: each of these hosts has one of its own, with this router on it."""
    for number, some in addresses.items():
        ip("link", "set", _port(number), "nomaster")
        for each in some:
            ip("address", "add", each, "dev", _port(number), *_at_once(each))
    configure(FORWARDING)


def configure(values: Mapping[str, str]) -> None:
    """Set kernel parameters below net/ where the calling thread is."""
    for key, value in values.items():
        (SYSCTLS / key).write_text(value)


def _machine(number: int, home: Place, below: str, addresses: tuple[str, ...]) -> Machine:
    host = Host()
    with host:
        configure(QUICK | FORWARDING)
        made = Machine(number, home, host)
        peer = ("peer", "name", _port(number), "netns", below)
        ip("link", "add", "eth0", "type", "veth", *peer)
        ip("link", "set", "eth0", "up")
        for each in addresses:
            ip("address", "add", each, "dev", "eth0", *_at_once(each))
    ip("link", "set", _port(number), "master", BELOW)
    ip("link", "set", _port(number), "up")
    with made.entered():
        wait_until(_is_settled)
        host.remember()
    return made


def _is_settled() -> bool:
    """Whether the kernel has done what it does by itself once a link is up."""
    (link,) = ip_json("address", "show", "dev", "eth0")
    local = any(each["local"].startswith("fe80:") for each in link["addr_info"])
    return local and not any(each.get("tentative") for each in link["addr_info"])


def _port(number: int) -> str:
    return f"host{number}"


def _at_once(address: str) -> tuple[str, ...]:
    return ("nodad",) if ":" in address else ()
