"""Changes of etcd's keys, read by a thread of their own. None is lost without an exception."""

import json
import queue
import threading
import time
from contextlib import suppress
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from cni_bridge.cluster.etcd_client import EtcdClient
from cni_bridge.cluster.etcd_json import Entry, event
from cni_bridge.cluster.store import Unreachable

GRACE_S = 5  # for the thread to notice; one whose member hangs ends when the stream does


class Forgotten(Exception):
    """Some changes are lost: etcd has compacted them, or was restored to an older state."""


class Changes:
    """All changes of some keys after a revision."""

    def __init__(self, client: EtcdClient, keys: dict[str, Any], revision: int) -> None:
        self._client = client
        self._keys = keys
        self.seen = revision  # revision of the last change that was read
        self._read: queue.SimpleQueue[list[Entry] | Unreachable | Forgotten] = queue.SimpleQueue()
        self._is_over = threading.Event()
        self._answer: requests.Response | None = None
        self._has_begun = False  # the stream that is read
        self._thread = threading.Thread(target=self._run, name="changes", daemon=True)
        self._thread.start()

    def next(self, patience: float) -> list[Entry]:
        """Return the changes of one or more revisions; none if none came in time. Raises Unreachable and
        Forgotten, and is closed then."""
        try:
            found = self._read.get(timeout=patience)
            while isinstance(found, list) and not self._read.empty():
                more = self._read.get()
                if not isinstance(more, list):
                    self._read.put(more)
                    break
                found += more
        except queue.Empty:
            return []
        if not isinstance(found, list):
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
        except (Unreachable, Forgotten) as problem:
            self._read.put(problem)
        except Exception as error:  # noqa: BLE001 - whatever ends the thread must be known to the agent
            self._read.put(Unreachable(f"the watch of etcd ended: {type(error).__name__}: {error}"))

    def _follow(self) -> None:
        """Read one stream until it ends. Raises Unreachable, Forgotten."""
        create = {"create_request": {**self._keys, "start_revision": str(self.seen + 1)}}
        with self._client.stream("watch", create) as answer:
            self._answer, self._has_begun, problem = answer, False, "is it etcd that answers?"
            try:
                for line in answer.iter_lines(chunk_size=None):
                    if self._is_over.is_set():
                        return
                    self._take(line)
            except (requests.RequestException, HTTPError, OSError) as error:
                problem = str(error)  # the next member continues where this one stopped
            finally:
                self._answer = None
        if not self._has_begun:
            raise Unreachable(f"the watch of etcd ended before it began: {problem}")
        self._is_over.wait(0.1)  # back off if a member ends each stream at once

    def _take(self, line: bytes) -> None:
        document = json.loads(line)
        if "error" in document:
            raise requests.ConnectionError(document["error"].get("message"))
        result = document["result"]
        self._has_begun |= bool(result.get("created"))
        is_older = result.get("created") and int(result["header"]["revision"]) < self.seen
        if is_older or result.get("compact_revision"):
            raise Forgotten
        if result.get("canceled"):
            raise Unreachable(f"etcd cancelled the watch: {result.get('cancel_reason')}")
        if entries := [event(each) for each in result.get("events", ())]:
            self.seen = max(each.revision for each in entries)
            self._read.put(entries)
