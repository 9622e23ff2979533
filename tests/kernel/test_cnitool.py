"""The examples in conf/, run by cnitool: the spec's own library calls the executable."""

import json
from pathlib import Path

import pytest

from tests.lab import ROOT, Host, Plugin
from tests.lab.cnitool import CNITOOL, cnitool
from tests.lab.network import CHECK_SINCE, addresses_in, version_key

EXAMPLES = sorted((ROOT / "conf").glob("*.conflist"))

has_cnitool = pytest.mark.skipif(not CNITOOL.exists(), reason=f"no cnitool at {CNITOOL}")
each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


@has_cnitool
@each_example
def test_an_example_can_be_added_checked_and_deleted(
    example: Path, host: Host, plugin: Plugin, version: str, tmp_path: Path
) -> None:
    network = json.loads(example.read_text()) | {"cniVersion": version}
    for each in network["plugins"]:
        each["type"] = plugin.type
        if "ipam" in each:
            each["ipam"]["type"] = plugin.ipam_type
    if "ipam" not in network["plugins"][0] and version_key(version) < (0, 3, 0):
        return  # layer 2 has no result in these versions
    (tmp_path / "tested.conflist").write_text(json.dumps(network))
    host.network(plugin, network["plugins"][0])
    container = host.container()
    call = (network["name"], container, plugin, tmp_path)
    result = cnitool("add", *call).result()
    assert container.addresses() == addresses_in(result)
    if version_key(version) >= CHECK_SINCE:
        cnitool("check", *call).assert_silent_success()
    cnitool("del", *call).assert_silent_success()
    cnitool("del", *call).assert_silent_success()


@each_example
def test_an_example_works_as_it_is_written(example: Path, host: Host, plugin: Plugin) -> None:
    conflist = json.loads(example.read_text())
    (config,) = conflist.pop("plugins")
    network = host.network(plugin, config | conflist)
    network.add(host.container()).result()
    network.check(host.containers[0]).assert_silent_success()


def test_the_examples_are_there_and_speak_different_versions() -> None:
    versions = {json.loads(path.read_text())["cniVersion"] for path in EXAMPLES}
    assert len(EXAMPLES) >= 4
    assert len(versions) > 1
