"""The key `nameserver`: what it may be, and on which networks."""

import pytest

from cni_bridge.model_optional import Nameserver
from tests.unit.edge.test_config import IPAM, Json, parse, refusal

NETWORK: Json = {"isGateway": True, "ipam": IPAM}


def test_true_has_the_defaults() -> None:
    for given in (True, {}, {"upstream": None}):
        made = parse(NETWORK | {"nameserver": given}).nameserver
        assert made == Nameserver(domain="cni.internal", upstream=None)
    for off in (False, None):
        assert parse(NETWORK | {"nameserver": off}).nameserver is None


def test_domain_and_upstream_are_taken() -> None:
    given = {"Domain": "Shop.Example.", "upstream": ["192.0.2.53", "2001:DB8::53"]}
    made = parse(NETWORK | {"nameserver": given}).nameserver
    assert made == Nameserver(domain="shop.example", upstream=("192.0.2.53", "2001:db8::53"))
    empty = parse(NETWORK | {"nameserver": {"upstream": []}}).nameserver
    assert empty == Nameserver(domain="cni.internal", upstream=())


def test_an_internal_network_asks_nobody() -> None:
    made = parse(NETWORK | {"nameserver": True, "internal": True}).nameserver
    assert made == Nameserver(domain="cni.internal", upstream=())


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"nameserver": {"domain": "a b"}}, "nameserver.domain: "),
        ({"nameserver": {"domain": "a/b\nserver=evil"}}, "nameserver.domain: "),
        ({"nameserver": {"domain": "."}}, "nameserver.domain: "),
        ({"nameserver": {"domain": ""}}, "nameserver.domain: "),
        ({"nameserver": {"upstream": ["192.0.2.53\nno-hosts"]}}, "nameserver.upstream[0]: "),
        ({"nameserver": {"upstream": ["dns.example"]}}, "nameserver.upstream[0]: "),
        (
            {"nameserver": {"upstream": ["192.0.2.53", "ff02::fb"]}},
            "nameserver.upstream[1]: expected the address of a server, found ff02::fb, a multicast address",
        ),
        (
            {"nameserver": {"upstream": ["0.0.0.0"]}},
            "nameserver.upstream[0]: expected the address of a server, found 0.0.0.0",
        ),
        ({"nameserver": {"upstream": ["192.0.2.53"] * 9}}, "nameserver.upstream: "),
        ({"nameserver": {"upstream": ["192.0.2.53"]}, "internal": True}, "nameserver.upstream: "),
        ({"nameserver": "yes"}, "nameserver: expected true or false or an object"),
        ({"nameserver": True, "isGateway": False}, "nameserver: expected a network whose"),
        ({"nameserver": True, "ipam": {}}, "nameserver: expected a network whose"),
        ({"nameserver": True, "dns": {"nameservers": ["192.0.2.53"]}}, "dns.nameservers: "),
    ],
)
def test_what_can_not_work_is_refused(changes: Json, place: str) -> None:
    error = refusal(NETWORK | changes)
    assert error.code == 7
    assert error.msg.startswith(place)


CLUSTER = {"network": "10.64.0.0/12", "endpoints": ["http://192.0.2.1:2379"]}
NODES = {"store": "kubernetes", "ranges": "node"}


def test_a_cluster_network_may_have_one() -> None:
    config = parse({"ipam": {"type": "cni-bridge"}, "nameserver": True, "cluster": CLUSTER})
    assert config.nameserver == Nameserver(domain="cni.internal")


def test_one_of_kubernetes_own_subnets_has_none() -> None:
    error = refusal({"ipam": {"type": "cni-bridge"}, "nameserver": True, "cluster": NODES})
    assert error.msg.startswith("nameserver: not possible with cluster.ranges `node`")
