"""A private host with a container that must not be disturbed, and one to which things happen.

What is done there, what is looked at afterwards, and how the next trial finds it as it was.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL

from tests.crash import points
from tests.crash.points import Point
from tests.crash.scenes import ALIAS, GATEWAY, LIVE, Scene
from tests.lab import Container, Host, Plugin, Run, dns, state
from tests.lab.iproute import ip, ip_json
from tests.lab.nft import exists, held, nft
from tests.lab.plugin import TIMEOUT
from tests.lab.stacks import Stack
from tests.lab.state import LEDGER, Line, State
from tests.lab.waiting import wait_until

IFNAME = "eth0"
# What a killed run leaves of its transaction; the next one that writes takes it back or away.
JOURNAL = LEDGER.with_name(f"{LEDGER.name}-journal")
KEPT = "kept"  # the device of what a first ADD makes for all the others
SETTLING = 1.0  # seconds that the kernel may take to remove what was in a namespace
UNPACKED = "cni-bridge-*"


class Stage:
    """Inside the `with` block: `neighbour` is attached, `victim` and `other` are not."""

    def __init__(self, stack: Stack, scene: Scene) -> None:
        self.scene = scene
        self.host = Host()
        self._stack = stack
        self._leave = ExitStack()

    def __enter__(self) -> "Stage":
        self._leave.enter_context(self.host)
        self.scratch = Path(self._leave.enter_context(tempfile.TemporaryDirectory()))
        self.log = self.scratch / "strace.log"
        self.network = self._stack.network(self.host, "a", self.scene.subnets, self.scene.config)
        self.network.environment = {"TMPDIR": str(self.scratch)}
        self.neighbour, self.victim, self.other = map(
            self.host.container, ("neighbour", "victim", "other")
        )
        if not self.scene.is_first:
            self.network.add(self.neighbour).result()
            self.works(self.victim)  # once, so that the bridge has what it keeps
        wait_until(lambda: not ip("-6", "addr", "show", "tentative"))
        self.before = self.snapshot()
        return self

    def __exit__(self, *_: object) -> None:
        for each in dns.servers():
            os.kill(each, SIGKILL)
        self._leave.close()

    # ------------------------------------------------------------ what is done

    def run(self, command: str, container: Container | None = None) -> Run:
        """ADD, DEL or another command, for the victim if no other is named."""
        container = container or self.victim
        return self.network.do(
            command, container, IFNAME, config=self.scene.asked, environment=self._named(container)
        )

    def _named(self, container: Container) -> dict[str, str | None]:
        """Return what tells the container's name, where the scene's containers have one."""
        name = f"IgnoreUnknown=1;K8S_POD_NAME={container.name}"
        return {"CNI_ARGS": name} if self.scene.is_named else {}

    def delete_without_netns(self) -> Run:
        """Return the victim's namespace goes, and DEL comes without one."""
        self.victim.delete()
        gone: dict[str, str | None] = {"CNI_NETNS": None}
        config = self.scene.asked
        run = self.network.delete(self.victim, IFNAME, config=config, environment=gone)
        self.victim.create()
        return run

    def collect(self, *valid: Container) -> Run:
        """GC with these containers as the valid ones."""
        listed = [{"containerID": each.name, "ifname": IFNAME} for each in valid]
        config = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": listed}
        return self.network.do("GC", self.victim, IFNAME, config=config)

    def points(self, command: str) -> list[Point]:
        """All points of the command, which is carried out."""
        run = self.under_strace(points.listing(self.network.plugin, self.log), command)
        assert run.status == 0, run
        return points.found(self.log)

    def disturbed(self, command: str, point: Point, what: str) -> Run | None:
        """Return the command, disturbed at a point; None when that point was not reached."""
        run = self.under_strace(
            points.disturbing(self.network.plugin, point, what, self.log), command
        )
        return run if points.was_disturbed(self.log) else None

    def under_strace(self, plugin: Plugin, command: str) -> Run:
        """Return the command for the victim, by the network's plugin as strace runs it."""
        if command in LIVE:
            return self.change(command, plugin)
        network = replace(self.network, plugin=plugin)
        return network.do(
            command,
            self.victim,
            IFNAME,
            config=self.scene.asked,
            environment=self._named(self.victim),
        )

    def change(self, command: str, plugin: Plugin | None = None) -> Run:
        """Return one of the commands that change the victim while it runs."""
        plugin = plugin or self.network.plugin
        words = (*plugin.prefix, str(plugin.path), command, *LIVE[command])
        done = subprocess.run(
            (*words, "--conf-dir", str(self._conf_dir())),
            env={
                "PATH": os.environ["PATH"],
                "TMPDIR": str(self.scratch),
                "CNI_PATH": str(plugin.path.parent),
                "CNI_CACHE_DIR": str(self._cache),
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    @property
    def _cache(self) -> Path:
        """Where a command keeps the results of ADDs, as libcni does."""
        return self.scratch / "cache"

    def _conf_dir(self) -> Path:
        directory = self.scratch / "net.d"
        directory.mkdir(exist_ok=True)
        (directory / "a.conf").write_text(json.dumps(self.network.config))
        return directory

    def reset(self) -> None:
        """Take away what a first ADD leaves for all the others, and what a killed portable run unpacked."""
        for directory in self.scratch.glob(UNPACKED):
            shutil.rmtree(directory)
        if self.scene.is_first and LEDGER.parent.exists():
            if any(line.device == self.network.bridge for line in state.of_kernel()):
                ip("link", "delete", self.network.bridge)
            nft("flush", "ruleset")
            shutil.rmtree(LEDGER.parent)

    # ------------------------------------------------------------ what is looked at

    def snapshot(self) -> State:
        """Return the host, the containers, its sysctls, and the files beside the ledger."""
        kept = (Line("host", "file", "", each.name) for each in self._cache.glob("*/*"))
        return self.host.state().union(_sysctls(), _files(), kept)

    def left(self, settling: float = SETTLING) -> list[str]:
        """Return what differs from the start when the kernel has had time to remove what it does later."""
        shared = {self.network.bridge, KEPT} if self.scene.is_first else set()
        deadline = time.monotonic() + settling
        while True:
            differing = state.differences(self.before, self.snapshot(), shared)
            if not differing or time.monotonic() > deadline:
                return differing
            time.sleep(0.05)

    def assert_unharmed(self) -> None:
        """Assert that the neighbour is reachable as before and the ledger is intact."""
        if not self.scene.is_first:
            assert self.neighbour.can_ping(GATEWAY), "the neighbour does not reach the gateway"
        if LEDGER.exists():
            with closing(sqlite3.connect(LEDGER)) as ledger:
                verdict = ledger.execute("pragma integrity_check").fetchall()
            assert verdict == [("ok",)], f"the ledger is damaged: {verdict}"

    def unprotected(self) -> list[str]:
        """Return the rules and elements that are missing although a host end is on the bridge and up."""
        ports = ip_json("link", "show", "type", "veth")
        attached = [
            port["ifname"]
            for port in ports
            if port.get("master") == self.network.bridge and "UP" in port["flags"]
        ]
        return [
            f"{name} is attached without {what}" for name in attached for what in self._lacks(name)
        ]

    def _lacks(self, host_end: str) -> Iterator[str]:
        config = self.network.config
        bridge = self.network.bridge
        wanted = [
            ("internal", "inet", "internal", bridge),
            ("ipMasq", "inet", "bridges", bridge),
            ("macspoofchk", "bridge", "mac_guarded", host_end),
            ("ipspoofchk", "bridge", "ip_guarded", host_end),
        ]
        for key, family, name, member in wanted:
            if config.get(key) and not (exists(family) and member in held(name, family)):
                yield f"{member} in set {name}"
        if config.get("icc") is False and not (
            exists("bridge") and host_end in held("apart", "bridge")
        ):
            yield f"{host_end} in set apart"
        if config.get("ipMasq") and exists():
            chains = nft("list", "chain", "inet", "cni_bridge", "forward")
            if "goto" not in chains:
                yield "rules in chain forward"

    def is_attached(self, container: Container) -> None:
        """Assert that the container's ADD has reported the truth."""
        self.run("CHECK", container).assert_silent_success()
        assert container.can_ping(GATEWAY), f"{container.name} does not reach the gateway"
        if "nameserver" in self.scene.config:
            own = container.addresses()[0].partition("/")[0]
            assert dns.addresses(self.neighbour, GATEWAY, ALIAS) == [own]

    def works(self, container: Container) -> None:
        """Assert that a fresh ADD and DEL of the container work."""
        self.run("ADD", container).result()
        self.is_attached(container)
        self.run("DEL", container).assert_silent_success()
        assert not JOURNAL.exists(), f"{JOURNAL} stayed"


def _sysctls() -> Iterator[Line]:
    root = Path("/proc/sys/net")
    for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        yield Line("host", f"sysctl {key}", KEPT, (root / key).read_text())
    for device in os.listdir(root / "ipv4/conf"):
        for key in ("ipv4/conf/{}/route_localnet", "ipv6/conf/{}/accept_ra"):
            path = root / key.format(device)
            yield Line("host", f"sysctl {key}", device, path.read_text())


def _files() -> Iterator[Line]:
    if LEDGER.parent.exists():
        for name in {*os.listdir(LEDGER.parent)} - {JOURNAL.name}:
            if ".jsonl" not in name:  # the calls' journal, whose older half comes when it is time
                yield Line("host", "file", KEPT if name == LEDGER.name else "", name)
    for names in dns.BASE.glob("*/hosts"):
        yield Line("host", "names", "", names.read_text())
        yield Line("host", "nameservers", "", str(len(dns.servers())))
