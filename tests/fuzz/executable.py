"""Hostile requests to the real executable, on a private host of which nothing may change.

What a request may be is in `hostile`; here it is run, and what is left of it is looked for.
"""

import json
import os
import random
import socket
import sqlite3
import stat
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.fuzz.hostile import Asked, asked
from tests.fuzz.subject import CODES
from tests.lab import namespaces
from tests.lab.host import Host
from tests.lab.iproute import ip, ip_json
from tests.lab.paths import PLUGIN

CONTAINER = "c0ffee"
PLACES = Path("/run/hostile")
INPUT = 200  # bytes of decisions
AT_ONCE = 50  # requests between two looks at everything
PATIENCE = 20  # seconds; what takes longer hangs
MS_RDONLY, MS_REMOUNT = 1, 0x20  # linux/mount.h


@contextmanager
def target() -> Iterator[Host]:
    """Yield a private host with one container, whose disk can't be written, and places of every kind."""
    with Host() as host:
        flags = namespaces.MS_BIND | MS_REMOUNT | MS_RDONLY
        namespaces.mount("none", "/", flags=flags)
        make_places(host.container(CONTAINER).netns)
        host.remember()
        yield host


def make_places(netns: Path) -> list[Path]:
    """Return what CNI_NETNS could lead to; the first three are network namespaces, of which one is ours."""
    PLACES.mkdir()
    links = {
        "link": netns,
        "link-to-link": PLACES / "link",
        "own": Path("/proc/self/ns/net"),
        "pid": Path("/proc/self/ns/pid"),
        "user": Path("/proc/self/ns/user"),
        "dangling": PLACES / "nothing",
        "loop": PLACES / "loop",
        "terminal": Path("/dev/tty"),
        "endless": Path("/dev/zero"),
        "memory": Path("/proc/self/mem"),
    }
    for name, where in links.items():
        (PLACES / name).symlink_to(where)
    os.mkfifo(PLACES / "fifo")
    (PLACES / "directory").mkdir()
    (PLACES / "file").write_text("no namespace")
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(PLACES / "socket"))
    os.mknod(PLACES / "device", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    return [PLACES / name for name in links] + sorted(set(PLACES.iterdir()) - set(links))


def attack(host: Host, count: int, seed: int) -> Counter[str]:
    """So many random requests; how often which code came. Raises where something is not as promised."""
    source = random.Random(seed)
    places = [str(path) for path in sorted(PLACES.iterdir())]
    tally: Counter[str] = Counter()
    for number in range(count):
        data = source.randbytes(INPUT)
        request = asked(data[1:])
        if data[0] < 128:
            request.variables["CNI_NETNS"] = places[data[0] % len(places)]
        request.variables["CNI_PATH"] = str(
            PLACES
        )  # other plugins' errors are passed on as they are
        try:
            tally[f"code {ask(request)}"] += 1
            assert left_over() == [], left_over()
            if number % AT_ONCE == 0:
                compare(host)
        except AssertionError as error:
            error.add_note(f"after {request}")
            raise
    compare(host)
    return tally


def ask(request: Asked) -> int:
    """One request, undone if it was granted; its code, 0 for none."""
    code = _run(request)
    if code == 0 and request.variables.get("CNI_COMMAND") == "ADD":
        undone = Asked({**request.variables, "CNI_COMMAND": "DEL"}, request.stdin)
        assert _run(undone) == 0
    return code


def left_over() -> list[str]:
    """Interfaces that are neither a bridge's nor `lo`, and records of any ledger."""
    names = {name for _, name in socket.if_nameindex()} - {"lo"}
    found = [name for name in names if not Path(f"/sys/class/net/{name}/bridge").exists()]
    for path in Path("/run").rglob("ledger.sqlite"):
        with closing(sqlite3.connect(path)) as ledger:
            found += map(str, ledger.execute("select * from holding"))
    return found


def compare(host: Host) -> None:
    """Without its bridges, which are shared, the host is as it was."""
    for link in ip_json("link", "show", "type", "bridge"):
        ip("link", "delete", "dev", link["ifname"])
    host.assert_as_before()


def _run(request: Asked) -> int:
    variables = {
        name.encode("utf-8", "surrogateescape"): value.encode("utf-8", "surrogateescape")
        for name, value in request.variables.items()
    }
    done = subprocess.run(
        (str(PLUGIN),),
        input=request.stdin,
        env={b"PATH": os.environb[b"PATH"], **variables},
        capture_output=True,
        timeout=PATIENCE,
    )
    assert done.returncode in (0, 1), done
    assert b"Traceback" not in done.stdout + done.stderr, done
    if done.returncode == 0:
        assert done.stdout == b"" or isinstance(json.loads(done.stdout), dict), done
        return 0
    error = json.loads(done.stdout)
    assert error["code"] in CODES - {999}, done
    assert error["msg"], done
    complaint = done.stderr.decode(errors="replace")
    assert complaint.endswith("\n"), done
    assert complaint[:-1].isprintable(), done
    return int(error["code"])
