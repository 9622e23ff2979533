"""Namespaces and kernel parameters on the real kernel: opened, entered, left, refused."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_bridge.errors import InvalidNetns, UnknownContainer
from cni_bridge.kernel import sysctl
from cni_bridge.kernel.netns import OpenNetns, close, inside, open_netns
from tests.lab import ROOT
from tests.lab.namespaces import NETNS_DIR, create_netns, delete_netns, private_host, visiting

PATH = NETNS_DIR / "c1"


@pytest.fixture
def netns() -> Iterator[OpenNetns]:
    """Yield a new network namespace, seen from a private host."""
    with private_host():
        create_netns(PATH)
        opened = open_netns(str(PATH))
        yield opened
        close(opened)
        delete_netns(PATH)


def test_work_is_done_inside_the_namespace_and_the_process_comes_back(netns: OpenNetns) -> None:
    def here() -> int:
        return os.stat("/proc/thread-self/ns/net").st_ino

    home = here()
    assert inside(netns, here) == netns.identity.inode == PATH.stat().st_ino
    with pytest.raises(ZeroDivisionError):
        inside(netns, lambda: 1 // 0)
    assert here() == home


def test_a_process_that_cannot_come_back_is_told_so(netns: OpenNetns) -> None:
    script = f"""
import os
from cni_bridge.kernel.netns import inside, open_netns
try:
    inside(open_netns({str(PATH)!r}), lambda: os.closerange(3, 100))
except OSError:
    print("told")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout) == (0, "told\n")


def test_a_namespace_that_is_gone_is_an_unknown_container() -> None:
    with pytest.raises(UnknownContainer):
        open_netns("/run/netns/absent")


def test_what_is_no_network_namespace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    others = ("/proc/self/ns/uts", "/dev/null", "/etc/hostname/x", "nul\0", str(tmp_path))
    for path in (*others, str(tmp_path / "file"), str(tmp_path / "fifo")):
        with pytest.raises(InvalidNetns):
            open_netns(path)


def test_the_plugins_own_namespace_is_refused_unless_that_is_wanted() -> None:
    with pytest.raises(InvalidNetns, match="should not be the same"):
        open_netns("/proc/thread-self/ns/net")
    close(open_netns("/proc/thread-self/ns/net", may_be_own=True))


def test_a_parameter_is_written_only_when_it_differs(netns: OpenNetns) -> None:
    key = "net/ipv6/conf/lo/accept_dad"

    def change() -> tuple[str | None, bool, bool, str | None]:
        return sysctl.read(key), sysctl.write(key, "0"), sysctl.write(key, "0"), sysctl.read(key)

    assert inside(netns, change) == ("-1", True, False, "0")
    with visiting(PATH):
        assert Path(f"/proc/sys/{key}").read_text() == "0\n"


def test_a_parameter_that_the_kernel_lacks_is_none_and_cannot_be_written() -> None:
    key = "net/ipv6/conf/absent0/accept_dad"
    assert sysctl.read(key) is None
    with pytest.raises(FileNotFoundError):
        sysctl.write(key, "0")
