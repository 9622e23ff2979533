"""What the `cluster` object of a config may say, and what beside it."""

from typing import Any

import pytest

from cni_bridge.address import prefix_text
from cni_bridge.edge import codec, config, validators
from cni_bridge.errors import CniError
from cni_bridge.model import NetworkConfig

CLUSTER = {"endpoints": ["http://192.0.2.1:2379"], "network": "10.64.0.0/12"}


def parse(cluster: dict[str, Any], **changes: Any) -> NetworkConfig:
    """Return the config of a cluster network."""
    document = {
        "cniVersion": "1.1.0",
        "name": "net",
        "cluster": CLUSTER | cluster,
        "ipam": {"type": "cni-bridge"},
    } | changes
    folded = config.prepare(codec.fold(document, validators.FOLD), "ADD")
    return config.parse(dict(folded), "", is_delegated=changes.get("is_delegated", False))


def test_both_networks_are_known_and_the_bridge_is_the_gateway() -> None:
    found = parse({"network6": "fd64::/48"})
    assert found.cluster
    assert list(map(prefix_text, found.cluster)) == ["10.64.0.0/12", "fd64::/48"]
    assert found.is_gateway
    assert found.ipam.range_sets == ()


@pytest.mark.parametrize(
    ("cluster", "changes", "message"),
    [
        ({"network": ""}, {}, "cluster.network: missing"),
        ({"network": "10.64.0.0"}, {}, "cluster.network: expected a subnet"),
        ({"network": "fd64::/48"}, {}, "cluster.network: expected a subnet of 32 bits"),
        ({"network": "10.64.0.1/12"}, {}, "cluster.network: 10.64.0.1/12 has host bits set"),
        ({"blockSize": 11}, {}, "cluster.blockSize: expected 12 to 30, found 11"),
        ({"network6": "fd64::/64", "blockSize6": 60}, {}, "cluster.blockSize6: expected 64 to 126"),
        ({"endpoints": []}, {}, "cluster.endpoints: missing"),
        ({"backend": "wireguard"}, {}, "cluster.backend"),
        ({}, {"ipam": {}}, "ipam.type: expected cni-bridge, as a cluster network"),
        (
            {},
            {"ipam": {"type": "cni-bridge", "subnet": "10.1.0.0/24"}},
            "ipam.subnet: not allowed together",
        ),
        ({}, {"mode": "wire"}, "wire"),
        ({}, {"internal": True}, "internal: not allowed together with cluster"),
        ({}, {"icc": False}, "icc: not allowed together with cluster"),
        ({}, {"runtimeConfig": {"ipRanges": [[{"subnet": "10.1.0.0/24"}]]}}, "ipRanges"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_path(
    cluster: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CniError) as caught:
        parse(cluster, **changes)
    assert message in caught.value.msg


def test_where_nodes_have_their_own_subnets_no_network_is_needed() -> None:
    found = parse({"network": "", "ranges": "node", "store": "kubernetes", "endpoints": []})
    assert found.cluster == ()
