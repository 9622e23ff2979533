"""What goes wrong: bad input changes nothing, and an ADD that fails at any step leaves nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kernel.conftest import MakeNetwork
from tests.lab import PLUGIN, Host, Json, Network, Plugin, Run
from tests.lab.network import CHECK_SINCE, version_key

REQUIRED = ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS")
MALFORMED_VARIABLES = (
    ("CNI_COMMAND", "DANCE"),
    ("CNI_CONTAINERID", "../../etc"),
    ("CNI_CONTAINERID", "-starts-with-a-dash"),
    ("CNI_IFNAME", "sixteen-letters!"),
    ("CNI_IFNAME", "a/b"),
    ("CNI_IFNAME", "with space"),
    ("CNI_IFNAME", ".."),
)
NOT_JSON = ("", "not json", "{", "[]", "42", '{"name": NaN}', '{"name": "a", "name": "b"}')
BAD_CONFIG: tuple[tuple[str, Json], ...] = (
    ("type", {"type": 5}),
    ("type", {"type": []}),
    ("type", {"type": True}),
    ("mtu", {"mtu": "1500"}),
    ("mtu", {"mtu": -1}),
    ("isGateway", {"isGateway": "yes"}),
    ("bridge", {"bridge": "longer-than-a-link-name-may-be"}),
    ("bridge", {"bridge": "a/b"}),
    ("vlan", {"vlan": 4095}),
    ("vlanTrunk", {"vlanTrunk": [{"minID": 7}]}),
    ("name", {"name": None}),
    ("name", {"name": "../../etc"}),
    ("hairpin", {"hairpinMode": True, "promiscMode": True}),
    ("runtimeConfig.mac", {"runtimeConfig": {"mac": "zz:zz"}}),
    ("ipam", {"ipam": "host-local"}),
)
BAD_IPAM: tuple[tuple[str, Json], ...] = (
    ("ipam.ranges", {"ranges": 7}),
    ("ipam.ranges[0][0].subnet", {"ranges": [[{"subnet": "10.0.0.0/33"}]]}),
    ("ipam.ranges[1][0].subnet", {"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "x"}]]}),
    ("ipam.ranges", {"ranges": [[{"subnet": "10.0.0.0/16"}], [{"subnet": "10.0.1.0/24"}]]}),
    (
        "ipam.ranges[0][0]",
        {"ranges": [[{"subnet": "10.0.0.0/24", "rangeStart": "10.0.1.1"}]]},
    ),
    ("ipam.routes[0].dst", {"routes": [{"dst": "nowhere"}]}),
)
FAILING_CALLS = ("sendto", "recvfrom", "setns", "write", "pwrite64")
STEPS_AT_MOST = 80


def refusal(host: Host, run: Run) -> Json:
    """Return the error of a run that changed nothing: not even a bridge was made."""
    assert not host.changes()
    return run.error()


@pytest.mark.parametrize("variable", REQUIRED)
def test_a_missing_variable_is_named(variable: str, host: Host, network: Network) -> None:
    error = refusal(host, network.add(host.container(), environment={variable: None}))
    assert error["code"] == 4
    assert variable in error["msg"]


def test_all_missing_variables_are_named_at_once(host: Host, network: Network) -> None:
    error = refusal(host, network.add(host.container(), environment=dict.fromkeys(REQUIRED)))
    assert error["code"] == 4
    assert [name for name in REQUIRED if name not in error["msg"]] == []


@pytest.mark.parametrize(("variable", "value"), MALFORMED_VARIABLES)
def test_a_malformed_variable_is_named(
    variable: str, value: str, host: Host, network: Network
) -> None:
    error = refusal(host, network.add(host.container(), environment={variable: value}))
    assert error["code"] == 4
    assert variable in error["msg"]


@pytest.mark.parametrize("stdin", NOT_JSON)
def test_what_is_no_json_object_is_refused(stdin: str, host: Host, network: Network) -> None:
    assert refusal(host, network.add(host.container(), stdin=stdin))["code"] == 6


@pytest.mark.parametrize(("path", "change"), BAD_CONFIG)
def test_a_bad_config_is_refused_with_the_path(
    path: str, change: Json, host: Host, network: Network
) -> None:
    error = refusal(host, network.add(host.container(), config=change))
    assert error["code"] == 7, error
    assert path in error["msg"] + error.get("details", "")


@pytest.mark.parametrize(("path", "change"), BAD_IPAM)
def test_a_bad_ipam_config_is_refused_with_the_path(
    path: str, change: Json, host: Host, make_network: MakeNetwork
) -> None:
    error = refusal(host, make_network(change).add(host.container()))
    assert error["code"] == 7, error
    assert path in error["msg"] + error.get("details", "")


@pytest.mark.parametrize("unknown", ["9.9.9", "1.0", "0.0.9", "next"])
def test_an_unknown_version_is_refused(unknown: str, host: Host, network: Network) -> None:
    error = refusal(host, network.add(host.container(), config={"cniVersion": unknown}))
    assert error["code"] == 1
    assert unknown in error["msg"] + error["details"]


@pytest.mark.parametrize("path", ["/dev/null", "/proc/self/ns/mnt", "/"])
def test_a_path_that_is_no_network_namespace_is_refused(
    path: str, host: Host, network: Network
) -> None:
    error = refusal(host, network.add(host.container(), environment={"CNI_NETNS": path}))
    assert error["code"] == 8
    assert path in error["msg"]


def test_a_netns_that_has_vanished_is_refused(host: Host, network: Network) -> None:
    path = "/run/netns/never-was"
    error = refusal(host, network.add(host.container(), environment={"CNI_NETNS": path}))
    assert error["code"] in (3, 8)
    assert path in error["msg"]


@pytest.mark.parametrize("path", ["/proc/self/ns/net", "/proc/thread-self/ns/net"])
def test_the_hosts_own_namespace_is_refused(path: str, host: Host, network: Network) -> None:
    error = refusal(host, network.add(host.container(), environment={"CNI_NETNS": path}))
    assert error["code"] == 8


def test_the_error_names_the_version_of_the_config(
    host: Host, network: Network, version: str
) -> None:
    error = refusal(host, network.add(host.container(), config={"mtu": -1}))
    assert error["cniVersion"] == version


def test_check_is_refused_below_its_first_version(
    host: Host, network: Network, version: str
) -> None:
    container = host.container()
    network.add(container).result()
    run = network.check(container)
    if version_key(version) < CHECK_SINCE:
        assert run.error()["code"] == 1
    else:
        run.assert_silent_success()


@pytest.mark.parametrize("call", FAILING_CALLS)
def test_an_add_that_fails_at_any_step_leaves_nothing(
    call: str, host: Host, network: Network, tmp_path: Path
) -> None:
    for step, run in disturbed_adds(host, network, f"{call}:error=EPERM", tmp_path):
        if run.status == 0:
            network.delete_all()  # this step may fail; the attachment is whole
        else:
            assert run.error()
        left = host.left_behind()
        assert not left, f"{call} {step}: {run.stdout}\n" + "\n".join(left)


@pytest.mark.parametrize("call", ["sendto", "pwrite64"])
def test_del_removes_everything_after_an_add_that_was_killed_at_any_step(
    call: str, host: Host, network: Network, tmp_path: Path
) -> None:
    for step, run in disturbed_adds(host, network, f"{call}:signal=KILL", tmp_path):
        assert run.status != 0
        network.delete(host.containers[-1]).assert_silent_success()
        left = host.left_behind()
        assert not left, f"{call} {step}:\n" + "\n".join(left)


def test_a_part_of_the_executable_that_cannot_be_read_is_no_bug_and_is_named(
    host: Host, network: Network, tmp_path: Path
) -> None:
    library = PLUGIN.parent / "_internal/people.zip"
    if not library.exists():
        pytest.skip("this is no executable that was built")
    network.config["mtu"] = "large"  # explained with its help
    reading = under_strace(network.plugin, "openat:error=EIO", tmp_path / "strace.log")
    network.plugin = replace(reading, prefix=(*reading.prefix, "-P", str(library)))
    error = refusal(host, network.add(host.container()))
    assert error["code"] == 5
    assert f"could not be loaded: {library.parent}: " in error["msg"]


def disturbed_adds(
    host: Host, network: Network, disturbance: str, scratch: Path
) -> Iterator[tuple[int, Run]]:
    """Run ADDs on fresh containers, disturbed at the first such system call, the second, ..."""
    container = host.container()
    plain = network.plugin
    log = scratch / "strace.log"
    for step in range(1, STEPS_AT_MOST):
        network.plugin = under_strace(plain, f"{disturbance}:when={step}", log)
        run = network.add(container)
        network.plugin = plain
        if not was_disturbed(log):
            break
        yield step, run
    else:
        pytest.fail(f"more than {STEPS_AT_MOST} steps of {disturbance}")
    assert step > 1, f"{disturbance} never happened: this test tests nothing"
    run.result()
    assert container.can_ping("10.88.0.1")


def under_strace(plugin: Plugin, disturbance: str, log: Path) -> Plugin:
    """Return the same plugin, run by strace with a fault injected."""
    call = disturbance.partition(":")[0]
    options = ("-f", "-o", str(log), "-e", f"trace={call}", "-e", f"inject={disturbance}")
    return replace(plugin, prefix=("strace", *options))


def was_disturbed(log: Path) -> bool:
    """Whether strace found its system call."""
    text = log.read_text(errors="replace")
    log.unlink()
    return "(INJECTED)" in text or "killed by SIGKILL" in text
