"""What an ADD loads: a new module is a decision, made here and seen in review."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.budget import OURS, allowed, loaded_by, own_modules
from tests.kernel.conftest import MakeNetwork
from tests.lab import PLUGIN, Attachment, Host, Network
from tests.unit.test_import_budget import RARE

ENTRY = "import cni_bridge.__main__ as entry; entry.main()"


def test_an_add_imports_c_modules_and_our_own_code_only(host: Host, network: Network) -> None:
    environment, stdin = network.call("ADD", Attachment(host.container()))
    loaded = loaded_by(ENTRY, environment, stdin)
    network.delete(host.containers[0]).assert_silent_success()
    assert {name for name in loaded if name.partition(".")[0] != OURS} - allowed() == set()
    assert f"{OURS}.parts.veth" in loaded, "this was no ADD"
    assert loaded & RARE <= {f"{OURS}.ledger.schema"}, (
        "which makes the ledger, and nothing else is used"
    )


@pytest.mark.parametrize("run", ["VERSION", "ADD", "DEL", "CHECK", "firewall"])
def test_a_run_loads_the_modules_on_its_list_and_no_others(
    run: str, host: Host, make_network: MakeNetwork
) -> None:
    network = make_network(cniVersion="1.1.0", ipam={"ranges": [[{"subnet": "10.88.0.0/16"}]]})
    network.add(host.container()).result()  # there is a ledger and a bridge
    container = host.container()
    if run in ("DEL", "CHECK"):
        network.add(container).result()
    if run == "firewall":
        network.config["ipMasq"] = True
    command = "ADD" if run == "firewall" else run
    environment, stdin = network.call(command, Attachment(container))
    every = loaded_by(ENTRY, environment, stdin)
    loaded = {name for name in every if name.partition(".")[0] == OURS}
    network.delete(container)
    listed = own_modules(run)
    if hasattr(os, "setns"):  # from Python 3.12 on; before, it is called in the C library
        listed -= {f"{OURS}.kernel.libc"}
    assert (sorted(loaded - listed), sorted(listed - loaded)) == ([], [])


def test_an_add_by_the_executable_opens_no_more_than_that(
    host: Host, network: Network, tmp_path: Path
) -> None:
    log = tmp_path / "strace.log"
    strace = ("strace", "-f", "-o", str(log), "-e", "trace=open,openat")
    network.plugin = replace(network.plugin, prefix=strace)
    network.add(host.container()).result()
    network.plugin = replace(network.plugin, prefix=())
    opened = {
        Path(line.split('"')[1])
        for line in log.read_text().splitlines()
        if "= -1" not in line and '"' in line
    }
    bundled = {path.name for path in opened if path.is_relative_to(PLUGIN.resolve().parent)}
    assert {name.partition(".cpython")[0] for name in bundled} <= allowed()
    assert any(path.name == "ledger.sqlite" for path in opened), "this was no ADD by the executable"
