"""The control plane of a cluster: etcd, API server, controllers and scheduler.

They run in whatever surroundings they are given; nodes are not known here.
"""

import json
import time
from pathlib import Path
from typing import Any

from tests.kubernetes.keys import Keys
from tests.kubernetes.surroundings import Surroundings, wait_for
from tests.lab import ROOT

POD_NETWORKS = ("10.244.0.0/16", "fd00:10:244::/48")
SERVICE_NETWORKS = ("10.96.0.0/16", "fd00:10:96::/112")
FIRST_SERVICE = "10.96.0.1"  # the API server's own
READY_S = 120
RBAC = ROOT / "conf/kubernetes/rbac.yaml"
Document = dict[str, Any]


class Control:
    """A control plane whose API server answers at `address`."""

    def __init__(self, here: Surroundings, address: str) -> None:
        self.here = here
        self.address = address
        self.keys = Keys(here.directory / "keys", address)
        for name, user, group in (
            ("admin", "admin", "system:masters"),
            ("kubelets", "kubelets", "system:masters"),
            ("etcd-client", "etcd", ""),
            ("kube-controller-manager", "system:kube-controller-manager", ""),
            ("kube-scheduler", "system:kube-scheduler", ""),
            ("kube-proxy", "system:kube-proxy", ""),
        ):
            self.keys.issue(name, user, group=group)
            self.keys.kubeconfig(name)
        names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")
        self.keys.issue("server", "server", *names, address, FIRST_SERVICE, "127.0.0.1")
        here.environment["KUBECONFIG"] = str(self.keys.file("admin.conf"))

    # ------------------------------------------------------------ programs

    def start_etcd(self) -> tuple[str, ...]:
        """Start a member on this machine's loopback and return its endpoint."""
        client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
        self.here.start(
            "etcd",
            *(
                "etcd",
                "--name",
                "one",
                "--data-dir",
                self.here.directory / "etcd",
                "--unsafe-no-fsync",
            ),
            *("--listen-client-urls", client, "--advertise-client-urls", client),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"one={peer}"),
        )
        return (client,)

    def start_api_server(self, endpoints: tuple[str, ...]) -> None:
        """Start the API server, and wait until it is ready."""
        file = self.keys.file
        issuer = "https://kubernetes.default.svc"
        self.here.start(
            "kube-apiserver",
            *("kube-apiserver", "--etcd-servers", ",".join(endpoints), "--secure-port", "6443"),
            *("--advertise-address", self.address, "--client-ca-file", file("ca.crt")),
            *("--tls-cert-file", file("server.crt"), "--tls-private-key-file", file("server.key")),
            *("--kubelet-client-certificate", file("kubelets.crt")),
            *("--kubelet-client-key", file("kubelets.key")),
            *("--kubelet-preferred-address-types", "InternalIP"),
            *("--service-account-issuer", issuer, "--service-account-key-file", file("server.key")),
            *("--service-account-signing-key-file", file("server.key")),
            *("--service-cluster-ip-range", ",".join(SERVICE_NETWORKS)),
            *("--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction"),
            "--allow-privileged=true",
        )
        self.wait_until_ready()

    def wait_until_ready(self) -> float:
        """Return the seconds until the API server is ready."""
        ready = ("kubectl", "get", "--raw", "/readyz", "--request-timeout", "2s")
        return wait_for(
            lambda: self.here.attempt(*ready).returncode == 0,
            READY_S,
            lambda: self.here.log("kube-apiserver")[-2000:],
        )

    def start_controllers(self) -> None:
        """Start the controller manager and the scheduler."""
        given = {
            "kube-controller-manager": (
                *("--service-account-private-key-file", self.keys.file("server.key")),
                *("--root-ca-file", self.keys.file("ca.crt"), "--use-service-account-credentials"),
                *("--cluster-cidr", ",".join(POD_NETWORKS), "--allocate-node-cidrs=true"),
                *("--service-cluster-ip-range", ",".join(SERVICE_NETWORKS)),
            ),
            "kube-scheduler": (),
        }
        for name, words in given.items():
            config = self.keys.file(f"{name}.conf")
            access = [
                f"--{use}kubeconfig={config}" for use in ("", "authentication-", "authorization-")
            ]
            self.here.start(name, name, "--leader-elect=false", *access, *words)

    # ------------------------------------------------------------ the project's own objects

    def allow_agents(self) -> str:
        """Apply rbac.yaml and return a kubeconfig of the agents' service account."""
        self.kubectl("apply", "-f", RBAC)
        account = ("serviceaccount", "agent", "-n", "cni-bridge")
        wait_for(lambda: self.here.attempt("kubectl", "get", *account).returncode == 0, 20)
        token = self.kubectl("create", "token", "agent", "-n", "cni-bridge", "--duration", "24h")
        file = self.keys.file("agent.token")
        file.write_text(token)
        return self.keys.kubeconfig("agent", tokenFile=str(file))

    # ------------------------------------------------------------ asking

    def kubectl(self, *words: str | Path, text: str | None = None, timeout: float = 60) -> str:
        """Return what kubectl prints; it must succeed."""
        return self.here.run("kubectl", *words, text=text, timeout=timeout)

    def get(self, *words: str) -> Document:
        """Return objects."""
        found: Document = json.loads(self.kubectl("get", *words, "-o", "json"))
        return found

    def apply(self, *documents: Document) -> None:
        """Create or change objects. The default service account may be a moment late."""
        text = "\n---\n".join(map(json.dumps, documents))
        end = time.monotonic() + 30
        while (done := self.here.attempt("kubectl", "apply", "-f", "-", text=text)).returncode:
            assert time.monotonic() < end, done.stderr
            time.sleep(0.5)
