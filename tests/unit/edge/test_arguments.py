"""CNI_ARGS: the grammar, our keys, and what is not ours."""

import pytest

from cni_bridge.edge.arguments import Arguments, parse
from cni_bridge.errors import InvalidEnvironment


def test_nothing_asks_for_nothing() -> None:
    assert parse("") == Arguments()


def test_address_and_mac_are_read() -> None:
    assert parse("IP=10.1.2.3;MAC=02:00:00:00:00:05") == Arguments(
        ip="10.1.2.3", mac="02:00:00:00:00:05"
    )


@pytest.mark.parametrize("truth", ["1", "true", "TRUE", "True"])
def test_unknown_keys_pass_with_ignore_unknown(truth: str) -> None:
    text = f"IgnoreUnknown={truth};K8S_POD_NAME=web;IP=10.1.2.3"
    assert parse(text) == Arguments(ip="10.1.2.3", pod="web")


@pytest.mark.parametrize("text", ["K8S_POD_NAME=web", "ip=10.1.2.3", "IgnoreUnknown=0;A=b"])
def test_unknown_keys_are_refused_otherwise(text: str) -> None:
    with pytest.raises(InvalidEnvironment, match="unknown args"):
        parse(text)


@pytest.mark.parametrize("text", ["IP", "IP=1=2", "IP=10.1.2.3;", ";", "=", "a==b"])
def test_a_pair_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidEnvironment, match=r"invalid pair|unknown args"):
        parse(text)


def test_ignore_unknown_is_a_truth_value() -> None:
    with pytest.raises(InvalidEnvironment, match="IgnoreUnknown"):
        parse("IgnoreUnknown=yes")
