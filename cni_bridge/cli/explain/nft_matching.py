"""Match a packet against an nftables rule: yes, no, or unknown.

Expressions are those of libnftables-json(5).
"""

import fnmatch
import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any

from cni_bridge.cli.explain.hops import NEW, Flow
from cni_bridge.cli.explain.ruleset import Chain, Ruleset
from cni_bridge.lean.record import record

UNKNOWN = object()
ABSENT = object()  # a packet of another kind has no such field
Answer = bool | None
TRANSPORT = ("tcp", "udp", "th")
EPHEMERAL = 32768  # a client's port is one that the kernel picks: net.ipv4.ip_local_port_range
# What iptables asks, as `nft` writes it out beside the name alone in its JSON.
EXTENSIONS = {
    "conntrack": re.compile(r"ct (state|status) ([\w,]+)"),
    "addrtype": re.compile(r"fib (daddr|saddr) type (\w+)"),
}


@record
class Sight:
    """What a rule sees: a packet, the sets of its table, and the host's addresses."""

    flow: Flow
    chain: Chain
    rules: Ruleset
    is_local: Callable[..., bool]  # an address, of any interface or of one


def is_met(match: dict[str, Any], sight: Sight) -> Answer:
    """Whether a `match` holds."""
    found = value(match["left"], sight)
    if found is ABSENT:
        return False
    if match["op"] not in ("==", "!=", "in"):
        return None
    answer = _is(found, match["right"], sight)
    return not answer if match["op"] == "!=" and answer is not None else answer


def is_extension_met(body: dict[str, Any] | None, text: str, sight: Sight) -> Answer:
    """Whether an iptables extension matches; `text` is the rule."""
    name = (body or {}).get("name", "")
    if name == "comment":
        return True
    found = EXTENSIONS[name].search(text) if name in EXTENSIONS else None
    if found is None or f"! {found[0]}" in text:
        return None
    if name == "conntrack":
        return _is(_tracked(found[1], sight), found[2].split(","), sight)
    fib = {"fib": {"result": "type", "flags": [found[1]]}}
    return _is(value(fib, sight), found[2], sight)


def looked_up(key: Any, pairs: Any, sight: Sight) -> Any:
    """Return a map's value for a key; ABSENT, or UNKNOWN."""
    found = value(key, sight)
    if found is ABSENT:
        return ABSENT
    for pattern, data in _items(pairs, sight):
        answer = _is(found, pattern, sight)
        if answer is not False:
            return data if answer else UNKNOWN
    return ABSENT


def value(expression: Any, sight: Sight) -> Any:
    """Evaluate an expression for this packet."""
    if not isinstance(expression, dict):
        return expression
    ((kind, body),) = expression.items()
    if kind == "concat":
        parts = tuple(value(each, sight) for each in body)
        return ABSENT if ABSENT in parts else parts
    if kind in ("&", "|", "^"):
        return _calculated(kind, [value(each, sight) for each in body])
    if kind == "map":
        return looked_up(body["key"], body["data"], sight)
    reader = READERS.get(kind)
    return reader(body, sight) if reader else UNKNOWN


def _meta(body: dict[str, Any], sight: Sight) -> Any:
    flow = sight.flow
    known = {
        "iifname": flow.enters,
        "iif": flow.enters,
        "oifname": flow.leaves,
        "oif": flow.leaves,
        "l4proto": flow.protocol,
        "nfproto": "ipv6" if flow.is_ipv6 else "ipv4",
        "protocol": "ip6" if flow.is_ipv6 else "ip",
        "mark": UNKNOWN if flow.mark is None else flow.mark,
        "iifgroup": 0,  # only frames past the bridge enter by a host end, whose group is another
    }
    return known.get(body["key"], UNKNOWN)


def _payload(body: dict[str, Any], sight: Sight) -> Any:
    flow = sight.flow
    protocol, field = body.get("protocol", ""), body.get("field", "")
    if protocol in ("ip", "ip6"):
        if (protocol == "ip6") != flow.is_ipv6:
            return ABSENT
        whose = {"saddr": flow.source, "daddr": flow.address}
        whose |= dict.fromkeys(("protocol", "nexthdr"), flow.protocol)
        return whose.get(field) or UNKNOWN
    if protocol in TRANSPORT:
        if protocol not in ("th", flow.protocol):
            return ABSENT
        from_port = flow.source_port or (EPHEMERAL if flow.state == NEW else UNKNOWN)
        return {"sport": from_port, "dport": flow.port}.get(field) or UNKNOWN
    if protocol == "ether":
        kind = "ip6" if flow.is_ipv6 else "ip"
        # No flow is addressed to one of the reserved groups that rules ask for.
        return {"saddr": flow.mac, "type": kind, "daddr": ABSENT}.get(field) or UNKNOWN
    return ABSENT if protocol else UNKNOWN  # of a protocol that this packet is not


