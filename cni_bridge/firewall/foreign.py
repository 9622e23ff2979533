"""Foreign firewalls on this host: finds chains that drop containers' packets, and adds one rule there.

`accept` is not final in nftables: any other table may still drop the packet. Packets that cni-bridge's
rules allow carry a mark, which one rule in a foreign chain accepts. It comes after every rule that
drops some packets, so that an administrator's drops win. The ledger records that rule.
"""

import posix

from cni_bridge.kernel import chains, child
from cni_bridge.kernel.chains import Chain, Rule
from cni_bridge.kernel.nftables import NFPROTO_INET
from cni_bridge.lean import files
from cni_bridge.lean.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cni_bridge.kernel.nftables import Netfilter

MARK = 0x1000  # as in ruleset.nft
OURS = "cni_bridge"
NFPROTO_IPV4, NFPROTO_IPV6 = 2, 10  # linux/netfilter.h
FAMILIES = {NFPROTO_INET: "inet", NFPROTO_IPV4: "ip", NFPROTO_IPV6: "ip6"}
IPTABLES = ((NFPROTO_IPV4, "filter"), (NFPROTO_IPV6, "filter"))
FORWARD = "FORWARD"
DEPTH = 4  # of chains that call chains
# The program that made a table, by a prefix of the names of its chains.
OWNERS = {
    "DOCKER": "Docker",
    "ufw": "ufw",
    "KUBE-": "kube-proxy",
    "LIBVIRT_": "libvirt",
}
FIREWALLD = "firewalld"
LEGACY = (
    (NFPROTO_IPV4, "iptables-legacy", "ip_tables_names"),
    (NFPROTO_IPV6, "ip6tables-legacy", "ip6_tables_names"),
)
LEGACY_DIR = "/usr/sbin"
PATIENCE_MS = 5_000


@record
class Obstacle:
    """A chain that drops packets that our rules allow. `place`: the chain that may get our rule."""

    where: str  # `ip filter FORWARD`
    how: str
    remedy: str  # for people
    owner: str = ""
    place: str = ""

    def __str__(self) -> str:
        owner = f" ({self.owner})" if self.owner else ""
        return f"{self.where}{owner} {self.how}"


@record
class Dropping:
    """A chain that drops by default. `families`: those whose packets need our mark to pass."""

    families: tuple[int, ...] = ()
    obstacle: "Obstacle | None" = None  # None: our mark passes


def obstacles(socket: "Netfilter", *bridges: str) -> "list[Obstacle]":
    """Return the chains that drop forwarded packets of containers on these bridges."""
    return [each.obstacle for each in inspect(socket, *bridges) if each.obstacle]


def inspect(socket: "Netfilter", *bridges: str) -> "list[Dropping]":
    """Return the chains that drop what no rule of theirs accepts, whether or not our mark passes."""
    everything = chains.chains(socket)
    suspects = [
        chain
        for chain in everything
        if chain.hook == chains.NF_INET_FORWARD and chain.family in FAMILIES and chain.table != OURS
    ]
    found = (_inspect(socket, chain, everything, bridges) for chain in suspects)
    return [*filter(None, found), *_inspect_legacy()]


def accept(socket: "Netfilter", places: "Iterable[str]") -> None:
    """Let these chains accept our mark, after their drops. Raises KernelError."""
    for chain in map(_chain, places):
        listed = chains.rules(socket, chain)
        present = [rule for rule in listed if chains.accepts(rule, MARK)]
        others = [rule for rule in listed if rule not in present]
        end = _end(socket, chain, others)
        before = others[end] if end < len(others) else None
        socket.commit(
            *(chains.delete(chain, rule) for rule in present),
            chains.accept(chain, MARK, before),
        )


def is_overtaken(socket: "Netfilter", place: str) -> bool:
    """Return whether rules that drop some packets were added behind cni-bridge's."""
    chain = _chain(place)
    listed = chains.rules(socket, chain)
    ours = [number for number, rule in enumerate(listed) if chains.accepts(rule, MARK)]
    return bool(ours) and ours[0] < _end(socket, chain, listed)


def withdraw(socket: "Netfilter", places: "Iterable[str]") -> None:
    """Delete those rules where they exist. Raises KernelError."""
    found = [(chain, rule) for chain in map(_chain, places) for rule in _accepting(socket, chain)]
    socket.commit(*(chains.delete(chain, rule) for chain, rule in found))


