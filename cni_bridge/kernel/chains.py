"""Chains and rules of any nftables table: reads them, and adds or deletes one rule.

Policy (which program made them, what to do about them) is not decided here.
"""

from cni_bridge.kernel.messages import NLM_F_APPEND, NLM_F_CREATE
from cni_bridge.kernel.netlink import (
    ATTRIBUTE_HEADER_SIZE,
    NLA_F_NESTED,
    Attributes,
    Request,
    Socket,
    decode,
    encode,
    nest,
)
from cni_bridge.kernel.nfmessages import (
    BITWISE,
    CHAIN,
    COMPARISON,
    ELEMENT_DATA,
    EXPRESSION,
    HOOK,
    IMMEDIATE,
    META,
    NFNL_SUBSYS_NFTABLES,
    NFT_MSG_DELRULE,
    NFT_MSG_GETCHAIN,
    NFT_MSG_GETRULE,
    NFT_MSG_NEWRULE,
    NFTA_BITWISE_DREG,
    NFTA_BITWISE_LEN,
    NFTA_BITWISE_MASK,
    NFTA_BITWISE_SREG,
    NFTA_BITWISE_XOR,
    NFTA_CHAIN_HOOK,
    NFTA_CHAIN_NAME,
    NFTA_CHAIN_POLICY,
    NFTA_CHAIN_TABLE,
    NFTA_CMP_DATA,
    NFTA_CMP_OP,
    NFTA_CMP_SREG,
    NFTA_DATA_VALUE,
    NFTA_DATA_VERDICT,
    NFTA_EXPR_DATA,
    NFTA_EXPR_NAME,
    NFTA_HOOK_HOOKNUM,
    NFTA_IMMEDIATE_DATA,
    NFTA_IMMEDIATE_DREG,
    NFTA_META_DREG,
    NFTA_META_KEY,
    NFTA_RULE_CHAIN,
    NFTA_RULE_EXPRESSIONS,
    NFTA_RULE_HANDLE,
    NFTA_RULE_POSITION,
    NFTA_RULE_TABLE,
    NFTA_VERDICT_CHAIN,
    NFTA_VERDICT_CODE,
    RULE,
    VERDICT,
)
from cni_bridge.lean.cstruct import pack, unpack_from
from cni_bridge.lean.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cni_bridge.kernel.netlink import Value

NF_DROP, NF_ACCEPT = 0, 1  # linux/netfilter.h
NFT_JUMP, NFT_GOTO = -3, -4  # linux/netfilter/nf_tables.h
NF_INET_FORWARD = 2
NFPROTO_UNSPEC = 0
NFT_META_MARK = 3  # linux/netfilter/nf_tables.h
NFT_CMP_EQ = 0
NFT_REG_VERDICT, NFT_REG_1 = 0, 1
NFTA_LIST_ELEM = 1


@record
class Chain:
    """A chain; without a hook, packets reach it from other chains only."""

    family: int
    table: str
    name: str
    hook: int | None = None
    drops: bool = False  # by its policy


@record
class Rule:
    """A rule: the name and the essential data of each expression, without counters and comments."""

    handle: int
    expressions: tuple[tuple[object, ...], ...]
    raw: bytes


def chains(socket: Socket) -> list[Chain]:
    """Return all chains of all tables."""
    listing = Request(
        what="list the chains of nftables",
        kind=_kind(NFT_MSG_GETCHAIN),
        body=encode(CHAIN, (NFPROTO_UNSPEC, 0, 0), {}),
    )
    return [_chain(answer) for answer in socket.dump(listing)]


def rules(socket: Socket, chain: Chain) -> list[Rule]:
    """Return the rules of a chain, or of its table if its name is empty; [] if there is no such chain."""
    listing = Request(
        what=f"list the rules of nftables chain {chain.table} {chain.name}",
        kind=_kind(NFT_MSG_GETRULE),
        body=encode(
            RULE,
            (chain.family, 0, 0),
            {NFTA_RULE_TABLE: chain.table, NFTA_RULE_CHAIN: chain.name or None},
        ),
    )
    return [_rule(answer) for answer in socket.dump(listing)]


