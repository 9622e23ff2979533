"""An OCI image with one layer, made offline: the tar that `ctr images import` and `podman load` take.

The format alone; what is in the layer is decided by the callers.
"""

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

from tests.lab import Json

KIND = "application/vnd.oci.image."
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PLATFORM = {
    "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
    "os": "linux",
}


def write_image(
    root: Path, path: Path, name: str, command: tuple[str, ...], entrypoint: tuple[str, ...] = ()
) -> None:
    """Write the image `name` of the directory `root` to `path`."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(root, arcname=".")
    blobs: dict[str, bytes] = {}
    diff = _describe(blobs, "layer.v1.tar", layer.getvalue())
    config = {
        **PLATFORM,
        "config": {"Entrypoint": entrypoint, "Cmd": command, "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [diff["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": KIND + "manifest.v1+json",
        "config": _describe(blobs, "config.v1+json", _json(config)),
        "layers": [diff],
    }
    entry = _describe(blobs, "manifest.v1+json", _json(manifest))
    annotations = {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.rpartition(":")[2],
    }
    index = {
        "schemaVersion": 2,
        "manifests": [entry | {"platform": PLATFORM, "annotations": annotations}],
    }
    with tarfile.open(path, "w") as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json(index))
        for digest, blob in blobs.items():
            _add(tar, f"blobs/sha256/{digest}", blob)


def _describe(blobs: dict[str, bytes], kind: str, blob: bytes) -> Json:
    """Keep the blob; the descriptor that names it."""
    digest = hashlib.sha256(blob).hexdigest()
    blobs[digest] = blob
    return {"mediaType": KIND + kind, "digest": f"sha256:{digest}", "size": len(blob)}


def _json(document: Json) -> bytes:
    return json.dumps(document).encode()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = 0o644
    tar.addfile(entry, io.BytesIO(content))
