"""What cni-bridge's own dropping rules mean, in words, recognised by the sets they match.

The rules are evaluated as found in the kernel; a test compares this list with the rule files.
"""

from cni_bridge.cli.explain import nft_evaluator
from cni_bridge.cli.explain.hops import Flow
from cni_bridge.cli.explain.nft_evaluator import RuleEnd
from cni_bridge.firewall import nft_tables

Conditions = tuple[tuple[str, str], ...]


def _sides(enters: str = "", leaves: str = "") -> Conditions:
    sides = (("iifname", enters), ("oifname", leaves))
    return tuple((side, f"@{name}") for side, name in sides if name)


SENTENCES: dict[Conditions, str] = {
    _sides("internal"): "{enters} is internal: nothing leaves it",
    _sides("", "internal"): "{leaves} is internal: nothing enters it",
    _sides("strict", "isolated"): "{enters} and {leaves} are isolated, one of them strictly",
    _sides("isolated", "strict"): "{enters} and {leaves} are isolated, one of them strictly",
    _sides("isolated", "isolated"): "{enters} and {leaves} are isolated from each other",
    _sides("", "closed"): "{leaves} is closed: only published ports can be reached",
    _sides("no_icc"): "icc is false on {enters}: its containers cannot reach each other",
    _sides("apart", "apart"): "icc is false: {enters} and {leaves} cannot reach each other",
    _sides("alone"): "{enters} is isolated by `cni-bridge isolate`",
    _sides("", "alone"): "{leaves} is isolated by `cni-bridge isolate`",
    (): "it belongs to no connection, so it would leave with a private address",
    _sides("no_ipv6"): "containers on {enters} reach this host by IPv4 only",
    _sides("no_host"): "containers on {enters} do not reach this host: hostAccess is none",
    _sides("gateway_only"): "containers on {enters} reach this host at their gateway only",
    _sides("bridges"): "containers cannot reach 127.0.0.0/8 of this host",
}
SPOOFED = "the sender's address is not one that it was given"


def meaning(end: RuleEnd, flow: Flow) -> str:
    """Describe what drops it and why; foreign rules are quoted."""
    if end.rule is None or end.chain.table != nft_tables.TABLE:
        return end.text
    sentence = SENTENCES.get(nft_evaluator.conditions(end.rule), SPOOFED)
    chain = f"table {end.chain.family} {end.chain.table}, chain {end.chain.name}"
    return f"{chain}: {sentence.format(enters=flow.enters, leaves=flow.leaves)}"
