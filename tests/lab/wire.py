"""A wire: two containers on one veth pair, and whether it is one.

What becomes of it is for the tests to say.
"""

from tests.lab.containers import Container
from tests.lab.iproute import ip_json
from tests.lab.network import Attachment, Network, addresses_in, bare
from tests.lab.plugin import Plugin
from tests.lab.waiting import wait_until

SUBNETS = ("10.1.0.0/24", "fd00:1::/64")


def wire(plugin: Plugin) -> dict[str, object]:
    """Return the config of one."""
    ranges = [[{"subnet": subnet}] for subnet in SUBNETS]
    ipam = {"type": plugin.ipam_type, "ranges": ranges}
    shared = {"cniVersion": "1.1.0", "name": "testwire", "type": plugin.type}
    return {**shared, "mode": "wire", "ipam": ipam}


def host_ends() -> list[str]:
    """Return the veths on the host."""
    return [link["ifname"] for link in ip_json("link", "show", "type", "veth")]


def addresses_of(network: Network, container: Container) -> list[str]:
    """Return what the result of ADD said."""
    return [bare(each) for each in addresses_in(network.results[Attachment(container)])]


def assert_joined(network: Network, one: Container, two: Container) -> None:
    """Frames pass both ways at once, in both families, and nothing of it is on the host."""
    for source, target in ((one, two), (two, one)):
        for address in addresses_of(network, target):
            assert source.can_ping(address), (source, address)
    assert host_ends() == []
    for container in (one, two):
        network.check(container).assert_silent_success()


def wait_until_joined(network: Network, one: Container, two: Container) -> None:
    """Wait until both ends are up: of two simultaneous ADDs, the first does not wait for the second."""
    for address in addresses_of(network, two):
        wait_until(lambda: one.can_ping(address))  # noqa: B023 - called before the next turn
