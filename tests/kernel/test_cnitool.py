"""The examples in conf/, run by cnitool: the spec's own library calls the executable."""

import json
from pathlib import Path

import pytest

from tests.lab import ROOT, Host, Plugin
from tests.lab.cnitool import CNITOOL, cnitool
from tests.lab.network import CHECK_SINCE, addresses_in, version_key

EXAMPLES = sorted((ROOT / "conf").glob("*.conflist"))
WITH_LISTS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")

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


def conflist(host: Host, directory: Path, plugin: Plugin, **changes: object) -> str:
    """Write a conflist of one network with one small range; returns the network's name."""
    ipam = {"type": plugin.ipam_type, "ranges": [[{"subnet": "10.95.0.0/29"}]]}
    entry = {"type": plugin.type, "bridge": "cni5", "isDefaultGateway": True, "ipam": ipam}
    network = {"name": "small", "plugins": [entry], **changes}
    host.network(plugin, entry)
    (directory / "small.conflist").write_text(json.dumps(network))
    return "small"


@has_cnitool
@pytest.mark.parametrize("version", WITH_LISTS)
def test_status_and_gc_are_silent_where_all_is_well(
    host: Host, plugin: Plugin, version: str, tmp_path: Path
) -> None:
    name = conflist(host, tmp_path, plugin, cniVersion=version)
    container = host.container()
    call = (name, container, plugin, tmp_path)
    cnitool("status", *call).assert_silent_success()
    result = cnitool("add", *call).result()
    assert result["cniVersion"] == version
    cnitool("status", *call).assert_silent_success()
    # Without a list, libcni itself deletes every attachment that it knows of, then sends GC.
    cnitool("gc", *call).assert_silent_success()
    assert container.links() == {"lo"}
    cnitool("del", *call).assert_silent_success()


@has_cnitool
def test_status_tells_that_the_range_is_exhausted(
    host: Host, plugin: Plugin, tmp_path: Path
) -> None:
    name = conflist(host, tmp_path, plugin, cniVersion="1.1.0")
    for _ in range(5):
        cnitool("add", name, host.container(), plugin, tmp_path).result()
    run = cnitool("status", name, host.containers[0], plugin, tmp_path)
    assert run.status
    assert "no IP addresses available" in run.stdout + run.stderr
    cnitool("gc", name, host.containers[0], plugin, tmp_path).assert_silent_success()
    cnitool("status", name, host.containers[0], plugin, tmp_path).assert_silent_success()


@has_cnitool
def test_the_newest_of_the_configs_versions_is_spoken(
    host: Host, plugin: Plugin, tmp_path: Path
) -> None:
    name = conflist(
        host, tmp_path, plugin, cniVersion="0.4.0", cniVersions=["1.0.0", "1.1.0", "9.9.9"]
    )
    container = host.container()
    result = cnitool("add", name, container, plugin, tmp_path).result()
    assert result["cniVersion"] == "1.1.0"
    cnitool("check", name, container, plugin, tmp_path).assert_silent_success()
    cnitool("del", name, container, plugin, tmp_path).assert_silent_success()