def _inspect(
    socket: "Netfilter", chain: Chain, everything: list[Chain], bridges: tuple[str, ...]
) -> "Dropping | None":
    rules = chains.rules(socket, chain)
    how = _refusal(chain, rules)
    if not how:
        return None
    where = f"{FAMILIES[chain.family]} {chain.table} {chain.name}"
    if chain.table == FIREWALLD:
        if _is_accepted(rules) or _knows_all(socket, chain, bridges):
            return None
        remedies = "; ".join(_trust(bridge) for bridge in bridges or ("BRIDGE",))
        return Dropping(obstacle=Obstacle(where=where, how=how, remedy=remedies, owner=FIREWALLD))
    families = tuple(
        family for family in (NFPROTO_IPV4, NFPROTO_IPV6) if chain.family in (NFPROTO_INET, family)
    )
    if _is_accepted(rules):
        return Dropping(families=families)
    can_be_changed = (chain.family, chain.table) in IPTABLES and chain.name == FORWARD
    end = _end(socket, chain, rules)
    verb = (
        f"insert rule {where} handle {rules[end].handle}"
        if end < len(rules)
        else f"add rule {where}"
    )
    return Dropping(
        families=families,
        obstacle=Obstacle(
            where=where,
            how=how,
            remedy=f"nft {verb} meta mark and {MARK:#x} == {MARK:#x} accept",
            owner=_owner(chain, everything),
            place=where if can_be_changed else "",
        ),
    )


def _end(socket: "Netfilter", chain: Chain, rules: list[Rule]) -> int:
    """Return the index after the last rule that may accept or drop some packets but not others.

    What follows drops everything, writes log messages, or calls chains that do no more than that.
    """
    end = len(rules)
    while end and _is_indifferent(socket, chain, rules[end - 1], DEPTH):
        end -= 1
    return end


def _is_indifferent(socket: "Netfilter", chain: Chain, rule: Rule, depth: int) -> bool:
    if chains.refuses_all(rule) or chains.is_log(rule):
        return True
    name = chains.calls(rule)
    if not name or not depth:
        return False
    called = Chain(family=chain.family, table=chain.table, name=name)
    return all(
        _is_indifferent(socket, called, each, depth - 1) for each in chains.rules(socket, called)
    )


def _refusal(chain: Chain, rules: list[Rule]) -> str:
    if chain.drops:
        return "drops by its policy"
    if rules and chains.refuses_all(rules[-1]):
        return "refuses by its last rule"
    return ""


def _is_accepted(rules: "Iterable[Rule]") -> bool:
    return any(chains.accepts(rule, MARK) for rule in rules)


def _accepting(socket: "Netfilter", chain: Chain) -> "Iterator[Rule]":
    return (rule for rule in chains.rules(socket, chain) if chains.accepts(rule, MARK))


def _is_called(rules: "Iterable[Rule]", name: str) -> bool:
    return any(name.encode() + b"\0" in rule.raw for rule in rules)


def _knows_all(socket: "Netfilter", chain: Chain, bridges: tuple[str, ...]) -> bool:
    """Return whether firewalld has rules for all these bridges: then its verdict is intended."""
    table = Chain(family=chain.family, table=chain.table, name="")
    rules = chains.rules(socket, table)
    return bool(bridges) and all(_is_called(rules, bridge) for bridge in bridges)


def _trust(bridge: str) -> str:
    command = f"firewall-cmd --zone=trusted --add-interface={bridge}"
    return f"{command} and {command} --permanent"


def _owner(chain: Chain, everything: list[Chain]) -> str:
    for other in everything:
        if (other.family, other.table) == (chain.family, chain.table):
            for prefix, owner in OWNERS.items():
                if other.name.startswith(prefix):
                    return owner
    return ""


def _chain(place: str) -> Chain:
    family, table, name = place.split(" ")
    numbers = {text: number for number, text in FAMILIES.items()}
    return Chain(family=numbers[family], table=table, name=name)


def _inspect_legacy() -> "Iterator[Dropping]":
    """Find chains of iptables-legacy, which nftables does not list; runs its tools only if they are in use."""
    for family, tool, names in LEGACY:
        path = f"{LEGACY_DIR}/{tool}"
        try:
            has_filter = "filter" in files.text_of(f"/proc/self/net/{names}").split()
            if not has_filter or not posix.access(path, posix.X_OK):
                continue
            listed = child.run((path, "-S", FORWARD), timeout_ms=PATIENCE_MS).stdout
        except OSError:
            continue
        rule = f"-m mark --mark {MARK:#x}/{MARK:#x} -j ACCEPT"
        if b"-P FORWARD DROP" in listed:
            obstacle = Obstacle(
                where=f"{tool} {FORWARD}",
                how="drops by its policy",
                remedy=f"{tool} -A {FORWARD} {rule}",
            )
            is_accepted = rule.encode() in listed
            yield Dropping(families=(family,), obstacle=None if is_accepted else obstacle)
