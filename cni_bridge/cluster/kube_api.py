"""Requests to the Kubernetes API, and changes from it.

The client library handles credentials: a pod's, or those of a kubeconfig.
"""

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import httpx2
import yaml
from lightkube import ApiError, Client
from lightkube.config import client_adapter
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.config.models import NameValue, User
from lightkube.core.exceptions import ConfigError

from cni_bridge.cluster.kube_kinds import Lease, Node
from cni_bridge.cluster.store import Unreachable, ahead

TIMEOUT = httpx2.Timeout(5.0, connect=2.0)
STREAM_S = 60  # after which the server ends a watch, and the next one continues
SILENCE_S = 10  # beyond that: the connection is dead
PLUGIN_S = 20  # beyond that: a credential plugin hangs
EXEC_V1 = "client.authentication.k8s.io/v1"
NOT_FOUND, CONFLICT = 404, 409
Change = tuple[str, Any]  # ADDED, MODIFIED, DELETED; the object


class Api:
    """The API server; every method may raise Unreachable."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self._kubeconfig = kubeconfig
        self._namespace = namespace
        self._client: Any = None
        self._files: dict[str, int] = {}  # kubeconfig and credentials, with their time of change
        self.skew: float | None = None

    def _connected(self) -> Any:
        """Return a client with the credentials as they are on disk now. Raises whatever the library does."""
        if self._client is None or self._files != _changed(self._files):
            self.close()
            self._client = self._new_client()
        return self._client

    def _new_client(self) -> Any:
        try:
            return self._client_of_config()
        except (AttributeError, LookupError, TypeError) as error:  # what the library says of most
            kind = type(error).__name__
            raise ConfigError(f"it cannot be understood: {kind}: {error}") from error

    def _client_of_config(self) -> Any:
        name = self._kubeconfig
        loaded = KubeConfig.from_file(name) if name else KubeConfig.from_env()
        if (config := loaded.get()) is None:
            raise ConfigError("it has no current context")
        _let_exec_plugins_speak_v1(config)
        self._files = _changed(_credentials(config, name))
        client: Any = Client(config=config, namespace=self._namespace, timeout=TIMEOUT)
        hooks = client._client._client.event_hooks["response"]
        hooks += [self._look_at_the_clock, _split_at_newlines_only]
        # The library waits for ever; the server ends every watch after STREAM_S.
        client._client._watch_timeout.read = STREAM_S + SILENCE_S
        return client

    def lease(self, name: str) -> Lease | None:
        """Return a Lease, if there is one of that name."""
        found: Lease | None = self._asked(lambda: self._connected().get(Lease, name), but=NOT_FOUND)
        return found

    def node(self, name: str) -> Node | None:
        """Return a Node, if there is one of that name."""
        found: Node | None = self._asked(lambda: self._connected().get(Node, name), but=NOT_FOUND)
        return found

    def create(self, lease: Lease) -> Lease | None:
        """Return a new one; None if there is one of its name."""
        made: Lease | None = self._asked(lambda: self._connected().create(lease), but=CONFLICT)
        return made

    def replace(self, lease: Lease) -> Lease | None:
        """Return the changed object; None if it has been changed since it was read, or is gone."""
        refusals = (CONFLICT, NOT_FOUND)
        made: Lease | None = self._asked(lambda: self._connected().replace(lease), but=refusals)
        return made

    def listed(self, kind: type, labels: dict[str, str]) -> tuple[list[Any], str]:
        """Return all objects of a kind, and the version they are of."""

        def ask() -> tuple[list[Any], str]:
            found = self._connected().list(kind, labels=labels)
            items = list(found)
            return items, _version(found)

        answer: tuple[list[Any], str] = self._asked(ask)
        return answer

    def close(self) -> None:
        """End the connections."""
        if self._client:
            _close(self._client)
        self._client = None

    def stream(self, kind: type, labels: dict[str, str], version: str) -> "Changes":
        """Return what changes from a version on."""
        found: Changes = self._asked(lambda: Changes(self._new_client(), kind, labels, version))
        return found

    def _asked(self, ask: Any, *, but: int | tuple[int, ...] = ()) -> Any:
        """Return the answer; None where its status is one of `but`.

        Without an answer the next request reads all credentials again: the library keeps them until it is refused.
        """
        try:
            answer = ask()
            if isinstance(answer, Lease | Node):
                _version(answer.metadata)
            return answer
        except Unreachable:
            raise
        except ApiError as error:
            if error.status.code in (but if isinstance(but, tuple) else (but,)):
                return None
            raise Unreachable(f"the API server: {_one_line(error.status.message)}") from error
        except Exception as error:
            self.close()
            is_ours = isinstance(
                error,
                ConfigError
                | OSError
                | UnicodeDecodeError
                | yaml.YAMLError
                | httpx2.LocalProtocolError,
            )
            whose = (
                f"kubeconfig {self._kubeconfig or 'of this pod'}" if is_ours else "the API server"
            )
            raise Unreachable(f"{whose}: {_one_line(error)}") from error

    def _look_at_the_clock(self, answer: httpx2.Response) -> None:
        self.skew = ahead(answer.headers.get("Date"), self.skew)


def _version(found: Any) -> str:
    """Return the version that every list and object of an API server has."""
    version = str(found.resourceVersion)
    if not version.isdecimal():
        raise Unreachable("the API server: something else has answered for it")
    return version


def _close(client: Any) -> None:
    client._client._client.close()


def _split_at_newlines_only(answer: httpx2.Response) -> None:
    """Let a watch's lines be those of the API server: the library splits them within strings, at U+0085."""
    made: Any = answer
    made.iter_lines = lambda: _lines(answer.iter_bytes())


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def _credentials(config: SingleConfig, kubeconfig: str) -> list[str]:
    """Return the files that a client reads only when it is made."""
    user, cluster = config.user or User(), config.cluster
    named = (cluster.certificate_auth, user.client_cert, user.client_key)
    return [str(config.abs_file(each)) for each in named if each] + [kubeconfig] * bool(kubeconfig)


