"""Check cni-bridge's firewall tables, and what foreign tables drop."""

from collections.abc import Iterator

from cni_bridge.cli import restore
from cni_bridge.cli.doctor import fixes
from cni_bridge.cli.doctor.facts import BRIDGED_IS_FILTERED, Facts, gateway_of
from cni_bridge.cli.doctor.findings import Diagnosis, Fix
from cni_bridge.firewall.foreign import Obstacle

RESTORE = Fix(what="cni-bridge restore", act=restore.firewall)


def rules(facts: Facts) -> Iterator[Diagnosis]:
    """Find cni-bridge tables that are gone, flushed, or incomplete."""
    for table, problems in facts.tables.items():
        if not problems:
            continue
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        yield Diagnosis(
            cause=f"{problems[0]}{more}",
            effect="masquerade, published ports or isolation do not work"
            if table.startswith("inet")
            else "forged addresses are not dropped, and containers that should be apart meet",
            command="cni-bridge restore",
            fix=RESTORE,
        )


def foreign(facts: Facts) -> Iterator[Diagnosis]:
    """Find foreign chains that drop containers' traffic, unless a rule ends the chain earlier."""
    protection = {gateway_of(each) for each in facts.plans.values() if each.firewall}
    others = {
        gateway_of(each) for each in facts.plans.values() if fixes.bridge_of(each).gateways
    } - protection
    for each, rules in facts.obstacles.items():
        bare = {name for name in others if f'"{name}"' not in rules}
        if protection:
            yield Diagnosis(
                cause=str(each),
                effect=f"containers on {_listed(protection)} cannot reach anything beyond this host, "
                "and their published ports cannot be reached",
                command=each.remedy,
                fix=RESTORE if each.place else None,
            )
        if bare:
            inside = facts.sysctls[BRIDGED_IS_FILTERED] == "1"
            yield Diagnosis(
                cause=str(each),
                effect=f"containers on {_listed(bare)} cannot reach anything beyond this host"
                + (", nor each other, since br_netfilter is on" if inside else ""),
                command="; ".join(_by_interface(each, name) for name in sorted(bare)),
            )


def _by_interface(obstacle: Obstacle, name: str) -> str:
    """Return rules for a network whose packets cni-bridge's firewall does not mark."""
    if obstacle.where.startswith("ip"):
        tool, _, chain = obstacle.where.partition(" ")
        if "tables" in tool:
            return f"{tool} -I {chain} -i {name} -j ACCEPT; {tool} -I {chain} -o {name} -j ACCEPT"
    rule = f"nft insert rule {obstacle.where}"
    return f"{rule} iifname {name} accept; {rule} oifname {name} accept"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
