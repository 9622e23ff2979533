"""Changes of keys as etcd tells them, read by a thread of its own while others wait for them.

What they mean is not known here; none is left out, or it is said that some are.
"""

import json
import queue
import threading
import time
from contextlib import suppress
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from cni_bridge.cluster.entries import Entry, event
from cni_bridge.cluster.gateway import Gateway
from cni_bridge.cluster.store import Unreachable

GRACE_S = 5  # for the thread to notice; one whose member hangs ends when the stream does
LOST = "changes can't be told any more, from revision {} on: etcd has compacted them"


class Changes:
    """All changes of some keys after a revision."""

    def __init__(self, gateway: Gateway, keys: dict[str, Any], revision: int) -> None:
        self._gateway = gateway
        self._keys = keys
        self.seen = revision  # of the last change that was read
        self._read: queue.SimpleQueue[list[Entry] | Unreachable] = queue.SimpleQueue()
        self._is_over = threading.Event()
        self._answer: requests.Response | None = None
        self._thread = threading.Thread(target=self._run, name="changes", daemon=True)
        self._thread.start()

    def next(self, patience: float) -> list[Entry]:
        """Those of one revision or more, none if none came in time; raises Unreachable, and is over
        then."""
        try:
            found = self._read.get(timeout=patience)
            while not isinstance(found, Unreachable) and not self._read.empty():
                more = self._read.get()
                if isinstance(more, Unreachable):
                    self._read.put(more)
                    break
                found += more
        except queue.Empty:
            return []
        if isinstance(found, Unreachable):
            raise found
        return found

    def close(self) -> None:
        """End the thread."""
        self._is_over.set()
        end = time.monotonic() + GRACE_S
        while self._thread.is_alive() and time.monotonic() < end:
            answer = self._answer
            with suppress(OSError):  # it has just ended by itself
                if answer:
                    answer.raw.shutdown()
            self._thread.join(0.05)

    def _run(self) -> None:
        try:
            while not self._is_over.is_set():
                self._follow()
        except Unreachable as problem:
            self._read.put(problem)

    def _follow(self) -> None:
        """One stream until it ends. Raises Unreachable."""
        create = {"create_request": {**self._keys, "start_revision": str(self.seen + 1)}}
        with self._gateway.stream("watch", create) as answer:
            self._answer = answer
            try:
                for line in answer.iter_lines(chunk_size=None):
                    if self._is_over.is_set():
                        return
                    self._take(line)
            except (requests.RequestException, HTTPError, OSError, ValueError):
                pass  # broken off: the next member goes on where this one has ended
            finally:
                self._answer = None
        self._is_over.wait(0.1)  # none that ends each stream at once is asked without a break

    def _take(self, line: bytes) -> None:
        document = json.loads(line)
        if "error" in document:
            raise requests.ConnectionError(document["error"].get("message"))
        result = document["result"]
        if result.get("compact_revision") or result.get("canceled"):
            raise Unreachable(result.get("cancel_reason") or LOST.format(self.seen + 1))
        if entries := [event(each) for each in result.get("events", ())]:
            self.seen = max(each.revision for each in entries)
            self._read.put(entries)
