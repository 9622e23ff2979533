"""Other IPAM plugins: executed as the spec says, their errors and theirs alone passed on."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kernel.conftest import GATEWAY4, SUBNET4, MakeNetwork
from tests.lab import PLUGIN, PLUGIN_PORTABLE, Attachment, Host, Network
from tests.lab.network import addresses_in
from tests.lab.script import ANSWER, delegate, script
from tests.lab.waiting import wait_until

pytestmark = pytest.mark.parametrize("version", ["1.1.0"])

REFUSAL = '{"cniVersion": "1.0.0", "code": 142, "msg": "pool dry", "details": "ask again"}'
GARBAGE = (
    '{"cniVersion": "9.9.9", "ips": [{"address": "10.88.7.7/16"}]}',
    '{"cniVersion": 1, "ips": [{"address": "10.88.7.7/16"}]}',
    "not json",
    "[]",
    '{"ips": 7}',
    '{"ips": [{}]}',
    '{"ips": [{"address": "x"}]}',
    "{}",
)


@pytest.fixture
def network(make_network: MakeNetwork) -> Network:
    """Return a network whose IPAM the tests replace."""
    return make_network()


def only_on(command: str, body: str) -> str:
    """Return a script's body for one command; success without an answer for the others."""
    return f'[ "$CNI_COMMAND" = {command} ] || exit 0; {body}'


# ---------------------------------------------------------------- what the other plugin is given


def test_it_gets_stdin_and_environment_as_they_came(
    host: Host, network: Network, tmp_path: Path
) -> None:
    other = script(tmp_path)
    variables = delegate(network, "scripted", tmp_path) | {
        "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAME=a",
        "LD_LIBRARY_PATH": "/opt/containerd/lib:",
        "TMPDIR": "/var/tmp",
    }
    attachment = Attachment(host.container())
    environment, stdin = network.call("ADD", attachment, environment=variables)
    odd = stdin.replace("{", '{ "unknown":  [1.50, "\\u00e4"],\n', 1)
    network.add(attachment.container, environment=variables, stdin=odd).result()
    assert other.stdin("ADD") == odd
    assert other.environment("ADD") == environment | {"PATH": os.environ["PATH"]}
    network.delete(attachment.container, environment=variables).assert_silent_success()
    assert other.environment("DEL")["CNI_COMMAND"] == "DEL"


@pytest.mark.parametrize("executable", [PLUGIN, PLUGIN_PORTABLE], ids=lambda path: path.name)
@pytest.mark.parametrize("libraries", [None, "/opt/containerd/lib:"])
def test_it_gets_nothing_of_our_bundle(
    executable: Path, libraries: str | None, host: Host, network: Network, tmp_path: Path
) -> None:
    other = script(tmp_path)
    variables = delegate(network, "scripted", tmp_path)
    if libraries is not None:
        variables["LD_LIBRARY_PATH"] = libraries
    network.plugin = replace(network.plugin, path=executable)
    network.config["type"] = executable.name
    network.add(host.container(), environment=variables).result()
    seen = other.environment("ADD")
    assert seen.get("LD_LIBRARY_PATH") == libraries
    assert [name for name in seen if name.startswith(("_", "PY"))] == []
    network.delete(host.containers[0], environment=variables).assert_silent_success()


def test_every_command_is_passed_on(host: Host, network: Network, tmp_path: Path) -> None:
    other = script(tmp_path, only_on("ADD", f"echo '{ANSWER}'"))
    variables = delegate(network, "scripted", tmp_path)
    container = host.container()
    network.add(container, environment=variables).result()
    network.check(container, environment=variables).assert_silent_success()
    network.do("STATUS", container, "eth0", environment=variables).assert_silent_success()
    valid = [{"containerID": container.name, "ifname": "eth0"}]
    gc = {"cni.dev/valid-attachments": valid}
    network.do("GC", container, "eth0", environment=variables, config=gc).assert_silent_success()
    network.delete(container, environment=variables).assert_silent_success()
    assert other.calls() == ["ADD", "CHECK", "STATUS", "GC", "DEL"]
    assert json.loads(other.stdin("GC"))["cni.dev/valid-attachments"] == valid
    assert addresses_in(json.loads(other.stdin("DEL"))["prevResult"]) == ["10.88.7.7/16"]


