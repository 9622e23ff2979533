"""What gives containers a network: this plugin, or the reference's chain of several.

One vocabulary of keys, ours; here it is said how the reference spells them, and which it lacks.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.chain import Chain
from tests.lab.host import Host
from tests.lab.network import Network
from tests.lab.paths import PLUGIN, peer
from tests.lab.plugin import Json, Plugin

Subnets = tuple[str, ...]
EVERYWHERE = frozenset({"ipMasq", "snat", "masqAll", "macspoofchk"})


@dataclass(frozen=True)
class Stack:
    """One way to give containers a network."""

    name: str
    needs: tuple[Path, ...]
    backend: str = ""  # of the reference's plugins; ours has none to choose

    @property
    def is_here(self) -> bool:
        """Whether it can be run on this machine."""
        return all(path.exists() for path in self.needs)

    def offers(self, config: Json) -> bool:
        """Whether there is something like each of these keys."""
        if not self.backend:
            return True
        both = EVERYWHERE | {"icc"}
        return set(config) <= (both | {"isolation"} if self.backend == "iptables" else both)

    def network(self, host: Host, letter: str, subnets: Subnets, config: Json) -> Network:
        """Return a network with the bridge `br-LETTER`."""
        plugin = Plugin.at(self.needs[0])
        document = {
            "cniVersion": "1.0.0",
            "name": f"net-{letter}",
            "type": plugin.type,
            "bridge": f"br-{letter}",
            "isDefaultGateway": True,
            "hairpinMode": True,
            "ipam": {"type": plugin.ipam_type, "ranges": [[{"subnet": each}] for each in subnets]},
        }
        if not self.backend:
            capabilities = {"capabilities": {"portMappings": True}}
            return host.network(plugin, document | capabilities | config)
        made = self._chain(plugin, document, config)
        host.networks.append(made)
        return made

    def _chain(self, plugin: Plugin, document: Json, config: Json) -> Chain:
        common = {key: document[key] for key in ("cniVersion", "name")}
        bridge: Json = {key: config[key] for key in ("ipMasq", "macspoofchk") if key in config}
        portmap = {key: config[key] for key in ("snat", "masqAll") if key in config}
        following = [_link("portmap", common, backend=self.backend, **portmap)]
        if config.get("isolation"):
            policy = {"backend": "iptables", "ingressPolicy": "same-bridge"}
            following.append(_link("firewall", common, **policy))
        bridge["portIsolation"] = not config.get("icc", True)
        return Chain(
            plugin,
            document | bridge | {"ipMasqBackend": self.backend},
            following=tuple(following),
        )


def _link(name: str, common: Json, **config: Any) -> Network:
    return Network(Plugin.at(peer(name)), {**common, "type": name, **config})


REFERENCE = (peer("bridge"), peer("host-local"), peer("portmap"), peer("firewall"))
OURS = Stack("cni-bridge", (PLUGIN,))
IPTABLES = Stack("bridge + portmap, iptables", (*REFERENCE, Path("/usr/sbin/iptables")), "iptables")
NFTABLES = Stack("bridge + portmap, nftables", (*REFERENCE, Path("/usr/sbin/nft")), "nftables")
STACKS = (OURS, IPTABLES, NFTABLES)
