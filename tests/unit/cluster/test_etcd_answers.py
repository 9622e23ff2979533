"""Answers that no etcd gives, as of something between it and an agent: none ends or blinds the agent."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from cni_bridge.cluster.etcd_client import EtcdClient
from cni_bridge.cluster.etcd_watch import Changes, Forgotten
from cni_bridge.cluster.model import Credentials
from cni_bridge.cluster.store import Unreachable, ahead

BEGUN = b'{"result": {"created": true, "header": {"revision": "7"}}}'


class Stream:
    """What a client of these lines reads, once."""

    def __init__(self, *lines: bytes) -> None:
        self._lines = lines

    @contextmanager
    def stream(self, *_asked: object) -> Iterator["Stream"]:
        yield self

    def iter_lines(self, chunk_size: int | None) -> Iterator[bytes]:
        del chunk_size
        lines, self._lines = self._lines, ()
        yield from lines


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"<html>", b"{}", b"[]", b"7", b'"x"', b"\xff", b"[" * 100_000),
        *(b'{"error": "x"}', b'{"error": {"message": "x"}}', b'{"result": 7}'),
        b'{"result": {"created": true}}',
        b'{"result": {"header": {}, "events": [{"kv": {}}]}}',
        b'{"result": {"header": {}, "events": [{"kv": {"key": "a"}}]}}',
    ],
)
@pytest.mark.parametrize("before", [(), (BEGUN,)])
def test_whatever_is_read_the_end_of_a_watch_is_known(line: bytes, before: tuple[bytes]) -> None:
    """If etcd ends a stream that has begun, the next one continues it; that one does not begin here."""
    changes = Changes(cast("Any", Stream(*before, line)), {}, 5)
    with pytest.raises(Unreachable, match="the watch of etcd ended"):
        changes.next(10)
    changes.close()


def test_a_watch_that_begins_at_an_older_state_is_forgotten() -> None:
    changes = Changes(cast("Any", Stream(BEGUN)), {}, 8)
    with pytest.raises(Forgotten):
        changes.next(10)
    changes.close()


@pytest.mark.parametrize("answer", [{}, [], None, 7, "ok", {"result": {}}, {"result": 7}])
def test_an_endpoint_that_is_no_etcd_is_passed_over(
    answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = EtcdClient(("http://one", "http://two"), Credentials())
    one, two = client._members
    monkeypatch.setattr(client, "_first", 0)
    monkeypatch.setattr(one, "post", lambda *_, **__: answer)
    monkeypatch.setattr(two, "post", lambda *_, **__: {"header": {"revision": "7"}})
    assert client.ask("kv/range", {}) == {"header": {"revision": "7"}}
    monkeypatch.setattr(two, "post", lambda *_, **__: answer)
    with pytest.raises(Unreachable, match="not an answer of etcd"):
        client.ask("kv/range", {})


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Dec 2026 02:00:00 GMT", "0 0 0 0 0"])
def test_a_clock_that_is_told_as_nonsense_is_as_before(date: str) -> None:
    assert (ahead(date, 1.5), ahead(None, None)) == (1.5, None)
    assert (ahead("Tue, 01 Dec 2099 02:00:00 GMT", None) or 0) > 0
