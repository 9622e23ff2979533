"""The programs of a Kubernetes, where build/kubernetes.sh puts them."""

import os
from pathlib import Path

from tests.lab import ROOT

DIRECTORY = Path(os.environ.get("KUBERNETES") or ROOT / ".cache/peers/kubernetes").resolve()
PEERS = ROOT / ".cache/peers/bin"  # the reference plugins
PATH = f"{DIRECTORY}:/usr/sbin:/usr/bin:/sbin:/bin:/opt/cni/bin"
PARTS = ("kubernetes", "etcd", "containerd", "crictl", "policies")


def version(part: str) -> str:
    """Return the version of a part that was built."""
    return (DIRECTORY / "versions" / part).read_text().strip()
