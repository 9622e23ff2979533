"""All nftables rules of a network namespace, as `nft` lists them."""

import json
import re
import subprocess
from typing import Any

from cni_bridge.cli.environment import own_environment
from cni_bridge.firewall import nft_tables
from cni_bridge.kernel import netns
from cni_bridge.lean.record import record

Statement = dict[str, Any]
PATIENCE_S = 30
CHAIN_LINE = re.compile(r"\s+chain (\S+) \{")
TABLE_LINE = re.compile(r"table (\S+) (\S+) \{")
RULE_LINE = re.compile(r"\s+(.*?) # handle (\d+)$")
COUNTER = re.compile(r"\s*counter packets \d+ bytes \d+")


@record
class Chain:
    """A chain; one without a hook is reached from other chains only."""

    family: str
    table: str
    name: str
    hook: str = ""
    kind: str = ""
    priority: int = 0
    drops: bool = False  # by its policy

    @property
    def where(self) -> str:
        """Like `inet cni_bridge forward`."""
        return f"{self.family} {self.table} {self.name}"


@record
class Rule:
    """A rule as its statements, and as `nft` prints it."""

    statements: tuple[Statement, ...]
    text: str


class Ruleset:
    """Chains, their rules, and sets with their elements."""

    def __init__(self) -> None:
        self.chains: dict[str, Chain] = {}
        self.rules: dict[str, list[Rule]] = {}
        self.sets: dict[tuple[str, str, str], list[Any]] = {}

    def at(self, hook: str, families: frozenset[str]) -> list[Chain]:
        """Return the chains at a hook that packets of these families pass, in order."""
        found = [each for each in self.chains.values() if each.hook == hook]
        return sorted(
            (each for each in found if each.family in families), key=lambda each: each.priority
        )

    def elements(self, chain: Chain, name: str) -> list[Any]:
        """Return the elements of the set or map that a rule names."""
        return self.sets.get((chain.family, chain.table, name.removeprefix("@")), [])


def read(netns_path: str) -> Ruleset:
    """Return all rules of the namespace at a path. Raises FirewallRefused if nft is missing."""
    nft = nft_tables.find_nft()
    opened = netns.open_netns(netns_path, may_be_own=True)
    try:
        listing, text = netns.inside(
            opened,
            lambda: (_run(nft, "-j", "list", "ruleset"), _run(nft, "-a", "list", "ruleset")),
        )
    finally:
        netns.close(opened)
    return _parse(listing, _texts(text))


def _run(*words: str) -> str:
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=own_environment(),
        check=True,
    )
    return done.stdout


def _parse(listing: str, texts: dict[tuple[str, int], str]) -> Ruleset:
    found = Ruleset()
    for item in json.loads(listing)["nftables"]:
        ((kind, body),) = item.items()
        if kind == "chain":
            chain = _chain(body)
            found.chains[chain.where] = chain
        elif kind in ("set", "map"):
            key = (body["family"], body["table"], body["name"])
            found.sets[key] = body.get("elem", [])
        elif kind == "rule":
            where = f"{body['family']} {body['table']} {body['chain']}"
            text = texts.get((where, body["handle"]), "")
            rule = Rule(statements=tuple(body["expr"]), text=text)
            found.rules.setdefault(where, []).append(rule)
    return found


def _chain(body: Statement) -> Chain:
    return Chain(
        family=body["family"],
        table=body["table"],
        name=body["name"],
        hook=body.get("hook", ""),
        kind=body.get("type", ""),
        priority=body.get("prio", 0),
        drops=body.get("policy") == "drop",
    )


def _texts(listing: str) -> dict[tuple[str, int], str]:
    """Return the rules' text by chain and handle, without counters."""
    texts, table, chain = {}, "", ""
    for line in listing.splitlines():
        if match := TABLE_LINE.match(line):
            table = f"{match[1]} {match[2]}"
        elif match := CHAIN_LINE.match(line):
            chain = match[1]
        elif match := RULE_LINE.match(line):
            texts[f"{table} {chain}", int(match[2])] = COUNTER.sub("", match[1]).strip()
    return texts
