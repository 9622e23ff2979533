"""Requests to the Kubernetes API, and changes from it.

The client library handles credentials: a pod's, or those of a kubeconfig.
"""

import queue
import threading
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import httpx2
import msgspec
from lightkube import ApiError, Client
from lightkube.config.kubeconfig import KubeConfig
from lightkube.core.exceptions import ConfigError
from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import Node

from cni_bridge.cluster.store import Unreachable

TIMEOUT = httpx2.Timeout(5.0, connect=2.0)
STREAM_S = 60  # after which the server ends a watch, and the next one goes on
NOT_FOUND, CONFLICT = 404, 409
Change = tuple[str, Any]  # ADDED, MODIFIED, DELETED; the object


class Api:
    """The API server; every method may raise Unreachable."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        try:
            config = KubeConfig.from_file(kubeconfig) if kubeconfig else KubeConfig.from_env()
            self._client: Any = Client(config=config, namespace=namespace, timeout=TIMEOUT)
        except (ConfigError, OSError, ValueError) as error:
            raise Unreachable(f"kubeconfig {kubeconfig or 'of this pod'}: {error}") from error
        self._client._client._client.event_hooks["response"].append(self._look_at_the_clock)
        self.skew: float | None = None

    def lease(self, name: str) -> Lease | None:
        """Return a Lease, if there is one of that name."""
        found: Lease | None = self._asked(lambda: self._client.get(Lease, name), but=NOT_FOUND)
        return found

    def node(self, name: str) -> Node | None:
        """Return a Node, if there is one of that name."""
        found: Node | None = self._asked(lambda: self._client.get(Node, name), but=NOT_FOUND)
        return found

    def create(self, lease: Lease) -> Lease | None:
        """Return a new one; None if there is one of its name."""
        made: Lease | None = self._asked(lambda: self._client.create(lease), but=CONFLICT)
        return made

    def replace(self, lease: Lease) -> Lease | None:
        """Return the changed object; None if it has been changed since it was read, or is gone."""
        refusals = (CONFLICT, NOT_FOUND)
        made: Lease | None = self._asked(lambda: self._client.replace(lease), but=refusals)
        return made

    def listed(self, kind: type, labels: dict[str, str]) -> tuple[list[Any], str]:
        """Return all objects of a kind, and the version they are of."""

        def ask() -> tuple[list[Any], str]:
            found = self._client.list(kind, labels=labels)
            items = list(found)
            return items, str(found.resourceVersion)

        answer: tuple[list[Any], str] = self._asked(ask)
        return answer

    def close(self) -> None:
        """End the connections."""
        self._client._client._client.close()

    def stream(self, kind: type, labels: dict[str, str], version: str) -> "Changes":
        """Return what changes from a version on."""
        return Changes(self._client, kind, labels, version)

    def _asked(self, ask: Any, *, but: int | tuple[int, ...] = ()) -> Any:
        """Return the answer; None where its status is one of `but`."""
        try:
            return ask()
        except ApiError as error:
            if error.status.code in (but if isinstance(but, tuple) else (but,)):
                return None
            raise Unreachable(f"the API server: {error.status.message}") from error
        except (httpx2.HTTPError, msgspec.MsgspecError) as error:
            raise Unreachable(f"the API server: {str(error) or type(error).__name__}") from error

    def _look_at_the_clock(self, answer: httpx2.Response) -> None:
        if date := answer.headers.get("Date"):
            self.skew = parsedate_to_datetime(date).timestamp() + 0.5 - time()


class Changes:
    """Changes of some objects, read by a thread of their own."""

    def __init__(self, client: Any, kind: type, labels: dict[str, str], version: str) -> None:
        self._read: queue.SimpleQueue[Change | Unreachable] = queue.SimpleQueue()
        self._is_over = False
        stream = client.watch(
            kind, labels=labels, server_timeout=STREAM_S, resource_version=version
        )
        threading.Thread(target=self._run, args=(stream,), name="changes", daemon=True).start()

    def next(self, patience: float) -> list[Change]:
        """Return the changes that came; none if none came in time. Raises Unreachable, and is closed then."""
        found: list[Change] = []
        try:
            change = self._read.get(timeout=patience)
            while not isinstance(change, Unreachable):
                found.append(change)
                if self._read.empty():
                    return found
                change = self._read.get()
        except queue.Empty:
            return found
        if found:
            self._read.put(change)
            return found
        raise change

    def close(self) -> None:
        """Discard further changes; the thread ends with the stream."""
        self._is_over = True

    def _run(self, stream: Any) -> None:
        try:
            for change in stream:
                if self._is_over:
                    return
                self._read.put(change)
        except (ApiError, httpx2.HTTPError, msgspec.MsgspecError, RuntimeError) as error:
            self._read.put(Unreachable(f"the watch of the API server ended: {error}"))
