"""The state that a connection meets: attachments, the host's addresses, all firewall rules."""

import ipaddress
from collections.abc import Generator, Iterator
from typing import Any

from cni_bridge.cli.clusters import Cluster
from cni_bridge.cli.explain import our_rules, ruleset
from cni_bridge.cli.explain.hops import DROPS, INFERRED, UNSURE, Flow, Hop, dropped
from cni_bridge.cli.explain.nft_evaluator import Judgement, judge
from cni_bridge.cli.host_state import KernelInterface, Space
from cni_bridge.cli.inventory import Attached, Inventory
from cni_bridge.firewall import foreign, nft_tables
from cni_bridge.kernel import sysctl
from cni_bridge.kernel.netns import OWN_NETNS
from cni_bridge.kernel.nftables import NFPROTO_BRIDGE, Netfilter

DEFAULTS = ("0.0.0.0/0", "::/0")
BRIDGED = {False: "net/bridge/bridge-nf-call-iptables", True: "net/bridge/bridge-nf-call-ip6tables"}
Hops = Generator[Hop, None, Flow]


class Scene:
    """What is known, read once; `asker`: the attachments of the source container, if it is one."""

    def __init__(self, found: Inventory, asker: tuple[Attached, ...] = ()) -> None:
        self.found = found
        self.asker = asker
        self._rules: dict[str, ruleset.Ruleset] = {}

    def at(self, address: str) -> Attached | None:
        """Return the attachment with an address."""
        for each in self.found.attachments:
            if any(bare(prefix) == address for prefix in each.shown_addresses):
                return each
        return None

    def clustered(self, address: str) -> Cluster | None:
        """Return the cluster network with an address."""
        return next((each for each in self.found.clusters if each.covers(address)), None)

    def device(self, address: str) -> KernelInterface | None:
        """Return the host's interface with an address."""
        for link in self.found.host.interfaces:
            if any(bare(prefix) == address for prefix in link.addresses):
                return link
        return None

    def is_hosts(self, address: str) -> bool:
        """Whether the host itself accepts packets for this address."""
        return ipaddress.ip_address(address).is_loopback or self.device(address) is not None

    def uplink(self) -> KernelInterface | None:
        """Guess the interface that outside connections arrive by: that of the default route."""
        host = self.found.host
        ours = {each.name for each in self.found.bridges}
        ways = {route.device for route in host.routes if route.destination in DEFAULTS}
        others = [
            each
            for each in host.interfaces
            if each.addresses and each.is_up and each.name not in {"lo", *ours}
        ]
        others.sort(key=lambda each: each.name not in ways)
        return next(iter(others), None)

    def own(self, device: str, *, is_ipv6: bool) -> str:
        """Return the host's address on an interface."""
        link = self.found.host.interface(device)
        return next(
            (bare(each) for each in link.addresses if (":" in each) == is_ipv6)
            if link
            else iter(()),
            "",
        )

    def parted(self, own: Attached, target: Attached) -> Iterator[Hop]:
        """Yield a hop if the kernel's rules isolate one of two containers."""
        for each in (own, target):
            if each.host_name in self._alone():
                text = f"{each.title} is isolated: `cni-bridge join {each.title}` ends that"
                yield dropped("bridge", text)

    def _alone(self) -> list[Any]:
        key = (nft_tables.FAMILY_NAMES[NFPROTO_BRIDGE], nft_tables.TABLE, "alone")
        return self._rules_in(OWN_NETNS).sets.get(key, [])

    def sees_bridged(self, flow: Flow) -> bool:
        """Whether IP rules also see bridged packets."""
        return sysctl.read(BRIDGED[flow.is_ipv6]) == "1"

    def judged(self, hook: str, flow: Flow, path: str, *, as_frame: bool = False) -> Judgement:
        """Evaluate a namespace's rules for a packet. Raises FirewallRefused if `nft` is missing."""
        rules = self._rules_in(path)
        own = self.found.host if path == OWN_NETNS else self._space(path)

        def is_local(ip: str, device: str = "") -> bool:
            return _has(own, ip, device)

        return judge(rules, hook, flow, is_local, as_frame=as_frame)

    def filtered(
        self,
        place: str,
        hook: str,
        flow: Flow,
        *,
        path: str = OWN_NETNS,
        as_frame: bool = False,
    ) -> Hops:
        """Yield a hop if rules drop the packet, or may; return the packet as it continues."""
        judgement = self.judged(hook, flow, path, as_frame=as_frame)
        yield from self._told(place, judgement, flow, "")
        return judgement.flow

    def answered(self, place: str, hook: str, flow: Flow, path: str = OWN_NETNS) -> Hops:
        """Do the same for the answer; return the packet that went there."""
        answer = flow.answer
        judgement = self.judged(hook, answer, path) if answer.address else None
        if judgement:
            yield from self._told(place, judgement, answer, "the answer: ")
        return flow

    def _told(
        self, place: str, judgement: Judgement, flow: Flow, about: str
    ) -> Generator[Hop, None, None]:
        end = judgement.end
        if end is None:
            return
        text = about + our_rules.meaning(end, flow)
        if end.chain.hook == "forward" and (remedy := self._remedy(end.chain.where)):
            text += f": {remedy}"
        if judgement.verdict == DROPS:
            yield dropped(place, text, INFERRED)
        elif judgement.verdict == UNSURE:
            text = f"perhaps {text}; --probe finds out"
            yield Hop(place=place, text=text, verdict=UNSURE, source=INFERRED)

    def _remedy(self, where: str) -> str:
        """Return the known remedy for a foreign chain."""
        bridges = [each.name for each in self.found.bridges]
        obstacles = foreign.obstacles(Netfilter(), *bridges)
        return next((each.remedy for each in obstacles if each.where == where), "")

    def _rules_in(self, path: str) -> ruleset.Ruleset:
        """Return a namespace's rules. Raises FirewallRefused if `nft` is missing."""
        if path not in self._rules:
            self._rules[path] = ruleset.read(path)
        return self._rules[path]

    def _space(self, path: str) -> Space | None:
        for each in self.found.attachments:
            if each.netns_path == path and each.space:
                return self.found.space(each.space)
        return None


def bare(prefix: str) -> str:
    """Return the address of a prefix."""
    return prefix.partition("/")[0]


def _has(space: Space | None, address: str, device: str = "") -> bool:
    if ipaddress.ip_address(address).is_loopback:
        return device in ("", "lo")
    links = [each for each in (space.interfaces if space else ()) if device in ("", each.name)]
    return any(bare(prefix) == address for link in links for prefix in link.addresses)
