"""Requests to etcd over HTTP: to the member that answered last, or else to the next one.

Tells answers that are decisions from those of a member that cannot decide now.
"""

import json
import random
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from etcd3gw.client import Etcd3Client
from etcd3gw.exceptions import (
    ConnectionFailedError,
    ConnectionTimeoutError,
    Etcd3Exception,
    InternalServerError,
)
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

from cni_bridge.cluster.model import Credentials
from cni_bridge.cluster.store import Unreachable, ahead

Document = dict[str, Any]
T = TypeVar("T")

API = "/v3/"  # since etcd 3.4
PORT = 2379
# A stream that is silent for this long is opened again where it stopped: its member may hang.
STREAM_S = 60
TIMEOUT_S = (2, 5)  # to be connected, to be answered
AT_ONCE_S = (1, 1)
# A vanished member is noticed within eleven seconds, even if nothing is sent.
WATCHFUL = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 11_000),
)
# As numbered by gRPC; of the others etcd means that this member can't decide now.
NOT_FOUND, FAILED_PRECONDITION, UNAUTHENTICATED = 5, 9, 16
ERRNO = re.compile(r"\[Errno -?\d+\] ")  # errno as a number helps no reader
DECISIONS = (3, NOT_FOUND, 7, FAILED_PRECONDITION, 11, 12, UNAUTHENTICATED)


class Refused(Unreachable):
    """etcd has decided not to do it; `code` is gRPC's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class EtcdClient:
    """All members of one etcd; one thread asks, others may each read a stream."""

    def __init__(self, endpoints: tuple[str, ...], credentials: Credentials) -> None:
        self._endpoints = endpoints
        self._credentials = credentials
        self._members = [self._member(each) for each in endpoints]
        # Whom to ask first: hosts spread over all members.
        self._first = random.randrange(len(endpoints))  # noqa: S311 - no secret
        self._token = ""
        self.skew: float | None = None

    def ask(self, path: str, body: Document) -> Document:
        """Return what etcd answers. Raises Refused; Unreachable if no member can decide."""
        return self._authenticated(lambda: self._ask(path, body))

    def ask_each(self, path: str, body: Document) -> Iterator[tuple[str, Document]]:
        """Yield what each member answers at once, by its endpoint; none for those that don't."""
        for endpoint in self._endpoints:
            member = self._member(endpoint, AT_ONCE_S)
            with closing(member.session), suppress(Etcd3Exception, requests.RequestException):
                yield endpoint, self._post(member, path, body)

    def stream(self, path: str, body: Document) -> requests.Response:
        """Return an answer whose lines come one by one, for as long as it is not closed. Raises as above."""
        return self._authenticated(
            lambda: self._first_that_answers(lambda at: self._stream(at, path, body))
        )

    def close(self) -> None:
        """End the connections."""
        for member in self._members:
            member.session.close()

    # ------------------------------------------------------------ which member is asked

    def _ask(self, path: str, body: Document) -> Document:
        return self._first_that_answers(lambda at: self._post(self._members[at], path, body))

    def _post(self, member: Etcd3Client, path: str, body: Document) -> Document:
        answer = member.post(member.get_url(path), json=body, headers=self._headers())
        told = answer.get("result", answer) if isinstance(answer, dict) else None
        if not isinstance(told, dict) or "header" not in told:
            raise Etcd3Exception(json.dumps(answer))
        found: Document = answer
        return found

    def _stream(self, at: int, path: str, body: Document) -> requests.Response:
        member = self._member(self._endpoints[at])  # a session is for one thread
        # If this member loses its leader it ends the stream: another one may have it.
        headers = {**self._headers(), "Grpc-Metadata-hasleader": "true"}
        connect, _ = TIMEOUT_S
        answer = member.session.post(
            member.get_url(path),
            json=body,
            headers=headers,
            stream=True,
            timeout=(connect, STREAM_S),
        )
        if answer.status_code != requests.codes.ok:
            raise Etcd3Exception(answer.text)
        return answer

    def _first_that_answers(self, ask: Callable[[int], T]) -> T:
        """Return the answer of the first member that can decide, asked in turn."""
        problems = []
        for turn in range(len(self._endpoints)):
            at = (self._first + turn) % len(self._endpoints)
            try:
                answer = ask(at)
            except (Etcd3Exception, requests.RequestException) as error:
                code, message = _reason(error)
                if code in DECISIONS:
                    raise Refused(code, f"{self._endpoints[at]}: {message}") from error
                problems.append(f"{self._endpoints[at]}: {message}")
            else:
                self._first = at
                return answer
        raise Unreachable("; ".join(problems))

    def _member(self, endpoint: str, timeout_s: tuple[int, int] = TIMEOUT_S) -> Etcd3Client:
        parts = urlsplit(endpoint)
        session = requests.Session()
        session.trust_env = False  # no proxy, and no .netrc, comes between
        session.hooks["response"].append(self._look_at_the_clock)
        session.mount("http://", _Watchful())
        session.mount("https://", _Watchful())
        given = self._credentials
        session.verify = given.ca or True
        session.cert = (given.certificate, given.key) if given.certificate else None
        return Etcd3Client(
            host=parts.hostname or "",
            port=parts.port or PORT,
            protocol=parts.scheme,
            timeout=timeout_s,  # type: ignore[arg-type]  # handed on to requests as it is
            api_path=API,
            session=session,
        )

    # ------------------------------------------------------------ authentication

    def _authenticated(self, ask: Callable[[], T]) -> T:
        """Ask with a token, and once more with a new one: tokens expire, or are lost when etcd restarts."""
        if self._credentials.user and not self._token:
            self._token = self._new_token()
        try:
            return ask()
        except Refused as refusal:
            if refusal.code != UNAUTHENTICATED or not self._credentials.user:
                raise
        self._token = self._new_token()
        return ask()

    def _new_token(self) -> str:
        self._token = ""
        file = self._credentials.password_file
        try:
            password = Path(file).read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            raise Unreachable(f"passwordFile {file}: {why}") from error
        body = {"name": self._credentials.user, "password": password}
        return str(self._ask("auth/authenticate", body)["token"])

    def _headers(self) -> dict[str, str]:
        return {"Authorization": self._token} if self._token else {}

    def _look_at_the_clock(self, answer: requests.Response, **_others: object) -> None:
        self.skew = ahead(answer.headers.get("Date"), self.skew)


