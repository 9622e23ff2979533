"""The firewall when others interfere or a step fails: CHECK sees it, the next call heals it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.kernel.test_failures import disturbed_adds
from tests.lab import Attachment, Host, Network
from tests.lab.namespaces import MS_BIND, mount
from tests.lab.nft import held, nft, ports
from tests.lab.publish import mapping, publish, publishing


@pytest.fixture
def version() -> str:
    """Return the firewall is the same in every version of the spec."""
    return "1.1.0"


@pytest.fixture
def masqueraded(make_network: MakeNetwork) -> Network:
    """Return a network with ipMasq."""
    return make_network(ipMasq=True)


@contextmanager
def without(program: str, scratch: Path, instead: str = "") -> Iterator[None]:
    """Inside, this private host lacks the program, or has a script instead of it."""
    other = scratch / program
    other.write_text(instead)
    other.chmod(0o755 if instead else 0o644)
    installed = os.path.realpath(str(shutil.which(program)))
    mount(str(other), installed, flags=MS_BIND)
    yield
    subprocess.run(("umount", installed), check=True)


def without_nft(scratch: Path) -> AbstractContextManager[None]:
    """Inside, this private host has no nft."""
    return without("nft", scratch)


@pytest.mark.parametrize(
    "harm",
    [
        ("flush", "ruleset"),
        ("delete", "table", "inet", "cni_bridge"),
        ("flush", "set", "inet", "cni_bridge", "masq4"),
        ("delete", "map", "inet", "cni_bridge", "port4"),
    ],
)
def test_what_others_destroy_heals_with_the_next_add(
    harm: tuple[str, ...], host: Host, masqueraded: Network
) -> None:
    first, second = host.container(), host.container()
    publish(masqueraded, first, mapping(8080)).result()
    if harm[:2] == ("delete", "map"):  # which is only possible without the rule that uses it
        nft("flush", "chain", "inet", "cni_bridge", "publish")
    nft(*harm)
    if harm[0] == "flush" and harm[1] == "set":
        assert masqueraded.check(first, config=publishing(mapping(8080))).error()["code"] == 120
        masqueraded.delete(first).assert_silent_success()
        publish(masqueraded, first, mapping(8080)).result()
    masqueraded.add(second).result()
    for container, config in ((first, publishing(mapping(8080))), (second, {})):
        masqueraded.check(container, config=config).assert_silent_success()
    assert ports("port4")[0].startswith("tcp 8080 -> ")


def test_what_others_destroy_heals_with_the_next_del(host: Host, masqueraded: Network) -> None:
    first, second = host.container(), host.container()
    for container in (first, second):
        masqueraded.add(container).result()
    nft("flush", "ruleset")
    masqueraded.delete(first).assert_silent_success()
    assert held("masq4") == ["10.88.0.3"]
    masqueraded.check(second).assert_silent_success()


@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_rules_that_were_flushed_are_noticed_by_the_next_call(
    command: str, host: Host, masqueraded: Network
) -> None:
    staying, other = host.container(), host.container()
    masqueraded.add(staying).result()
    if command == "DEL":
        masqueraded.add(other).result()
    nft("flush", "chain", "inet", "cni_bridge", "guard")
    nft("flush", "table", "inet", "cni_bridge")
    assert masqueraded.check(staying).error()["code"] == 120
    assert masqueraded.do(command, other, "eth0").status == 0
    masqueraded.check(staying).assert_silent_success()


def test_a_del_without_nft_succeeds_though_the_rules_were_flushed(
    host: Host, masqueraded: Network, tmp_path: Path
) -> None:
    first, second = host.container(), host.container()
    for container in (first, second):
        masqueraded.add(container).result()
    nft("flush", "table", "inet", "cni_bridge")
    with without_nft(tmp_path):
        masqueraded.delete(first).assert_silent_success()
    assert held("masq4") == ["10.88.0.3"]


def test_del_succeeds_when_an_element_is_gone_already(host: Host, masqueraded: Network) -> None:
    first, second = host.container(), host.container()
    for container in (first, second):
        masqueraded.add(container).result()
    nft("delete", "element", "inet", "cni_bridge", "masq4", "{ 10.88.0.2 }")
    masqueraded.delete(first).assert_silent_success()
    assert (held("masq4"), held("masq6")) == (["10.88.0.3"], ["fd00:88::3"])


def test_a_table_of_elsewhere_with_our_name_is_made_ours(host: Host, masqueraded: Network) -> None:
    nft("add", "table", "inet", "cni_bridge")
    nft("add", "set", "inet", "cni_bridge", "masq4", "{ type ipv4_addr; }")
    nft("add", "element", "inet", "cni_bridge", "masq4", "{ 192.0.2.1 }")
    container = host.container()
    masqueraded.add(container).result()
    assert held("masq4") == ["10.88.0.2"]
    masqueraded.check(container).assert_silent_success()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (("delete", "element", "inet", "cni_bridge", "masq4", "{ 10.88.0.2 }"), "set masq4"),
        (("delete", "element", "inet", "cni_bridge", "port6", "{ tcp . 80 }"), "host port 80/tcp"),
        (("flush", "chain", "inet", "cni_bridge", "source_masq"), "rules, found"),
        (("flush", "ruleset"), "expected to exist, found none"),
    ],
)
def test_check_names_what_is_missing(
    harm: tuple[str, ...], words: str, host: Host, masqueraded: Network
) -> None:
    container = host.container()
    publish(masqueraded, container, mapping(80)).result()
    masqueraded.check(container, config=publishing(mapping(80))).assert_silent_success()
    nft(*harm)
    error = masqueraded.check(container, config=publishing(mapping(80))).error()
    assert error["code"] == 120
    assert words in error["details"]


def test_an_add_without_nft_says_what_to_install(
    host: Host, masqueraded: Network, tmp_path: Path
) -> None:
    with without_nft(tmp_path):
        error = masqueraded.add(host.container()).error()
    assert (error["code"], error["msg"]) == (111, "nft is not installed")
    assert "install nftables" in error["details"]
    host.assert_as_before()


def test_without_nft_status_says_so_and_what_is_loaded_goes_on(
    host: Host, masqueraded: Network, tmp_path: Path
) -> None:
    first, second = host.container(), host.container()
    masqueraded.add(first).result()
    with without_nft(tmp_path):
        error = masqueraded.do("STATUS", first, "eth0").error()
        masqueraded.add(second).result()
        masqueraded.delete(first).assert_silent_success()
    assert (error["code"], error["msg"]) == (50, "nft is not installed")
    assert held("masq4") == ["10.88.0.3"]


def test_an_add_that_fails_at_any_step_leaves_no_element(
    host: Host, masqueraded: Network, tmp_path: Path
) -> None:
    masqueraded.config |= publishing(mapping(8080))
    for step, run in disturbed_adds(host, masqueraded, "sendto:error=EPERM", tmp_path):
        if run.status == 0:
            masqueraded.delete_all()
        left = host.left_behind()
        assert not left, f"{step}: {run.stdout}\n" + "\n".join(left)


def test_del_takes_every_element_after_an_add_that_was_killed_at_any_step(
    host: Host, masqueraded: Network, tmp_path: Path
) -> None:
    masqueraded.config |= publishing(mapping(8080))
    for step, run in disturbed_adds(host, masqueraded, "sendto:signal=KILL", tmp_path):
        if run.status == 0:
            continue
        masqueraded.delete(host.containers[-1]).assert_silent_success()
        left = host.left_behind()
        assert not left, f"{step}:\n" + "\n".join(left)


HARMS = (
    ("flush", "ruleset"),
    ("flush", "set", "inet", "cni_bridge", "internal"),
    ("flush", "map", "inet", "cni_bridge", "port4"),
    ("delete", "element", "bridge", "cni_bridge", "mac_ok"),
    ("replace", "rule", "inet", "cni_bridge", "from_container"),
    ("add", "table", "inet", "cni_bridge", "{ flags dormant; }"),
)


@pytest.fixture
def protected(make_network: MakeNetwork) -> Network:
    """Return a network with elements in both tables, and ports."""
    return make_network(
        name="protected", bridge="cni1", internal=True, macspoofchk=True, isGateway=True
    )


@pytest.mark.parametrize("harm", HARMS, ids=" ".join)
@pytest.mark.parametrize("healing", ["ADD", "DEL"])
def test_what_differs_is_reported_by_status_and_healed_by_any_network(
    harm: tuple[str, ...], healing: str, host: Host, masqueraded: Network, protected: Network
) -> None:
    victim, other, third = host.container(), host.container(), host.container()
    publish(protected, victim, mapping(8080)).result()
    masqueraded.add(other).result()
    protected.do("STATUS", victim, "eth0").assert_silent_success()
    nft(*_aimed(harm))
    for network in (masqueraded, protected):
        error = network.do("STATUS", victim, "eth0").error()
        assert (error["code"], "is not as cni-bridge left it" in error["msg"]) == (51, True)
    run = masqueraded.add(third) if healing == "ADD" else masqueraded.delete(other)
    assert run.status == 0
    protected.do("STATUS", victim, "eth0").assert_silent_success()
    protected.check(victim, config=publishing(mapping(8080))).assert_silent_success()


def _aimed(harm: tuple[str, ...]) -> tuple[str, ...]:
    """Complete a harm with what only the running tables tell."""
    if harm[0] == "replace":
        listed = nft("-a", "list", "chain", "inet", "cni_bridge", "from_container")
        (line,) = (line for line in listed.splitlines() if "oifname @internal drop" in line)
        return (*harm, "handle", line.split()[-1], "oifname @internal accept")
    if harm[-1] == "mac_ok":
        (element,) = held("mac_ok", "bridge")
        return (*harm, "{ " + " . ".join(element.split()) + " }")
    return harm


def test_nft_that_hangs_keeps_no_other_network_from_its_lock(
    host: Host, make_network: MakeNetwork, masqueraded: Network, tmp_path: Path
) -> None:
    """The rules are loaded, and others' are looked at, without the ledger's lock."""
    slow = tmp_path / "nft"
    go_on = tmp_path / "go-on"
    os.mkfifo(go_on)
    real = shutil.which("nft")
    slow.write_text(f'#!/bin/sh\nread line < {go_on}\nexec {real} "$@"\n')
    slow.chmod(0o755)
    plain = make_network(name="plain", bridge="cni2")
    first, second = host.container(), host.container()
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    started = masqueraded.plugin.start(
        *masqueraded.call("ADD", Attachment(first), environment=path)
    )
    with go_on.open("w") as opened:  # nft waits now
        plain.add(second).result()
        plain.delete(second).assert_silent_success()
        opened.write("\n")
    run = masqueraded.plugin.finish(started)
    assert run.status == 0, run
    masqueraded.results[Attachment(first)] = run.result()
    assert held("masq4") == ["10.88.0.2"]
