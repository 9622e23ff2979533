"""A real etcd that lets in whom it knows: by client certificates, by user names, by both."""

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from cni_bridge.cluster.etcd import Etcd
from cni_bridge.cluster.model import Credentials, View
from cni_bridge.cluster.store import Unreachable
from cni_bridge.lean.record import replace
from tests.lab import namespaces
from tests.lab.iproute import ip
from tests.lab.waiting import wait_until
from tests.unit.cluster import views

ADDRESS = "127.0.0.1"
ENDPOINT = f"https://{ADDRESS}:2379"
TTL, TIMEOUT = 5, 20
HOST = views.host(1, "192.0.2.1")
USER, SECRET = "agent", "correct horse"
# One whose only right is the one that docs/cluster.md asks for.
USERS = (
    "user add root:'another secret'",
    "user grant-role root root",
    "role add agents",
    "role grant-permission agents --prefix=true readwrite /cni-bridge/",
    f"user add {USER}:'{SECRET}'",
    f"user grant-role {USER} agents",
    "auth enable",
)


class Secured:
    """One member, whose clients need a certificate of its authority; `directory` holds all files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        ours, others = trustme.CA(), trustme.CA()
        server = ours.issue_cert(ADDRESS)
        self._server = self._written("server", ours, server)
        self.known = self._written("client", ours, ours.issue_cert("client.example"))
        self.foreign = self._written("foreign", ours, others.issue_cert("client.example"))
        self.nobody = replace(self.known, certificate="", key="")
        self.distrusted = replace(self.known, ca=self._written("others", others, server).ca)

    def start(self) -> None:
        """Until it answers those that it knows."""
        paths = ("--cert-file", self._server.certificate, "--key-file", self._server.key)
        words = (
            *("etcd", "--data-dir", str(self._directory / "data"), "--logger", "zap"),
            *("--listen-client-urls", ENDPOINT, "--advertise-client-urls", ENDPOINT),
            *(*paths, "--client-cert-auth", "--trusted-ca-file", self._server.ca),
        )
        with Path(self._directory, "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log)
        wait_until(lambda: self._ctl("endpoint", "health") == 0)

    def kill(self) -> None:
        """At once; what it holds stays."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def ask_for_names(self) -> None:
        """From now on a user's name and password are needed too."""
        for line in USERS:
            assert self._ctl(*shlex.split(line)) == 0, line

    def as_user(self, password: str) -> Credentials:
        """Return the certificate, and the user with this password, in a file as people write it."""
        file = self._directory / "password"
        file.write_text(f"{password}\n", encoding="utf-8")
        return replace(self.known, user=USER, password_file=str(file))

    def _written(self, name: str, authority: trustme.CA, leaf: trustme.LeafCert) -> Credentials:
        ca, certificate, key = (
            str(self._directory / f"{name}.{kind}") for kind in ("ca", "crt", "key")
        )
        authority.cert_pem.write_to_path(ca)
        leaf.cert_chain_pems[0].write_to_path(certificate)
        leaf.private_key_pem.write_to_path(key)
        return Credentials(ca=ca, certificate=certificate, key=key)

    def _ctl(self, *words: str) -> int:
        how = ("--cacert", self.known.ca, "--cert", self.known.certificate, "--key", self.known.key)
        done = subprocess.run(
            ("etcdctl", "--endpoints", ENDPOINT, *how, *words), capture_output=True, timeout=TIMEOUT
        )
        return done.returncode


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Secured]:
    """Yield an etcd that asks for certificates."""
    with namespaces.private_host():
        ip("link", "set", "lo", "up")
        found = Secured(tmp_path)
        try:
            found.start()
            yield found
        finally:
            found.kill()


@contextmanager
def opened(credentials: Credentials) -> Iterator[Etcd]:
    """Yield a store that is asked with these."""
    settings = replace(views.settings(), endpoints=(ENDPOINT,), credentials=credentials)
    store = Etcd(settings)
    try:
        yield store
    finally:
        store.close()


def joined(store: Etcd) -> View:
    """Return what is there after all that a host does: a request, a transaction, a stream."""
    before = store.view()
    store.join(HOST, TTL)
    view = store.watch(before, TIMEOUT)
    while HOST.id not in view.members:
        view = store.watch(view, TIMEOUT)
    return view


def refused(credentials: Credentials) -> str:
    """Return what a host with these is told."""
    with opened(credentials) as store, pytest.raises(Unreachable) as error:
        store.view()
    return str(error.value)


def test_a_certificate_of_its_authority_is_let_in(server: Secured) -> None:
    with opened(server.known) as store:
        assert joined(store).hosts == {HOST.id: HOST}


def test_others_are_not_and_are_told_whose_certificate_is_not_taken(server: Secured) -> None:
    for credentials in (server.nobody, server.foreign):
        assert "does etcd accept this host's client certificate?" in refused(credentials)
    assert "its certificate is not trusted: unable to get" in refused(server.distrusted)


def test_a_user_of_the_prefix_does_all_that_a_host_does(server: Secured) -> None:
    server.ask_for_names()
    with opened(server.as_user(SECRET)) as store:
        assert joined(store).hosts == {HOST.id: HOST}
        server.kill()
        server.start()  # it has forgotten its tokens
        assert store.view().hosts == {HOST.id: HOST}


def test_who_is_no_user_is_told_why(server: Secured) -> None:
    server.ask_for_names()
    assert "user name is empty" in refused(server.known)
    assert "authentication failed" in refused(server.as_user("wrong"))
    missing = replace(server.as_user(SECRET), password_file="/nowhere")
    assert refused(missing) == "passwordFile /nowhere: No such file or directory"