def test_it_is_asked_when_the_interface_is_there(
    host: Host, network: Network, tmp_path: Path
) -> None:
    see = f"ip -n c1 -o link > {tmp_path}/links; echo '{ANSWER}'"
    script(tmp_path, see)
    variables = delegate(network, "scripted", tmp_path)
    network.add(host.container(), environment=variables).result()
    assert "eth0" in (tmp_path / "links").read_text()
    network.delete(host.containers[0], environment=variables).assert_silent_success()


# ---------------------------------------------------------------- what it answers


def test_its_addresses_routes_and_dns_are_used(
    host: Host, network: Network, tmp_path: Path
) -> None:
    answer = json.loads(ANSWER) | {
        "routes": [{"dst": "192.0.2.0/24"}],
        "dns": {"nameservers": ["192.0.2.53"]},
    }
    script(tmp_path, f"echo '{json.dumps(answer)}'")
    variables = delegate(network, "scripted", tmp_path)
    container = host.container()
    result = network.add(container, environment=variables).result()
    assert result["ips"] == [{"address": "10.88.7.7/16", "gateway": GATEWAY4, "interface": 2}]
    assert result["dns"] == {"nameservers": ["192.0.2.53"]}
    assert container.addresses() == ["10.88.7.7/16"]
    assert "192.0.2.0/24" in {route["dst"] for route in container.routes()}
    assert container.can_ping(GATEWAY4)
    network.delete(container, environment=variables).assert_silent_success()


@pytest.mark.parametrize("command", ["ADD", "CHECK", "STATUS"])
def test_its_error_is_ours(command: str, host: Host, network: Network, tmp_path: Path) -> None:
    fails = f"echo '{REFUSAL}'; echo because >&2; exit 1"
    script(tmp_path, f"if [ \"$CNI_COMMAND\" = {command} ]; then {fails}; fi; echo '{ANSWER}'")
    variables = delegate(network, "scripted", tmp_path)
    container = host.container()
    if command != "ADD":
        network.add(container, environment=variables).result()
    run = network.do(command, container, "eth0", environment=variables)
    error = run.error()
    assert (error["code"], error["msg"], error["details"]) == (142, "pool dry", "ask again")
    assert "because" in run.stderr
    network.delete(container, environment=variables).assert_silent_success()


def test_its_failed_del_is_reported_after_all_else_is_removed(
    host: Host, network: Network, tmp_path: Path
) -> None:
    script(tmp_path, f"[ \"$CNI_COMMAND\" = ADD ] || exec false; echo '{ANSWER}'")
    variables = delegate(network, "scripted", tmp_path)
    container = host.container()
    network.add(container, environment=variables).result()
    error = network.delete(container, environment=variables).error()
    assert error["code"] == 130
    assert "scripted" in error["details"]
    assert container.links() == {"lo"}
    script(tmp_path)
    network.delete(container, environment=variables).assert_silent_success()


def test_it_gets_del_after_its_failed_add(host: Host, network: Network, tmp_path: Path) -> None:
    other = script(tmp_path, only_on("ADD", f"echo '{REFUSAL}'; exit 1"))
    variables = delegate(network, "scripted", tmp_path)
    error = network.add(host.container(), environment=variables).error()
    assert error["code"] == 142
    assert other.calls() == ["ADD", "DEL"]


@pytest.mark.parametrize("answer", GARBAGE)
def test_an_answer_that_is_no_result_undoes_the_add(
    answer: str, host: Host, network: Network, tmp_path: Path
) -> None:
    other = script(tmp_path, f"echo '{answer}'")
    variables = delegate(network, "scripted", tmp_path)
    error = network.add(host.container(), environment=variables).error()
    assert error["code"] in (6, 7), error
    assert "IPAM plugin" in error["msg"], error
    assert other.calls() == ["ADD", "DEL"]


def test_garbage_beside_a_failure_is_shown(host: Host, network: Network, tmp_path: Path) -> None:
    script(tmp_path, only_on("ADD", "echo rubbish; echo cause >&2; exit 3"))
    variables = delegate(network, "scripted", tmp_path)
    error = network.add(host.container(), environment=variables).error()
    assert error["code"] == 5
    assert "exit status 3" in error["details"]
    assert "cause" in error["details"]


@pytest.mark.parametrize("code", ["0", "-5", "true", "1e30", "4294967296", '"7"', "null"])
def test_a_code_that_no_error_has_is_not_passed_on(
    code: str, host: Host, network: Network, tmp_path: Path
) -> None:
    refusal = f'{{"code": {code}, "msg": "pool dry"}}'
    script(tmp_path, only_on("ADD", f"echo '{refusal}'; exit 1"))
    variables = delegate(network, "scripted", tmp_path)
    error = network.add(host.container(), environment=variables).error()
    assert error["code"] == 5
    assert "pool dry" in error["details"]


