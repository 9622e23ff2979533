"""pyroute2 reads in requests about rules what was meant; rules are recognised by what they do."""

from struct import pack

import pytest

from cni_bridge.kernel import chains, messages
from cni_bridge.kernel.chains import Chain, Rule
from tests.unit.kernel.oracle import rule_in

FORWARD = Chain(family=2, table="filter", name="FORWARD")
NAMES = [("NFTA_RULE_TABLE", "filter"), ("NFTA_RULE_CHAIN", "FORWARD")]
MARK = 0x1000
BITS = pack("I", MARK)
ACCEPTING = (
    ("meta", 3),
    ("bitwise", BITS, bytes(4)),
    ("cmp", 0, BITS),
    ("immediate", 1),
)


def rule(*expressions: tuple[object, ...]) -> Rule:
    return Rule(handle=7, expressions=expressions, raw=b"")


def test_pyroute2_reads_a_rule_that_accepts_the_mark() -> None:
    value = ("NFTA_DATA_VALUE", BITS)
    bitwise = [
        ("NFTA_BITWISE_SREG", "NFT_REG_1"),
        ("NFTA_BITWISE_DREG", "NFT_REG_1"),
        ("NFTA_BITWISE_LEN", 4),
        ("NFTA_BITWISE_MASK", [value]),
        ("NFTA_BITWISE_XOR", [("NFTA_DATA_VALUE", bytes(4))]),
    ]
    comparison = [
        ("NFTA_CMP_SREG", "NFT_REG_1"),
        ("NFTA_CMP_OP", "NFT_CMP_EQ"),
        ("NFTA_CMP_DATA", [value]),
    ]
    verdict = [("NFTA_DATA_VERDICT", [("NFTA_VERDICT_CODE", "NF_ACCEPT")])]
    immediate = [("NFTA_IMMEDIATE_DREG", "NFT_REG_VERDICT"), ("NFTA_IMMEDIATE_DATA", verdict)]
    wanted = {
        "meta": [("NFTA_META_DREG", "NFT_REG_1"), ("NFTA_META_KEY", "NFT_META_MARK")],
        "bitwise": bitwise,
        "cmp": comparison,
        "counter": [],
        "immediate": immediate,
    }
    listed = [[("NFTA_EXPR_NAME", name), ("NFTA_EXPR_DATA", data)] for name, data in wanted.items()]
    request = chains.accept(FORWARD, MARK)
    header, attributes = rule_in(request.body)
    assert header == [2, 0, 0]
    assert attributes == [*NAMES, ("NFTA_RULE_EXPRESSIONS", listed)]
    assert request.flags & messages.NLM_F_APPEND, "at the end"
    request = chains.accept(FORWARD, MARK, before=rule())
    assert ("NFTA_RULE_POSITION", 7) in rule_in(request.body)[1]
    assert not request.flags & messages.NLM_F_APPEND, "before that rule"


def test_pyroute2_reads_which_rule_is_deleted() -> None:
    request = chains.delete(FORWARD, rule())
    assert rule_in(request.body) == ([2, 0, 0], [*NAMES, ("NFTA_RULE_HANDLE", 7)])


@pytest.mark.parametrize(
    ("expressions", "is_ours"),
    [
        (ACCEPTING, True),
        (ACCEPTING[:-1], False),
        ((*ACCEPTING[:-1], ("immediate", 0)), False),
        ((("payload", b""), *ACCEPTING), False),
        ((), False),
    ],
)
def test_a_rule_accepts_the_mark_if_it_asks_for_nothing_else(
    expressions: tuple[tuple[object, ...], ...], is_ours: bool
) -> None:
    assert chains.accepts(rule(*expressions), MARK) == is_ours


def test_a_rule_that_logs_or_calls_for_every_packet_is_known() -> None:
    assert chains.is_log(rule(("limit", b""), ("target", b"\x08\0\x01\0LOG\0")))
    assert not chains.is_log(rule(("target", b"\x08\0\x01\0DNAT\0")))
    assert not chains.is_log(rule())
    assert chains.calls(rule(("immediate", chains.NFT_JUMP, "ufw-reject"))) == "ufw-reject"
    assert chains.calls(rule(("meta", 6), ("immediate", chains.NFT_JUMP, "some"))) == ""
    assert chains.calls(rule(("immediate", 0))) == ""


@pytest.mark.parametrize(
    ("expressions", "refuses"),
    [
        ((("immediate", 0),), True),
        ((("reject", b""),), True),
        ((("log", b""), ("immediate", 0)), True),
        ((("target", b"\x0b\0\x01\0REJECT\0\0"),), True),
        ((("meta", 6), ("target", b"\x0b\0\x01\0REJECT\0\0")), False),
        ((("target", b"\x09\0\x01\0DNAT\0\0\0\0"),), False),
        ((("payload", b""), ("immediate", 0)), False),
        ((("immediate", 1),), False),
        ((), False),
    ],
)
def test_a_rule_refuses_all_if_it_asks_for_nothing(
    expressions: tuple[tuple[object, ...], ...], refuses: bool
) -> None:
    assert chains.refuses_all(rule(*expressions)) == refuses
