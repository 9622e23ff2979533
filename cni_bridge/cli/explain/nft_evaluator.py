"""Evaluate nftables rules for a packet at a hook: chain by chain, rule by rule.

Where a rule cannot be evaluated, both outcomes are followed and the verdict is unsure.
"""

import re
from collections.abc import Callable
from typing import Any

from cni_bridge.cli.explain import nft_matching
from cni_bridge.cli.explain.hops import DROPS, PASSES, UNSURE, Flow
from cni_bridge.cli.explain.nft_matching import ABSENT, UNKNOWN, Sight
from cni_bridge.cli.explain.ruleset import Chain, Rule, Ruleset, Statement
from cni_bridge.lean.record import record, replace

IPV4, IPV6 = frozenset({"ip", "inet"}), frozenset({"ip6", "inet"})
FRAMES = frozenset({"bridge"})
REMARKS = ("counter", "log", "comment", "notrack")
TRANSLATIONS = ("dnat", "redirect", "snat", "masquerade")
JUMPS = ("jump", "goto")
VERDICTS = ("accept", "drop", "reject", "return", "continue", "queue", *JUMPS)
TARGETS = {"REJECT": "reject", "DNAT": "dnat", "REDIRECT": "redirect", "MASQUERADE": "masquerade"}
TO = re.compile(r"\b(?:to|redirect to) \[?([\da-f.:]*?)\]?(?::(\d+))?$")


@record
class RuleEnd:
    """Where a packet's path through a chain ends: at a rule, or at the chain's policy."""

    kind: str
    chain: Chain
    rule: Rule | None

    @property
    def drops(self) -> bool:
        """Whether the packet is dropped here."""
        return self.kind in ("drop", "reject")

    @property
    def text(self) -> str:
        """The end in words."""
        if self.rule is None:
            return f"{self.chain.where} drops by its policy"
        return f"{self.chain.where} drops it: rule `{self.rule.text}`"


@record
class Judgement:
    """The verdict at a hook, what decided it, and the packet as it continues."""

    verdict: str
    flow: Flow
    end: RuleEnd | None = None  # what drops it, for certain or perhaps
    translation: RuleEnd | None = None


def judge(
    rules: Ruleset,
    hook: str,
    flow: Flow,
    is_local: Callable[..., bool],
    *,
    as_frame: bool = False,
) -> Judgement:
    """Evaluate all chains at a hook; `as_frame`: as bridged."""
    families = FRAMES if as_frame else IPV6 if flow.is_ipv6 else IPV4
    doubt, translation = None, None
    for chain in rules.at(hook, families):
        # What is established was translated when it began, what is translated is not again.
        if chain.kind == "nat" and (flow.state != "new" or translation):
            continue
        walk = _Walk(rules, flow, is_local)
        end = walk.through(chain) or RuleEnd(
            kind="drop" if chain.drops else "accept", chain=chain, rule=None
        )
        flow = walk.flow
        ends = [*walk.perhaps, end]
        dropping = next((each for each in ends if each.drops), None)
        if all(each.drops for each in ends):
            return Judgement(verdict=DROPS, flow=flow, end=dropping)
        doubt = doubt or dropping
        if end.kind in TRANSLATIONS:
            translation = end
    return Judgement(
        verdict=UNSURE if doubt else PASSES, flow=flow, end=doubt, translation=translation
    )