def test_a_hanging_one_is_killed_when_we_are_told_to_stop(
    host: Host, network: Network, tmp_path: Path
) -> None:
    other = script(tmp_path, only_on("ADD", "trap '' TERM; echo $$ > $0.pid; sleep 60"))
    variables = delegate(network, "scripted", tmp_path)
    call = network.call("ADD", Attachment(host.container()), environment=variables)
    process = network.plugin.start(*call)
    pid_file = tmp_path / "scripted.pid"
    wait_until(lambda: pid_file.exists() and bool(pid_file.read_text()))
    process.send_signal(signal.SIGTERM)
    error = network.plugin.finish(process).error()
    assert error["code"] == 11
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()
    assert other.calls() == ["ADD", "DEL"]


# ---------------------------------------------------------------- which plugin it is


@pytest.mark.parametrize(
    ("kind", "code"), [("nobody-has-this", 7), ("../host-local", 7), ("a/b", 7), ("..", 7)]
)
def test_one_that_can_not_be_found_changes_nothing(
    kind: str, code: int, host: Host, network: Network, tmp_path: Path
) -> None:
    variables = delegate(network, kind, tmp_path)
    run = network.add(host.container(), environment=variables)
    assert not host.changes()
    assert run.error()["code"] == code
    assert kind in run.error()["msg"]


def test_one_that_vanished_does_not_keep_del_from_the_rest(
    host: Host, network: Network, tmp_path: Path
) -> None:
    other = script(tmp_path)
    variables = delegate(network, "scripted", tmp_path)
    container = host.container()
    network.add(container, environment=variables).result()
    other.path.unlink()
    assert "scripted" in network.delete(container, environment=variables).error()["details"]
    assert container.links() == {"lo"}
    script(tmp_path)
    network.delete(container, environment=variables).assert_silent_success()


@pytest.mark.parametrize("name", ["host-local", "my-own-name"])
def test_a_link_to_our_executable_is_served_in_process(
    name: str, host: Host, network: Network, tmp_path: Path
) -> None:
    (tmp_path / name).symlink_to(PLUGIN)
    variables = delegate(network, name, tmp_path, subnet=SUBNET4)
    variables["CNI_PATH"] = str(tmp_path)
    container = host.container()
    result = network.add(container, environment=variables).result()
    assert addresses_in(result) == ["10.88.0.2/16"]
    network.check(container, environment=variables).assert_silent_success()
    network.delete(container, environment=variables).assert_silent_success()


def test_a_copy_of_our_executable_is_executed_as_any_other(
    host: Host, network: Network, tmp_path: Path
) -> None:
    (tmp_path / "host-local").write_bytes(PLUGIN_PORTABLE.read_bytes())
    (tmp_path / "host-local").chmod(0o755)
    variables = delegate(network, "host-local", tmp_path, subnet=SUBNET4)
    network.config["name"] = "copied"
    error = network.add(host.container(), environment=variables).error()
    assert error["code"] == 102, "one ledger for both: a copy must be a link"


def test_without_host_local_its_config_is_served_in_process(
    host: Host, network: Network, tmp_path: Path
) -> None:
    variables = delegate(network, "host-local", tmp_path, subnet=SUBNET4)
    variables["CNI_PATH"] = str(tmp_path)
    result = network.add(host.container(), environment=variables).result()
    assert addresses_in(result) == ["10.88.0.2/16"]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("head -c 200000000 /dev/zero", "returned more than 1048576 bytes"),
        ('echo \'{"cniVersion": "9.9.9", "ips": []}\'', "found '9.9.9'"),
        (
            'echo \'{"ips": [{"address": "10.88.7.7/16", "gateway": "fd00:88::1"}]}\'',
            "fd00:88::1 is not of the family of 10.88.7.7/16",
        ),
    ],
    ids=["huge", "of an unknown version", "with a gateway of another family"],
)
def test_an_answer_that_can_not_be_one_is_refused(
    answer: str, complaint: str, host: Host, network: Network, tmp_path: Path
) -> None:
    other = script(tmp_path, only_on("ADD", answer))
    variables = delegate(network, "scripted", tmp_path)
    container = host.container()
    assert complaint in network.add(container, environment=variables).error()["msg"]
    assert other.calls() == ["ADD", "DEL"]
    assert container.links() == {"lo"}