class _Watchful(HTTPAdapter):
    """Connections that notice when the other side is gone."""

    def init_poolmanager(self, *positional: Any, **named: Any) -> None:
        named["socket_options"] = [*HTTPConnection.default_socket_options, *WATCHFUL]
        super().init_poolmanager(*positional, **named)


def _reason(error: Etcd3Exception | requests.RequestException) -> tuple[int, str]:
    """Return gRPC's code, 0 if etcd sent none, and the message."""
    if isinstance(error, ConnectionTimeoutError | requests.Timeout):
        return 0, "no answer in time"
    if isinstance(error, ConnectionFailedError | requests.RequestException):
        return 0, _innermost(error)
    text = error.detail_text or str(error)
    try:
        document = json.loads(text)
        if isinstance(inner := document.get("error"), dict):  # where answers come one by one
            document = inner
        message = str(document.get("message") or document["error"])
        code = int(document.get("grpc_code") or document["code"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return 0, f"not an answer of etcd: {text[:100]}"
    return 0 if isinstance(error, InternalServerError) else code, message


def _innermost(error: BaseException) -> str:
    """Return the innermost cause: the texts of requests and urllib3 are long."""
    causes = list(_causes(error))
    words = str(causes[-1]).rpartition(": ")[2].partition(" (_ssl")[0].strip("')")
    words = ERRNO.sub("", words)
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
        return f"its certificate is not trusted: {words}"
    if any(isinstance(each, requests.exceptions.SSLError) for each in causes):
        return f"TLS failed: {words}; does etcd accept this host's client certificate?"
    return words


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
