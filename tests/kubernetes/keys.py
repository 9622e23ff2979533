"""Certificates and kubeconfigs of a cluster, all of one authority."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

LIFETIME = timedelta(days=1)


class Keys:
    """Files below a directory that all machines see; `server` is the API server's address."""

    def __init__(self, directory: Path, server: str) -> None:
        self._authority = trustme.CA()
        self._directory = directory
        self.url = f"https://{server}:6443"
        directory.mkdir(parents=True)
        self._authority.cert_pem.write_to_path(str(self.file("ca.crt")))

    def file(self, name: str) -> Path:
        """Return the path of a file: ca.crt, NAME.crt, NAME.key, NAME.conf."""
        return self._directory / name

    def issue(
        self,
        name: str,
        user: str,
        *identities: str,
        group: str = "",
        lifetime: timedelta = LIFETIME,
    ) -> None:
        """Write a certificate and its key: for a user, or a server with these names and addresses."""
        leaf = self._authority.issue_cert(
            *(identities or (f"{name}.example",)),
            common_name=user,
            organization_name=group or None,
            not_after=datetime.now(UTC) + lifetime,
        )
        leaf.private_key_pem.write_to_path(str(self.file(f"{name}.key")))
        leaf.cert_chain_pems[0].write_to_path(str(self.file(f"{name}.crt")))

    def kubeconfig(self, name: str, **user: str) -> str:
        """Write a kubeconfig with a user's certificate, or with these credentials, and return its path."""
        files = {kind: str(self.file(f"{name}.{end}")) for kind, end in _FILES.items()}
        cluster = {"server": self.url, "certificate-authority": str(self.file("ca.crt"))}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": cluster}],
            "users": [{"name": name, "user": user or files}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": name}}],
            "current-context": "here",
        }
        path = self.file(f"{name}.conf")
        path.write_text(json.dumps(document, indent=2))
        return str(path)


_FILES = {"client-certificate": "crt", "client-key": "key"}
