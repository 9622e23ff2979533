"""Calls as real runtimes made them, replayed through our executable.

Each file holds environment and stdin of one call and what the reference answered (`stdout`). Only
CNI_PATH is changed, and CNI_NETNS where it names a process. ASSERTED says what must come of each.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab import PEERS, PLUGIN, ROOT, Container, Host, Json, Plugin, Run
from tests.lab.iproute import ip, ip_json
from tests.lab.network import addresses_in

FILES = {path.stem: path for path in sorted((ROOT / "tests/data/captures").glob("*.json"))}
ASSERTED = {
    "ctr-add-bridge": "the reference's result; a netns by its process; then DEL",
    "ctr-del-bridge": "ADD, then DEL without CNI_NETNS removes everything",
    "ctr-del-hostlocal": "ADD, then DEL as IPAM plugin frees the address",
    "podman-add-bridge-connect": "the reference's result, on eth1; then DEL",
    "podman-add-bridge-default-net": "the reference's result; then DEL",
    "podman-add-bridge-ip-mac": "the reference's result: address and MAC of CNI_ARGS; then DEL",
    "podman-add-bridge-noenv": "success without PATH, where the reference fails; then DEL",
    "podman-add-bridge-port": "the reference's result; then DEL",
    "podman-add-bridge-reload": "the reference's result: address and MAC as before; then DEL",
    "podman-add-firewall": "the reference's firewall takes our result; then its DEL and ours",
    "podman-add-hostlocal": "the reference's result, as IPAM plugin; then DEL",
    "podman-add-portmap": "the reference's portmap takes our result; then its DEL and ours",
    "podman-add-tuning": "the reference's tuning takes our result; then its DEL and ours",
    "podman-add-type-cni-bridge": "the reference's result; then DEL",
    "podman-del-bridge-after-failed-add": "DEL of what is not there, without prevResult",
    "podman-del-bridge-disconnect": "ADD, then DEL removes everything",
    "podman-del-bridge-stop": "ADD, then DEL removes everything",
    "podman-del-portmap-stop": "ADD of both, then DEL of the reference's portmap and ours",
    "podman-version-bridge": "the versions, whatever the dummies",
}
CHAINED = ("firewall", "portmap", "tuning")
BRIDGE = {"type": "bridge", "bridge": "cnibr0", "isGateway": True}
IPAM = {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/16"}]]}


@dataclass
class Capture:
    """One call, and the place in which it is replayed."""

    name: str
    bin: Path
    environment: dict[str, str] = field(init=False)
    stdin: Json = field(init=False)
    answer: Json = field(init=False)
    plugin: str = field(init=False)

    def __post_init__(self) -> None:
        captured = json.loads(FILES[self.name].read_text())
        self.environment = captured["env"] | {"CNI_PATH": str(self.bin)}
        self.stdin, self.answer = captured["stdin"], captured["stdout"] or {}
        self.plugin = captured["plugin"]

    def run(self, command: str = "", plugin: str = "", **changes: object) -> Run:
        """Repeat the call, with another command or plugin or a changed document."""
        environment = self.environment | ({"CNI_COMMAND": command} if command else {})
        document = {
            key: value for key, value in (self.stdin | changes).items() if value is not None
        }
        path = self.bin / (plugin or self.plugin)
        return Plugin(path, "").run(environment, json.dumps(document))


@pytest.fixture
def capture(request: pytest.FixtureRequest, tmp_path: Path, host: Host) -> Iterator[Capture]:
    """Yield the call, its container, and a directory with cni-bridge under every plugin's name."""
    for name in ("bridge", "cni-bridge", "host-local"):
        (tmp_path / name).symlink_to(PLUGIN)
    for name in CHAINED:
        (tmp_path / name).symlink_to(PEERS / name)
    call = Capture(request.param, tmp_path)
    with container_of(call, host):
        yield call


@contextmanager
def container_of(call: Capture, host: Host) -> Iterator[None]:
    """Make the network namespace, or process, that the call names."""
    path = Path(call.environment.get("CNI_NETNS", ""))
    if path.is_relative_to("/run/netns"):
        host.container(path.name)
    elif path.is_relative_to("/proc"):
        with process_in(host.container()) as pid:
            call.environment["CNI_NETNS"] = f"/proc/{pid}/ns/net"
            yield
        return
    yield


