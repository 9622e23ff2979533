"""iproute2, asked and told.

Only calls of `ip` and `bridge`; what the answers mean is decided by the callers.
"""

import json
import subprocess
from typing import Any


def ip(*words: str, container: str = "") -> str:
    """Run `ip`, in a container's namespace if one is named, and returns what it printed."""
    return _run("ip", *(("-n", container) if container else ()), *words)


def ip_json(*words: str, container: str = "") -> list[dict[str, Any]]:
    """Return what `ip -json` says; an empty list where it says nothing."""
    listed = json.loads(ip("-j", *words, container=container) or "[]")
    return [entry for entry in listed if entry]


def ip_all(*commands: str, option: str, container: str = "") -> list[list[dict[str, Any]]]:
    """Return what `ip -json OPTION` says to each command, all of them run by one process."""
    where = ("-n", container) if container else ()
    words = ("ip", *where, option, "-j", "-batch", "-")
    return [json.loads(line) for line in _run(*words, stdin="\n".join(commands)).splitlines()]


def bridge(*words: str) -> str:
    """Run iproute2's `bridge`."""
    return _run("bridge", *words)


def bridge_json(*words: str) -> list[dict[str, Any]]:
    """Return what `bridge -json` says."""
    listed: list[dict[str, Any]] = json.loads(_run("bridge", "-j", *words) or "[]")
    return listed


def tc(*words: str) -> str:
    """Run iproute2's `tc`."""
    return _run("tc", *words)


def tc_json(*words: str) -> list[dict[str, Any]]:
    """Return what `tc -json` says."""
    listed: list[dict[str, Any]] = json.loads(tc("-j", *words) or "[]")
    return listed


def _run(*command: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