def accepts(rule: Rule, mark: int) -> bool:
    """Return whether the rule accepts every packet that carries the mark."""
    bits = pack("I", mark)
    return rule.expressions == (
        ("meta", NFT_META_MARK),
        ("bitwise", bits, bytes(4)),
        ("cmp", NFT_CMP_EQ, bits),
        ("immediate", NF_ACCEPT),
    )


def refuses_all(rule: Rule) -> bool:
    """Return whether the rule drops or rejects every packet."""
    *before, last = rule.expressions or ((),)
    is_refusal = last == ("immediate", NF_DROP) or last[:1] == ("reject",) or _is(last, "REJECT")
    return is_refusal and all(expression[0] in ("log", "limit") for expression in before)


def is_log(rule: Rule) -> bool:
    """Return whether the rule writes a log message, and decides nothing."""
    last = rule.expressions[-1] if rule.expressions else ()
    return last[:1] == ("log",) or _is(last, "LOG") or _is(last, "NFLOG")


def calls(rule: Rule) -> str:
    """Return the chain that the rule sends every packet to; empty if there is none."""
    if len(rule.expressions) == 1 and len(rule.expressions[0]) == 3:
        name, code, chain = rule.expressions[0]
        return str(chain) if name == "immediate" and code in (NFT_JUMP, NFT_GOTO) else ""
    return ""


def accept(chain: Chain, mark: int, before: Rule | None = None) -> Request:
    """Return the request for a rule that accepts the mark, before another rule or at the end.

    It has the form in which iptables writes it.
    """
    return Request(
        what=f"add a rule to nftables chain {chain.table} {chain.name}",
        kind=_kind(NFT_MSG_NEWRULE),
        flags=NLM_F_CREATE if before else NLM_F_CREATE | NLM_F_APPEND,
        body=_rule_body(
            chain,
            {
                NFTA_RULE_EXPRESSIONS | NLA_F_NESTED: _accepting(mark),
                NFTA_RULE_POSITION: before.handle if before else None,
            },
        ),
    )


def _accepting(mark: int) -> bytes:
    bits = nest(ELEMENT_DATA, {NFTA_DATA_VALUE: pack("I", mark)})
    nothing = nest(ELEMENT_DATA, {NFTA_DATA_VALUE: bytes(4)})
    verdict = nest(VERDICT, {NFTA_VERDICT_CODE: NF_ACCEPT})
    verdict = nest(ELEMENT_DATA, {NFTA_DATA_VERDICT | NLA_F_NESTED: verdict})
    masking: dict[int, Value] = {
        NFTA_BITWISE_SREG: NFT_REG_1,
        NFTA_BITWISE_DREG: NFT_REG_1,
        NFTA_BITWISE_LEN: len(nothing) - ATTRIBUTE_HEADER_SIZE,
        NFTA_BITWISE_MASK | NLA_F_NESTED: bits,
        NFTA_BITWISE_XOR | NLA_F_NESTED: nothing,
    }
    comparing: dict[int, Value] = {
        NFTA_CMP_SREG: NFT_REG_1,
        NFTA_CMP_OP: NFT_CMP_EQ,
        NFTA_CMP_DATA | NLA_F_NESTED: bits,
    }
    deciding: dict[int, Value] = {
        NFTA_IMMEDIATE_DREG: NFT_REG_VERDICT,
        NFTA_IMMEDIATE_DATA | NLA_F_NESTED: verdict,
    }
    expressions = (
        ("meta", nest(META, {NFTA_META_DREG: NFT_REG_1, NFTA_META_KEY: NFT_META_MARK})),
        ("bitwise", nest(BITWISE, masking)),
        ("cmp", nest(COMPARISON, comparing)),
        ("counter", b""),
        ("immediate", nest(IMMEDIATE, deciding)),
    )
    return b"".join(map(_expression, expressions))