def _changed(files: Iterable[str]) -> dict[str, int]:
    """Return when each file was changed last; 0 if it is missing."""
    return {each: os.stat(each).st_mtime_ns if os.path.exists(each) else 0 for each in files}


def _let_exec_plugins_speak_v1(config: SingleConfig) -> None:
    """Let the library run credential plugins of today's version, whose answer has the same form."""
    if config.user and config.user.exec and config.user.exec.apiVersion == EXEC_V1:
        asked = {"apiVersion": EXEC_V1, "kind": "ExecCredential", "spec": {"interactive": False}}
        told = NameValue(name="KUBERNETES_EXEC_INFO", value=json.dumps(asked))
        config.user.exec.env = [*(config.user.exec.env or ()), told]
        config.user.exec.apiVersion = "client.authentication.k8s.io/v1beta1"


def _run_plugin(command: Sequence[str], env: Mapping[str, str]) -> bytes:
    """Return the JSON that a credential plugin prints; the library would wait for ever for one that hangs."""
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 - the kubeconfig says what is run
        command, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, process_group=0
    ) as plugin:
        try:
            told, problem = plugin.communicate(timeout=PLUGIN_S)
        except subprocess.TimeoutExpired as error:
            os.killpg(plugin.pid, signal.SIGKILL)
            raise ConfigError(f"exec {command[0]} took longer than {PLUGIN_S} s") from error
    if plugin.returncode:
        text = problem.decode(errors="replace").strip().replace("\n", "; ")
        raise ConfigError(f"exec {command[0]} returned {plugin.returncode}: {text}")
    try:
        json.loads(told)["status"]["token"]
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"exec {command[0]} prints no credential with a token") from error
    return told


client_adapter.sync_check_output = _run_plugin


def _one_line(error: object) -> str:
    """Return the message without what follows its first line, or else the kind of error."""
    if isinstance(error, httpx2.LocalProtocolError):  # its message has the token
        return "the token is empty, or has characters that no token may have"
    kind = "" if isinstance(error, str | ConfigError | OSError) else f"{type(error).__name__}: "
    text = str(error).partition("\n")[0]
    return f"{kind}{text}" if text else kind.rstrip(": ") or "no message"


class Changes:
    """Changes of some objects, read by a thread of their own, which closes the client.

    Another thread must not: the number of a socket that is closed while it is read may soon be that of
    another connection, which the reader would then take bytes from.
    """

    def __init__(self, client: Any, kind: type, labels: dict[str, str], version: str) -> None:
        self._read: queue.SimpleQueue[Change | Unreachable] = queue.SimpleQueue()
        self._is_over = False
        stream = client.watch(
            kind, labels=labels, server_timeout=STREAM_S, resource_version=version
        )
        run = (client, stream)
        threading.Thread(target=self._run, args=run, name="changes", daemon=True).start()

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

    def _run(self, client: Any, stream: Any) -> None:
        try:
            for change in stream:
                if self._is_over:
                    return
                self._read.put(change)
        except Exception as error:  # noqa: BLE001 - whatever ends the thread must be known to the agent
            self._read.put(Unreachable(f"the watch of the API server ended: {_one_line(error)}"))
        else:
            self._read.put(Unreachable("the watch of the API server ended"))
        finally:
            _close(client)
