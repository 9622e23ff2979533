"""What is wrong with our firewall's tables, and what those of others drop.

Judged from facts alone.
"""

from collections.abc import Iterator

from cni_bridge.cli.doctor import fixes
from cni_bridge.cli.doctor.facts import BRIDGED_IS_FILTERED, Facts, gateway_of
from cni_bridge.cli.doctor.findings import Finding, Mend
from cni_bridge.firewall import apply
from cni_bridge.firewall.foreign import Obstacle
from cni_bridge.firewall.register import Register
from cni_bridge.ledger import state_directory, store


def _restore() -> None:
    ledger = store.find_ledger(state_directory.HOST)
    assert ledger is not None, "what is missing was found in it"
    apply.restore(Register(ledger.database))


RESTORE = Mend(what="cni-bridge restore", act=_restore)


def rules(facts: Facts) -> Iterator[Finding]:
    """Tables of ours that are gone, flushed, or lack elements."""
    for table, problems in facts.tables.items():
        if not problems:
            continue
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        yield Finding(
            cause=f"{problems[0]}{more}",
            effect="masquerade, published ports or isolation don't work"
            if table.startswith("inet")
            else "forged addresses are not dropped",
            command="cni-bridge restore",
            mend=RESTORE,
        )


def foreign(facts: Facts) -> Iterator[Finding]:
    """Chains of others that drop what containers send and get, as far as nothing ends that."""
    guarded = {gateway_of(each) for each in facts.plans.values() if each.firewall}
    others = {
        gateway_of(each) for each in facts.plans.values() if fixes.bridge_of(each).gateways
    } - guarded
    for each, rules in facts.obstacles.items():
        bare = {name for name in others if f'"{name}"' not in rules}
        if guarded:
            yield Finding(
                cause=str(each),
                effect=f"containers on {_listed(guarded)} reach nothing beyond this host, "
                "and nothing reaches their published ports",
                command=each.remedy,
                mend=RESTORE if each.place else None,
            )
        if bare:
            inside = facts.sysctls[BRIDGED_IS_FILTERED] == "1"
            yield Finding(
                cause=str(each),
                effect=f"containers on {_listed(bare)} reach nothing beyond this host"
                + (", nor each other, as br_netfilter is on" if inside else ""),
                command="; ".join(_by_interface(each, name) for name in sorted(bare)),
            )


def _by_interface(obstacle: Obstacle, name: str) -> str:
    """Rules for a network whose packets our firewall does not mark."""
    if obstacle.where.startswith("ip"):
        tool, _, chain = obstacle.where.partition(" ")
        if "tables" in tool:
            return f"{tool} -I {chain} -i {name} -j ACCEPT; {tool} -I {chain} -o {name} -j ACCEPT"
    rule = f"nft insert rule {obstacle.where}"
    return f"{rule} iifname {name} accept; {rule} oifname {name} accept"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