def delete(chain: Chain, rule: Rule) -> Request:
    """Return the request that deletes one rule."""
    return Request(
        what=f"delete a rule from nftables chain {chain.table} {chain.name}",
        kind=_kind(NFT_MSG_DELRULE),
        body=_rule_body(chain, {NFTA_RULE_HANDLE: rule.handle}),
    )


def _is(expression: tuple[object, ...], target: str) -> bool:
    """Return whether it is that target of iptables; its name is the first of the attributes."""
    if expression[:1] != ("target",):
        return False
    data = expression[1]
    assert isinstance(data, bytes), "the essence of a target is all of it"
    return data[ATTRIBUTE_HEADER_SIZE:].startswith(target.encode() + b"\0")


def _rule_body(chain: Chain, more: "Mapping[int, Value]") -> bytes:
    names = {NFTA_RULE_TABLE: chain.table, NFTA_RULE_CHAIN: chain.name}
    return encode(RULE, (chain.family, 0, 0), {**names, **more})


def _expression(expression: tuple[str, bytes]) -> bytes:
    name, data = expression
    content = nest(EXPRESSION, {NFTA_EXPR_NAME: name, NFTA_EXPR_DATA | NLA_F_NESTED: data})
    return nest(EXPRESSION, {NFTA_LIST_ELEM | NLA_F_NESTED: content})


def _chain(payload: bytes) -> Chain:
    (family, _, _), values = decode(CHAIN, payload)
    return Chain(
        family=family,
        table=values.text(NFTA_CHAIN_TABLE),
        name=values.text(NFTA_CHAIN_NAME),
        hook=values.nested(NFTA_CHAIN_HOOK, HOOK).number(NFTA_HOOK_HOOKNUM),
        drops=values.number(NFTA_CHAIN_POLICY) == NF_DROP,
    )


def _rule(payload: bytes) -> Rule:
    values = decode(RULE, payload)[1]
    found = map(_essence, _items(values.raw(NFTA_RULE_EXPRESSIONS)))
    handle = values.number(NFTA_RULE_HANDLE)
    assert handle is not None, "every rule has a handle"
    return Rule(handle=handle, expressions=tuple(filter(None, found)), raw=payload)


def _items(data: bytes) -> "Iterator[Attributes]":
    """Yield the items of a list of expressions."""
    offset = 0
    while offset < len(data):
        (length,) = unpack_from("H", data, offset)
        yield Attributes(EXPRESSION, data[offset + ATTRIBUTE_HEADER_SIZE : offset + length])
        offset += length + 3 & ~3


def _essence(expression: Attributes) -> tuple[object, ...]:
    """Return what distinguishes an expression; () for one without effect on packets."""
    name = expression.text(NFTA_EXPR_NAME)
    if name == "meta":
        return name, expression.nested(NFTA_EXPR_DATA, META).number(NFTA_META_KEY)
    if name == "bitwise":
        values = expression.nested(NFTA_EXPR_DATA, BITWISE)
        return name, _value(values, NFTA_BITWISE_MASK), _value(values, NFTA_BITWISE_XOR)
    if name == "cmp":
        values = expression.nested(NFTA_EXPR_DATA, COMPARISON)
        return name, values.number(NFTA_CMP_OP), _value(values, NFTA_CMP_DATA)
    if name == "immediate":
        values = expression.nested(NFTA_EXPR_DATA, IMMEDIATE)
        verdict = values.nested(NFTA_IMMEDIATE_DATA, ELEMENT_DATA).nested(
            NFTA_DATA_VERDICT, VERDICT
        )
        code = verdict.number(NFTA_VERDICT_CODE)
        if code in (NFT_JUMP, NFT_GOTO):
            return name, code, verdict.text(NFTA_VERDICT_CHAIN)
        return name, code
    data = expression.raw(NFTA_EXPR_DATA)
    is_remark = name == "counter" or (name == "match" and b"comment\0" in data)
    return () if is_remark else (name, data)


def _value(values: Attributes, number: int) -> bytes:
    return values.nested(number, ELEMENT_DATA).raw(NFTA_DATA_VALUE)


def _kind(message: int) -> int:
    return NFNL_SUBSYS_NFTABLES << 8 | message
