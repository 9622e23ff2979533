"""What the agent takes from a config, read from the examples as it reads them."""

import json
from pathlib import Path

import pytest

from cni_bridge.cli import conflists
from cni_bridge.errors import InvalidConfig

EXAMPLES = Path(__file__).parents[3] / "conf/cluster"
EXAMPLES_OF_ALL_STORES = sorted(EXAMPLES.parent.glob("*/*.conflist"))


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """Where the simple example is the only one."""
    (tmp_path / "pods.conflist").write_text((EXAMPLES / "pods.conflist").read_text())
    return str(tmp_path)


def test_the_only_cluster_network_needs_no_name(directory: str) -> None:
    found = conflists.cluster(directory, "")
    assert (found.network, found.bridge, found.backend.kind) == ("pods", "cni0", "host-gw")
    assert [each.length for each in found.pools] == [26]
    assert (found.ttl, found.grace, found.low_water) == (86400, 86400, 16)


@pytest.mark.parametrize(
    "example", EXAMPLES_OF_ALL_STORES, ids=lambda each: f"{each.parent.name}-{each.stem}"
)
def test_every_example_is_one(tmp_path: Path, example: Path) -> None:
    (tmp_path / "only.conflist").write_text(example.read_text())
    found = conflists.cluster(str(tmp_path), "pods")
    is_by_node = "node" in example.stem
    assert bool(found.pools) != is_by_node
    assert (found.unmasked is not None) == is_by_node


def test_a_pod_reaches_itself_through_its_service_with_every_example_for_kubernetes() -> None:
    for example in EXAMPLES.parent.glob("kubernetes/*.conflist"):
        (plugin,) = json.loads(example.read_text())["plugins"]
        assert plugin["hairpinMode"], example


def test_a_network_that_is_not_there_is_refused_with_those_that_are(directory: str) -> None:
    with pytest.raises(InvalidConfig, match="found none"):
        conflists.cluster(directory, "other")
