"""Bytes -> a request as nobody should send it: what a fuzzer changes in them, changes a decision.

Everything is made from the good configs of tests/data/config; what comes of it is not known here.
"""

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.lab.paths import ROOT

T = TypeVar("T")

SEEDS = [path.read_bytes() for path in sorted((ROOT / "tests/data/config/good").iterdir())]
COMMANDS = ("ADD", "DEL", "CHECK", "GC", "STATUS")
VARIABLES = {
    "CNI_CONTAINERID": "c0ffee",
    "CNI_NETNS": "/run/netns/c0ffee",
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/nonexistent",
    "CNI_ARGS": "",
}
TEXTS = (
    *("", " ", "x", "0", ".", "..", "../../etc", "/etc/passwd", "a/../b", "-h", "--help", "-4"),
    *("a\nb", "a\tb", "a\x7fb", "\x00", "a\x00b", "é", "\u202e", "\ud800", "\udcff", "\ufeffx"),
    *("a" * 15, "a" * 16, "a" * 300, "%s%d", "$(id)", "`id`", "';drop table lease;--", "{}"),
    *("lo", "all", "default", "eth0:1", "br%d", "cni0", "host-local", "cni-bridge", "dhcp", "sh"),
    *("10.1.0.0/16", "10.1.0.0/33", "10.1.0.0/-1", "10.1.0.0/032", "10.1.0.0/31", "0.0.0.0/0"),
    *("255.255.255.255/32", "10.1.0.1", "010.1.0.1", "::/0", "::ffff:10.1.0.0/112", "fd00::/64"),
    *("fd00::1%eth0", "::1", "ff02::1", "224.0.0.1", "127.0.0.1", "02:00:00:00:00:05", "::/129"),
    *("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "1.1.0", "0.1.0", "1.1.0 ", "9.9.9", "tcp", "TCP"),
    *("/", "//", "/../..", "/run", "/proc/self", "/dev/null", "relative/path", "/a" * 3000),
    *("IP=10.1.0.9", "IP=10.1.0.9;MAC=02:00:00:00:00:05", "IgnoreUnknown=1;K8S=x", "a=b=c", ";;"),
    *("net.ipv4.conf.IFNAME.forwarding", "net/../kernel/panic", "net.", "kernel.panic", "IFNAME"),
)
JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 65535, 65536, 1 << 32, 1 << 63, 1 << 64, 10**400, 1500.0, 0.5),
    *(1e308, [], {}, [[]], [{}], [None], [[{}]], {"x": None}, {"": ""}, ["x", "x"], [[[[[]]]]]),
)
FRAGMENTS = (
    *(b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\x00", b"NaN", b"-"),
    *(b"Infinity", b"-Infinity", b"1e999", b"9" * 5000, b"[" * 120, b'{"a":' * 120, b"]", b"}"),
    *(b'"name":"n",', b'"NAME":"n",', b",", b":", b'"', b"\\", b"\n", b"/*", b"'", b"\xc0\xaf"),
)


@dataclass(frozen=True)
class Asked:
    """What a runtime would pass on: the environment, and the document on stdin."""

    variables: dict[str, str]
    stdin: bytes


class Choices:
    """Decisions read from bytes, one or two bytes each; when those are used up, the first option."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, below: int) -> int:
        """0 or more, less than `below`."""
        width = 1 if below <= 256 else 2
        taken = self._data[self._at : self._at + width]
        self._at += width
        return int.from_bytes(taken, "big") % below

    def pick(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.number(len(options))]

    def some(self, limit: int) -> bytes:
        """Return some of the bytes as they are."""
        length = self.number(limit)
        self._at += length
        return self._data[self._at - length : self._at]

    def rest(self) -> bytes:
        """Return the bytes that are left."""
        return self._data[self._at :]


def asked(data: bytes) -> Asked:
    """Return the request that these bytes stand for."""
    choices = Choices(data)
    variables = _variables(choices)
    kind = choices.number(8)
    if kind == 0:
        return Asked(variables, choices.rest())
    document = json.loads(choices.pick(SEEDS))
    for _ in range(choices.number(4)):
        _mutate(document, choices)
    stdin = json.dumps(document, ensure_ascii=kind % 2 == 0).encode(errors="surrogatepass")
    for _ in range(choices.number(3) if kind > 5 else 0):
        at = choices.number(len(stdin) + 1)
        stdin = stdin[:at] + choices.pick(FRAGMENTS) + stdin[at + choices.number(3) :]
    return Asked(variables, stdin)


def _variables(choices: Choices) -> dict[str, str]:
    variables = {"CNI_COMMAND": choices.pick(COMMANDS), **VARIABLES}
    for _ in range(choices.number(3)):
        name = choices.pick(sorted(variables))
        if choices.number(8) == 0:
            del variables[name]
        else:
            variables[name] = _as_passed_on(_text(choices))
    return variables


def _as_passed_on(text: str) -> str:
    """As execve(2) passes it on: bytes, up to the first that is 0."""
    raw = text.partition("\0")[0].encode("utf-8", "surrogatepass")
    return raw.decode("utf-8", "surrogateescape")


def _text(choices: Choices) -> str:
    if choices.number(4) == 0:
        return choices.some(64).decode("utf-8", "surrogateescape")
    return choices.pick(TEXTS)


def _mutate(document: Any, choices: Choices) -> None:
    """Change one place somewhere inside."""
    spots = list(_places(document))
    if not spots:
        return
    holder, key = choices.pick(spots)
    change = choices.number(8)
    if change == 0:
        del holder[key]
    elif change == 1 and isinstance(holder, dict):
        holder[key.upper() if choices.number(2) else _text(choices)] = holder[key]
    elif change == 2:
        holder[key] = copy.deepcopy(choices.pick(spots)[0])
    elif change < 5:
        holder[key] = copy.deepcopy(choices.pick(JUNK))
    else:
        holder[key] = _text(choices)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) inside."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
