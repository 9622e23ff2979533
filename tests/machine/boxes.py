"""Containers on a whole Debian, and who reaches them: the LAN, the machine, the LAN's server.

Debian 12 has podman with CNI; Debian 13 has containerd, with a unit of systemd for each container.
"""

import ipaddress
import json
import time
from dataclasses import dataclass
from typing import Protocol

from tests.machine.machines import Machine
from tests.machine.stages import IMAGE

HOST4, HOST6 = "192.0.2.1", "2001:db8::1"  # as the LAN sees the machine
LAN4, LAN6 = "192.0.2.2", "2001:db8::2"
PATIENCE_S = 30
NETWORK = "/etc/cni/net.d/10-web.conflist"

# What it answers is its name. It obeys SIGTERM: a shutdown would wait 90 s for it otherwise.
SERVE = "echo {name} > /www/index.html; trap exit TERM; httpd -f -p 80 -h /www & wait"
# At shutdown podman's service stops containers first. If systemd's SIGTERM came first, podman would take
# it for the end of a container that it must start again.
STOPPED_BY_PODMAN = "systemd-run --scope --quiet --collect --property=Before=podman-restart.service"
CONFINED = (
    "--apparmor-default-profile cri-containerd.apparmor.d"  # as Kubernetes has it; `ctr` has none
)
UNIT = """
[Unit]
After=containerd.service network-online.target
Requires=containerd.service
[Service]
BindReadOnlyPaths=/etc/cni/{name}.d:/etc/cni/net.d
ExecStartPre=-/bin/sh -c 'ctr task rm --force {name}; ctr container rm {name}; ctr snapshot rm {name}'
ExecStart=/usr/bin/ctr run --rm --cni --cpu-shares 0 {options} {image} {name} /bin/sh -c '{command}'
ExecStop=/usr/bin/ctr task kill --signal SIGKILL {name}
SuccessExitStatus=137
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Box:
    """A container, and the port of the machine that leads to its web server."""

    name: str
    port: int


class Runtime(Protocol):
    """What the scenarios need of a container runtime."""

    def start(self, name: str, port: int) -> Box:
        """Start a container that comes back after a reboot."""
        ...

    def remove(self, box: Box) -> None:
        """Remove a container."""
        ...

    def pid(self, box: Box) -> str:
        """Return a shell's words for the id of a process in the container."""
        ...


class Podman:
    """podman 4, with CNI as its backend."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.run("systemctl enable --quiet --now podman-restart")

    def start(self, name: str, port: int) -> Box:
        """Start a container."""
        command = SERVE.format(name=name)
        self.machine.run(
            f"{STOPPED_BY_PODMAN} podman run --detach --restart always --name {name} --network web "
            f"--publish {port}:80 {IMAGE} sh -c '{command}'"
        )
        return Box(name, port)

    def remove(self, box: Box) -> None:
        """Remove a container."""
        self.machine.run(f"podman rm --force --time 0 {box.name}")

    def pid(self, box: Box) -> str:
        """Return a shell's words for the id of its first process."""
        return f"$(podman inspect --format '{{{{.State.Pid}}}}' {box.name})"


class Containerd:
    """containerd, and `ctr run --cni` as a service; the port is in the network's configuration."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def start(self, name: str, port: int) -> Box:
        """Start a container."""
        ports = {"portMappings": [{"hostPort": port, "containerPort": 80, "protocol": "tcp"}]}
        conflist = json.loads(self.machine.run(f"cat {NETWORK}"))
        conflist["plugins"][0]["runtimeConfig"] = ports
        self.machine.write(f"/etc/cni/{name}.d/10-web.conflist", json.dumps(conflist))
        options = CONFINED if self.machine.has_own_kernel else ""
        command = SERVE.format(name=name)
        unit = UNIT.format(name=name, options=options, image=IMAGE, command=command)
        self.machine.write(f"/etc/systemd/system/box-{name}.service", unit)
        box = Box(name, port)
        self.machine.run(
            f"systemctl daemon-reload; systemctl enable --quiet --now box-{name}; "
            f"timeout {PATIENCE_S} sh -c 'until ctr task ls | grep -q ^{name}; do sleep 0.2; done'"
        )
        return box

    def remove(self, box: Box) -> None:
        """Remove a container."""
        self.machine.run(f"systemctl disable --quiet --now box-{box.name}")

    def pid(self, box: Box) -> str:
        """Return a shell's words for the id of its first process."""
        return f"$(ctr task ls | awk '$1 == \"{box.name}\" {{print $2}}')"


class Boxes:
    """The containers of a scenario."""

    def __init__(self, machine: Machine, runtime: Runtime) -> None:
        self.machine = machine
        self.runtime = runtime
        self.all: list[Box] = []

    def start(self, name: str, port: int) -> Box:
        """Start a container whose port answers with its name."""
        self.all.append(self.runtime.start(name, port))
        self.wait()
        return self.all[-1]

    def wait(self) -> None:
        """Return when every container serves again, which systemd starts at boot."""
        for box in self.all:
            self.machine.run(
                f"timeout 200 sh -c 'until timeout 5 busybox wget -q -O - "
                f"http://{HOST4}:{box.port}/; do sleep 0.5; done'"
            )

    def assert_all_reach(self, attempts: int = 1) -> None:
        """Check that LAN and host reach each port, and containers the LAN's server, masqueraded."""
        for box in self.all:
            expected = [*[box.name] * 3, HOST4, HOST6]
            found = self.reach(box)
            for _ in range(attempts - 1):
                if found != expected:
                    time.sleep(1)
                    found = self.reach(box)
            assert found == expected, f"{box}: {found}"

    def reach(self, box: Box) -> list[str]:
        """Return what is answered: by the port, to the LAN and to the host, and by the LAN's server."""
        get = "timeout 10 busybox wget -q -O - http://"
        lan = "ip netns exec lan"
        inside = f"nsenter --net --target {self.runtime.pid(box)}"
        lines = (
            f"{lan} {get}{HOST4}:{box.port}/",
            f"{lan} {get}[{HOST6}]:{box.port}/",
            f"{get}127.0.0.1:{box.port}/",
            f"{inside} timeout 10 socat -u TCP:{LAN4}:7,connect-timeout=5 -",
            f"{inside} timeout 10 socat -u TCP:[{LAN6}]:7,connect-timeout=5 -",
        )
        script = "; ".join(f"{line} 2>&1 || echo failed" for line in lines)
        found = self.machine.try_to_run(script).stdout.split("\n")[:-1]
        return [*found[:3], *map(_address, found[3:])]


def _address(answer: str) -> str:
    """Return an address as people write it; socat writes all of its digits in brackets."""
    try:
        found = ipaddress.IPv6Address(answer.strip("[]"))
    except ValueError:
        return answer
    return str(found.ipv4_mapped or found)
