"""The state directory: made when missing, refused when anybody else could write to it."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from cni_bridge.errors import IOFailure
from cni_bridge.ledger import state_directory

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
25 22 0:24 / /run rw,nosuid,nodev shared:5 master:1 - tmpfs tmpfs rw,mode=755
26 22 0:25 / /odd\\040name rw - ramfs none rw
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_missing_directory_is_made_for_us_alone_and_its_parents_as_usual(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "state"
    state_directory.ensure(f"{path}/")
    assert mode(path) == 0o700
    assert mode(path.parent) == mode(path.parent.parent) == 0o755


def test_a_directory_that_only_we_can_write_is_taken_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    state_directory.ensure(str(tmp_path))
    assert mode(tmp_path) == 0o755


def test_looking_for_a_missing_directory_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not state_directory.is_usable(str(tmp_path / "none" / "state"))
    assert not state_directory.is_usable(str(tmp_path / "file" / "state"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_a_symbolic_link_is_refused(tmp_path: Path, slash: str) -> None:
    (tmp_path / "real").mkdir(0o700)
    (tmp_path / "link").symlink_to("real")
    for use in (state_directory.ensure, state_directory.is_usable):
        with pytest.raises(IOFailure, match="is a symbolic link"):
            use(f"{tmp_path}/link{slash}")


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IOFailure, match="is not a directory"):
        state_directory.ensure(str(tmp_path / "file"))


@pytest.mark.parametrize("bits", [0o770, 0o702, 0o1777])
def test_a_directory_that_others_can_write_is_refused_with_what_to_do(
    tmp_path: Path, bits: int
) -> None:
    tmp_path.chmod(bits)
    with pytest.raises(
        IOFailure, match=f"is writable by other users, its mode is {bits:04o}"
    ) as it:
        state_directory.ensure(str(tmp_path))
    assert "install -d -m 0700" in it.value.details


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    user = os.geteuid()
    assert state_directory.objection(os.lstat(tmp_path), user + 1) == (
        f"belongs to uid {user}, not to uid {user + 1}"
    )


def test_a_path_that_can_not_be_made_is_named_with_the_cause(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    for path in (f"{tmp_path}/file/state", f"{tmp_path}/dangling/state"):
        with pytest.raises(IOFailure, match=f"cannot make the state directory {path}: "):
            state_directory.ensure(path)
    with pytest.raises(IOFailure, match="File name too long"):
        state_directory.is_usable(str(tmp_path / ("n" * 300)))
    with pytest.raises(IOFailure, match="cannot make the state directory : No such file"):
        state_directory.ensure("")


def test_only_a_file_system_in_memory_is_volatile() -> None:
    assert state_directory.is_volatile(MOUNTS, 0, 24)
    assert state_directory.is_volatile(MOUNTS, 0, 25)
    assert not state_directory.is_volatile(MOUNTS, 254, 0)
    assert not state_directory.is_volatile(MOUNTS, 9, 9)


@pytest.mark.parametrize("path", ["/dev/shm", "/"])
def test_this_machine_knows_what_survives_a_reboot(path: str) -> None:
    want = subprocess.check_output(["stat", "-f", "-c", "%T", path], text=True).strip() not in (
        "tmpfs",
        "ramfs",
    )
    assert state_directory.survives_reboot(path) is want