@contextmanager
def process_in(container: Container) -> Iterator[int]:
    """Start a process in the container's namespace."""
    nsenter = ("nsenter", f"--net={container.netns}", "sleep", "60")
    process = subprocess.Popen(nsenter)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def each(*names: str) -> pytest.MarkDecorator:
    """Run a test for each of these calls."""
    return pytest.mark.parametrize("capture", names, indirect=True)


def named(start: str, *, without: tuple[str, ...] = ()) -> list[str]:
    """Return the captures whose names contain that."""
    return [name for name in FILES if start in name and name not in without]


def test_the_table_lists_every_capture() -> None:
    assert sorted(ASSERTED) == sorted(FILES)


@each(*named("-add-bridge"), "podman-add-type-cni-bridge")
def test_an_add_of_the_bridge(capture: Capture, host: Host) -> None:
    if capture.name.endswith("-noenv"):
        capture.environment["PATH"] = ""
    result = capture.run().result()
    assert ip_json("addr", "show", "dev", capture.stdin["bridge"])
    if "ips" in capture.answer:
        assert comparable(result) == comparable(capture.answer) | own_sandbox(capture)
    if "MAC=" in capture.environment["CNI_ARGS"]:
        assert f"MAC={result['interfaces'][2]['mac']}" in capture.environment["CNI_ARGS"]
    capture.run("DEL", prevResult=result).assert_silent_success()
    tidy(host, capture)


def comparable(result: Json) -> Json:
    """Return the parts that do not depend on the machine."""
    bridge, _, container = result["interfaces"]
    return {
        "version": result["cniVersion"],
        "ips": result["ips"],
        "routes": result.get("routes"),
        "dns": result.get("dns", {}),
        "bridge": bridge["name"],
        "ifname": container["name"],
        "sandbox": container["sandbox"],
    }


def own_sandbox(capture: Capture) -> Json:
    """Where the namespace is in the replay."""
    return {"sandbox": capture.environment["CNI_NETNS"]}


@each(*named("-del-bridge"))
def test_a_del_of_the_bridge(capture: Capture, host: Host) -> None:
    if "failed" not in capture.name:
        with added(capture, host):
            capture.run().assert_silent_success()
    capture.run().assert_silent_success()
    tidy(host, capture)


@contextmanager
def added(capture: Capture, host: Host) -> Iterator[None]:
    """Return the ADD before; the runtime no longer knows the namespace of ctr's call."""
    netns = capture.environment["CNI_NETNS"]
    capture.environment["CNI_NETNS"] = netns or str(host.container().netns)
    capture.run("ADD", prevResult=None).result()
    capture.environment["CNI_NETNS"] = netns
    yield


@each("podman-add-hostlocal")
def test_an_add_as_ipam_plugin(capture: Capture, host: Host) -> None:
    assert capture.run().result() == capture.answer
    capture.run("DEL").assert_silent_success()
    tidy(host, capture)


@each("ctr-del-hostlocal")
def test_a_del_as_ipam_plugin(capture: Capture, host: Host) -> None:
    with added(capture, host):
        capture.run().assert_silent_success()
    capture.run().assert_silent_success()
    tidy(host, capture)


@each(*(f"podman-add-{name}" for name in CHAINED), "podman-del-portmap-stop")
def test_the_call_of_the_next_in_the_chain(capture: Capture, host: Host) -> None:
    assert shutil.which("iptables"), "the reference's portmap and firewall execute it"
    network = {"cniVersion": capture.stdin["cniVersion"], "name": capture.stdin["name"]}
    ours = network | BRIDGE | {"ipam": IPAM}
    nothing = dict.fromkeys(capture.stdin)
    result = capture.run("ADD", "bridge", **(nothing | ours)).result()
    passed_on = capture.run("ADD", prevResult=result).result()
    assert addresses_in(passed_on) == addresses_in(capture.stdin["prevResult"])
    capture.run("DEL", prevResult=passed_on).assert_silent_success()
    capture.run("DEL", "bridge", **(nothing | ours)).assert_silent_success()
    subprocess.run(("nft", "flush", "ruleset"), check=True)  # the base chains of the reference
    tidy(host, capture)


@each("podman-version-bridge")
def test_the_versions(capture: Capture) -> None:
    assert capture.run().result() == capture.answer


def tidy(host: Host, capture: Capture) -> None:
    """Nothing is left but the bridge, which is shared."""
    bridge = capture.stdin.get("bridge", BRIDGE["bridge"])
    if bridge in {link["ifname"] for link in ip_json("link")}:
        ip("link", "del", bridge)
    host.assert_as_before()
