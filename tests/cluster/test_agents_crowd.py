"""Five hundred containers on five hosts: each has an address that no other has."""

from tests.lab.agents import nodes

CONTAINERS = 500


def test_five_hundred_containers_have_five_hundred_addresses() -> None:
    with nodes(5, network="10.64.0.0/21") as hosts:
        hosts.start()
        for turn in range(CONTAINERS):
            hosts[1 + turn % 5].container()
        addresses = hosts.all_addresses()
        assert len(set(addresses)) == len(addresses) == 2 * CONTAINERS
        for node in hosts.nodes.values():
            node.tidy()
