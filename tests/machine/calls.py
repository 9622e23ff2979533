"""The plugin called as a runtime calls it, by shell functions in the machine.

`attach NAME [CNI_ARGS]` and `detach NAME` make a namespace, and remove it again.
"""

import json
import shlex
from typing import Any

from tests.machine.machines import Machine
from tests.machine.stages import CONFLIST

CONFIG = "/srv/call.json"
AGENT = "cni-bridge-agent@pods"  # of the network that `join` chooses
PLACE = "/root/calls"  # of the logs
FUNCTIONS = f"""
mkdir -p {PLACE}
call() {{
    CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_NETNS=/run/netns/$2 CNI_IFNAME=eth0 CNI_ARGS=$3 \\
        CNI_PATH=/opt/cni/bin /opt/cni/bin/cni-bridge < {CONFIG}
}}
attach() {{ ip netns add $1 && call ADD $1 $2; }}
detach() {{ call DEL $1 && {{ ip netns del $1 2>/dev/null || true; }}; }}
"""


class Calls:
    """A runtime without containers."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.network("web")

    def network(self, name: str, *, nameserver: bool = False, **ipam: object) -> None:
        """Choose the network's configuration, for the runtimes of the machine as well."""
        conflist: dict[str, Any] = json.loads(CONFLIST)
        conflist["name"] = name
        plugin = conflist["plugins"][0]
        plugin["ipam"].update(ipam)
        plugin["nameserver"] = nameserver
        self.machine.write(f"/etc/cni/net.d/10-{name}.conflist", json.dumps(conflist))
        self.configure(name, plugin)

    def configure(self, name: str, plugin: dict[str, Any]) -> None:
        """Choose the configuration that is called with."""
        self.plugin = plugin
        config = plugin | {"name": name, "cniVersion": "1.0.0"}
        config.pop("capabilities", None)
        self.machine.write(CONFIG, json.dumps(config))

    def join(self, store: str) -> None:
        """Choose a cluster network, of which this machine is a member once it has an agent."""
        plugin = {
            "type": "cni-bridge",
            "bridge": "cni0",
            "isDefaultGateway": True,
            "nameserver": True,
            "cluster": {"endpoints": [store], "network": "10.64.0.0/12"},
            "ipam": {"type": "cni-bridge"},
        }
        conflist = {"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin]}
        self.machine.write("/etc/cni/net.d/pods.conflist", json.dumps(conflist))
        self.configure("pods", plugin)

    def run(self, script: str) -> str:
        """Return what a script prints that succeeds; it has `attach` and `detach`."""
        return self.machine.run(self.script(script))

    def script(self, script: str) -> str:
        """Return a script with these functions."""
        return FUNCTIONS + script

    def begin(self, name: str, script: str) -> None:
        """Run a script again and again, with another `$n`; what it prints goes to a log."""
        loop = f"n=0; until test -e {PLACE}/{name}.end; do n=$((n + 1)); {script}; done"
        body = shlex.quote(f"{FUNCTIONS}exec > {PLACE}/{name} 2>&1\n{loop}")
        self.machine.run(f"systemd-run --quiet --collect --unit {name} bash -c {body}")

    def wait_for(self, name: str, count: int) -> None:
        """Return when a script has made some results."""
        self.machine.run(
            f"timeout 200 sh -c 'until test $(grep -c cniVersion {PLACE}/{name}) -ge {count}; "
            "do sleep 0.5; done'"
        )

    def end(self, name: str) -> str:
        """Stop a script between two calls, and return its log."""
        self.machine.run(
            f"touch {PLACE}/{name}.end; timeout 200 sh -c "
            f"'while systemctl --quiet is-active {name}; do sleep 0.5; done'"
        )
        return self.machine.run(f"cat {PLACE}/{name}")
