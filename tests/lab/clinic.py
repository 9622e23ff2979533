"""The doctor's visits: configs written where it looks, and what it finds with nobody else around;
and what `explain` says of a connection.

What should be found is decided by the tests.
"""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

from tests.lab.iproute import ip_json
from tests.lab.paths import PLUGIN
from tests.lab.people import command
from tests.lab.plugin import Run

# A shell that sees no process but its own, all of which end with it.
ALONE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c")
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}


def write(conf: Path, config: dict[str, Any], **changes: Any) -> None:
    """Write the config as a list to a file."""
    identity = {key: config[key] for key in ("name", "cniVersion")}
    plugin = {key: value for key, value in config.items() if key not in identity} | changes
    file = conf / f"{identity['name']}.conflist"
    file.write_text(json.dumps({**identity, "plugins": [plugin]}))


def doctor(conf: Path, *more: str, beside: Path | None = None) -> Run:
    """Run doctor once, with no other process in sight than the one `beside` it."""
    where = ("--conf-dir", str(conf), "--cni-path", str(PLUGIN.parent))
    return command_beside(beside, "doctor", *where, *more)


def command_beside(beside: Path | None, *words: str) -> Run:
    """Run a command with no other process in sight than the one `beside` it."""
    line = shlex.join((str(PLUGIN), *words))
    company = f"{beside} 60 & {line}; exit $?" if beside else f"{line}; exit $?"
    done = subprocess.run((*ALONE, company), capture_output=True, text=True, timeout=60)
    return Run(done.returncode, done.stdout, done.stderr)


def findings(conf: Path, beside: Path | None = None) -> list[dict[str, Any]]:
    """Return what is found, as programs are told."""
    run = doctor(conf, "--json", beside=beside)
    found: list[dict[str, Any]] = json.loads(run.stdout)["findings"]
    assert run.status == bool(found), run
    return found


def undo_detours() -> None:
    """Remove the rules, routes and interfaces by which tests lead packets elsewhere."""
    for words in (
        *(("rule", "del", "pref", pref) for pref in ("100", "31999", "32000")),
        *(("route", "flush", "table", table) for table in ("100", "51820")),
        ("route", "del", "10.1.0.0/25"),
        ("link", "del", "tun0"),
        ("-n", "a1", "link", "del", "tun0"),
    ):
        subprocess.run(("ip", *words), capture_output=True, check=False, timeout=30)


def explain(*words: str) -> tuple[list[dict[str, Any]], str]:
    """Return the hops, and the text of the one that drops."""
    run = command("explain", *words, "--json")
    assert not run.stderr, run.stderr
    hops: list[dict[str, Any]] = json.loads(run.stdout)["hops"]
    dropping = [hop for hop in hops if hop["verdict"] == "drops"]
    assert run.status == bool(dropping), run
    return hops, dropping[-1]["text"] if dropping else ""


def host_end(container: str = "") -> str:
    """Return the name of a container's host end, or that of the only one."""
    (own,) = [
        link["ifname"]
        for link in ip_json("link", "show", "type", "veth")
        if f"/{container}" in link.get("ifalias", "")
    ]
    return str(own)


def nft(*words: str) -> None:
    """Change the firewall behind the plugin's back."""
    subprocess.run(("nft", *words), check=True, timeout=30)
