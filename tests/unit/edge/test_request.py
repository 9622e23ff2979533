"""The CNI_* variables: what is demanded, what is refused, and in which words."""

import os
import posix
from pathlib import Path

import pytest

from cni_bridge.edge import request
from cni_bridge.errors import InvalidEnvironment, IOFailure

GOOD = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "c0ffee-1.2_3",
    "CNI_NETNS": "/run/netns/x",
    "CNI_IFNAME": "eth0",
}


def refusal(variables: dict[str, str]) -> InvalidEnvironment:
    with pytest.raises(InvalidEnvironment) as caught:
        request.check(variables)
    assert caught.value.code == 4
    return caught.value


@pytest.mark.parametrize("command", ["ADD", "CHECK"])
def test_every_missing_variable_is_named_at_once(command: str) -> None:
    expected = "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME] missing"
    assert refusal({"CNI_COMMAND": command}).msg == expected


@pytest.mark.parametrize("command", ["DEL", "CHECK", "GC", "STATUS"])
def test_what_add_accepts_the_others_accept_with_a_prev_result(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "ADD_LIMIT", 10)
    monkeypatch.setattr(request, "STDIN_LIMIT", 20)

    def read(command: str, size: int) -> bytes:
        (tmp_path / "stdin").write_bytes(b"x" * size)
        with open(tmp_path / "stdin", "rb") as file:
            monkeypatch.setattr(posix, "read", lambda _, limit: os.read(file.fileno(), limit))
            return request.read_stdin(command)

    assert len(read("ADD", 10)) == 10
    assert len(read(command, 20)) == 20
    for each, size in (("ADD", 11), (command, 21)):
        with pytest.raises(IOFailure, match=f"at most {size - 1} bytes for {each}, found more"):
            read(each, size)


def test_del_does_without_a_netns() -> None:
    assert refusal({"CNI_COMMAND": "DEL"}).msg.endswith("[CNI_CONTAINERID,CNI_IFNAME] missing")


def test_an_empty_variable_is_a_missing_one() -> None:
    assert "[CNI_NETNS]" in refusal(GOOD | {"CNI_NETNS": ""}).msg


def test_an_unknown_command_is_refused_by_name() -> None:
    assert refusal({"CNI_COMMAND": "add"}).msg == "unknown CNI_COMMAND: add"


@pytest.mark.parametrize("container", ["-x", ".x", "_x", "a/b", "a b", "a;b", "ä", "../x", "a\n"])
def test_a_container_id_of_other_characters_is_refused(container: str) -> None:
    assert "invalid characters in containerID" in refusal(GOOD | {"CNI_CONTAINERID": container}).msg


@pytest.mark.parametrize(
    ("ifname", "reason"),
    [
        ("a" * 16, "too long"),
        (".", "is . or .."),
        ("..", "is . or .."),
        ("a/b", "contains / or : or whitespace"),
        ("a:b", "contains / or : or whitespace"),
        ("a b", "contains / or : or whitespace"),
        ("eth%d", "contains / or : or whitespace"),
        ("eth\x01", "contains / or : or whitespace"),
        ("ethö", "non-ASCII"),
    ],
)
def test_an_interface_name_that_the_kernel_would_refuse_is_refused(
    ifname: str, reason: str
) -> None:
    assert reason in refusal(GOOD | {"CNI_IFNAME": ifname}).msg


def test_all_faults_are_in_one_answer() -> None:
    message = refusal({"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "-", "CNI_IFNAME": ".."}).msg
    assert "[CNI_NETNS] missing" in message
    assert "containerID" in message
    assert "interface name is . or .." in message


@pytest.mark.parametrize("text", ["a", "A9", "0.1", "a-b_c.d"])
def test_letters_digits_and_three_signs_make_a_name(text: str) -> None:
    assert request.is_name(text)


@pytest.mark.parametrize("text", ["", "-", "a b", "é", "a\0", "a/..", "٣"])
def test_nothing_else_is_a_name(text: str) -> None:
    assert not request.is_name(text)