def _connection(body: dict[str, Any], sight: Sight) -> Any:
    return _tracked(body["key"], sight)


def _tracked(key: str, sight: Sight) -> Any:
    """Return what connection tracking knows, as sets of words."""
    flow = sight.flow
    translated = (("dnat", flow.is_redirected), ("snat", flow.is_masked))
    known = {
        "state": frozenset({flow.state}),
        "status": frozenset(word for word, is_so in translated if is_so),
        "direction": "original" if flow.state == NEW else "reply",
        "protocol": flow.protocol,
        "mark": UNKNOWN if flow.connection_mark is None else flow.connection_mark,
    }
    return known.get(key, UNKNOWN)


def _routed(body: dict[str, Any], sight: Sight) -> Any:
    flags = body["flags"]
    if body["result"] == "type" and sorted(flags) == ["daddr", "iif"] and sight.flow.enters:
        return "local" if sight.is_local(sight.flow.address, sight.flow.enters) else "unicast"
    if body["result"] != "type" or flags not in ("daddr", "saddr", ["daddr"], ["saddr"]):
        return UNKNOWN
    address = sight.flow.address if "daddr" in flags else sight.flow.source
    if not address:
        return UNKNOWN
    return "local" if sight.is_local(address) else "unicast"


READERS: dict[str, Callable[[Any, Sight], Any]] = {
    "meta": _meta,
    "payload": _payload,
    "ct": _connection,
    "fib": _routed,
}


def _calculated(operation: str, operands: list[Any]) -> Any:
    if not all(isinstance(each, int) for each in operands):
        return UNKNOWN
    left, right = operands
    return {"&": left & right, "|": left | right, "^": left ^ right}[operation]


def _is(found: Any, pattern: Any, sight: Sight) -> Answer:
    """Whether a value matches a pattern."""
    if isinstance(pattern, str) and pattern.startswith("@"):
        return _any(_is(found, each, sight) for each, _ in _items(pattern, sight))
    if isinstance(pattern, list):
        return _any(_is(found, each, sight) for each in pattern)
    if isinstance(pattern, dict):
        return _is_compound(found, pattern, sight)
    if found is UNKNOWN:
        return None
    if isinstance(found, frozenset):
        return pattern in found
    if isinstance(pattern, str) and "*" in pattern:
        return fnmatch.fnmatchcase(str(found), pattern)
    return bool(found == pattern)


def _is_compound(found: Any, pattern: dict[str, Any], sight: Sight) -> Answer:
    ((kind, body),) = pattern.items()
    if kind == "concat":
        return _all(_is(one, each, sight) for one, each in zip(found, body, strict=True))
    if kind == "set":
        return _is(found, body, sight)
    if kind == "elem":
        return _is(found, body["val"], sight)
    if found is UNKNOWN:
        return None
    if kind == "prefix":
        network = ipaddress.ip_network(f"{body['addr']}/{body['len']}", strict=False)
        return ipaddress.ip_address(found) in network
    if kind == "range":
        low, high = body
        if isinstance(found, str):
            packed = [ipaddress.ip_address(each).packed for each in (low, found, high)]
            return packed == sorted(packed)
        return bool(low <= found <= high)
    return None


def _items(elements: Any, sight: Sight) -> Iterable[tuple[Any, Any]]:
    """Return the elements of a set or map, named or inline, with their values."""
    if isinstance(elements, str):
        elements = sight.rules.elements(sight.chain, elements)
    if isinstance(elements, dict):
        elements = elements["set"]
    return [(each[0], each[1]) if isinstance(each, list) else (each, None) for each in elements]


def _any(answers: Iterable[Answer]) -> Answer:
    given = list(answers)
    return True if True in given else None if None in given else False


def _all(answers: Iterable[Answer]) -> Answer:
    given = list(answers)
    return False if False in given else None if None in given else True