class _Walk:
    """One packet in one chain and the chains it jumps to."""

    def __init__(self, rules: Ruleset, flow: Flow, is_local: Callable[..., bool]) -> None:
        self.rules = rules
        self.flow = flow
        self.is_local = is_local
        self.perhaps: list[RuleEnd] = []  # ends at rules of which it is not known if they are met

    def through(self, chain: Chain) -> RuleEnd | None:
        """Return the end; None if the packet returns from the chain."""
        for rule in self.rules.rules.get(chain.where, []):
            met, kind, body = self._meet(rule, chain)
            if met is False or kind == "continue":
                continue
            if kind == "return" and met:
                return None
            before = self.flow
            end = self._follow(kind, body, rule, chain)
            if met is None:
                self.flow = before
                self.perhaps += [end] if end else []
            elif end or kind == "goto":
                return end
        return None

    def _meet(self, rule: Rule, chain: Chain) -> tuple[bool | None, str, Any]:
        """Return whether a rule matches the packet, and its verdict."""
        sure: bool | None = True
        for statement in rule.statements:
            ((kind, body),) = statement.items()
            sight = Sight(flow=self.flow, chain=chain, rules=self.rules, is_local=self.is_local)
            if kind == "xt" and (name := TARGETS.get((body or {}).get("name", ""))):
                return sure, name, _written(rule.text)
            if kind == "vmap":
                found = nft_matching.looked_up(body["key"], body["data"], sight)
                if found in (ABSENT, UNKNOWN):
                    return (False if found is ABSENT else None), "continue", None
                kind, body = next(iter(found.items()))
            if kind in TRANSLATIONS:
                return self._translation(kind, body, sure, sight)
            if kind in VERDICTS:
                return sure, kind, body
            answer = self._regard(kind, body, rule, sight)
            if answer is False:
                return False, "continue", None
            sure = sure and answer
        return sure, "continue", None

    def _regard(self, kind: str, body: Any, rule: Rule, sight: Sight) -> bool | None:
        """Evaluate a condition, or a statement without a verdict."""
        if kind in REMARKS:
            return True
        if kind == "match":
            return nft_matching.is_met(body, sight)
        if kind == "xt":
            return nft_matching.is_extension_met(body, rule.text, sight)
        if kind == "mangle":
            found = nft_matching.value(body["value"], sight)
            mark = found if isinstance(found, int) else None
            if body["key"] == {"meta": {"key": "mark"}}:
                self.flow = replace(self.flow, mark=mark)
            elif body["key"] == {"ct": {"key": "mark"}}:
                self.flow = replace(self.flow, connection_mark=mark)
            return True
        return None

    def _translation(
        self, kind: str, body: Any, sure: bool | None, sight: Sight
    ) -> tuple[bool | None, str, Any]:
        """Return the target of a translation; a map may have none for this packet."""
        body = body or {}
        if body.get("family") == ("ip" if self.flow.is_ipv6 else "ip6"):
            return False, "continue", None
        address = nft_matching.value(body.get("addr"), sight)
        if address is ABSENT:
            return False, "continue", None
        if address is UNKNOWN:
            return None, kind, ("", 0)
        if isinstance(address, dict):
            address = tuple(address["concat"])
        port = nft_matching.value(body.get("port"), sight) or 0
        return sure, kind, address if isinstance(address, tuple) else (address or "", port)

    def _follow(self, kind: str, body: Any, rule: Rule, chain: Chain) -> RuleEnd | None:
        if kind in JUMPS:
            family, table = chain.family, chain.table
            target = self.rules.chains[f"{family} {table} {body['target']}"]
            return self.through(target)
        if kind in ("dnat", "redirect"):
            address, port = body
            self.flow = replace(
                self.flow,
                address=address or self.flow.address,
                port=port or self.flow.port,
                is_redirected=True,
            )
        elif kind in ("snat", "masquerade"):
            self.flow = replace(self.flow, is_masked=True)
        return RuleEnd(kind=kind, chain=chain, rule=rule)


def _written(text: str) -> tuple[str, int]:
    """Parse an iptables target, which only the rule's text contains."""
    found = TO.search(text)
    return (found[1], int(found[2] or 0)) if found else ("", 0)


def conditions(rule: Rule) -> tuple[tuple[str, str], ...]:
    """Return the interface sets that a rule matches, by direction."""
    matches: list[Statement] = [each["match"] for each in rule.statements if "match" in each]
    sides = ((each["left"].get("meta", {}).get("key"), each["right"]) for each in matches)
    return tuple((side, name) for side, name in sides if side in ("iifname", "oifname"))
