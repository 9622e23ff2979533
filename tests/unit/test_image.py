"""The image that the build makes of the executable's memory: what must not get into it."""

import ast
import os
import subprocess
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.budget import OURS, ROOT, allowed, loaded_by
from tests.unit.test_layers import IN_PEOPLES_LIBRARY, modules

sys.path.append(str(ROOT / "build"))
from launcher import check_image, moving

MAPS = """\
00400000-00431000 r--p 00000000 08:01 1   /usr/bin/cni-bridge
00b90000-00d19000 rw-p 00787000 08:01 1   /usr/bin/cni-bridge
00d19000-0127c000 rw-p 00000000 00:00 0
3560b000-3562c000 rw-p 00000000 00:00 0   [heap]
7f9dd2a00000-7f9dd2c00000 r-xp 00000000 08:01 2   /usr/lib/x86_64-linux-gnu/libc.so.6
7ffc10000000-7ffc10021000 rw-p 00000000 00:00 0   [stack]
"""
OWN = [0x401000, 0x7FFFFFFFFFFF, 0, 0x1234567]


def test_an_image_of_its_own_addresses_is_fit() -> None:
    check_image(array("Q", OWN), array("Q", OWN), moving(MAPS), moving(MAPS))


@pytest.mark.parametrize(
    "address", [0x3560B000, 0x7F9DD2A00010, 0x7FFC10020FF8], ids=["heap", "libc", "stack"]
)
def test_an_address_that_moves_makes_an_image_unfit(address: int) -> None:
    image = array("Q", [*OWN, address])
    with pytest.raises(RuntimeError, match=f"0x20 holds {address:#x}"):
        check_image(image, image, moving(MAPS), moving(MAPS))


def test_text_that_looks_like_an_address_in_one_process_does_not_matter() -> None:
    image = array("Q", [0x3560B000])
    check_image(
        image, image, moving(MAPS), moving(MAPS.replace("3560b000-3562c", "2560b000-2562c"))
    )


def test_an_image_that_is_another_each_time_is_unfit() -> None:
    with pytest.raises(RuntimeError, match="0x8 holds 0x7fffffffffff"):
        check_image(array("Q", OWN), array("Q", [OWN[0], 7, *OWN[2:]]), [], [])


def test_mappings_that_move_are_all_but_the_programs() -> None:
    mine = moving(Path("/proc/self/maps").read_text())
    assert any(id(object()) in each for each in mine)


FORBIDDEN = {
    "time": ("time", "time_ns", "monotonic", "monotonic_ns", "clock_gettime", "localtime"),
    "posix": ("getpid", "getppid", "getuid", "geteuid", "uname", "urandom", "open", "readlink"),
}
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
class Trap(dict):
    def __getattribute__(self, name):
        raise AssertionError(f"environ.{name} at import")
    __getitem__ = __contains__ = __iter__ = __len__ = lambda *_: Trap.oops
def forbid(name):
    def call(*_, **__):
        raise AssertionError(f"{name} at import")
    return call
for module, names in %r.items():
    for name in names:
        setattr(__import__(module), name, forbid(name))
import posix
posix.environ = Trap()
for name in sys.argv[2:]:
    __import__(name)
"""


def test_importing_the_plugin_path_asks_for_no_environment_time_or_process() -> None:
    """What a module read then would be the build's, in every run."""
    script = SCRIPT % FORBIDDEN
    words = (sys.executable, "-I", "-S", "-B", "-c", script, str(ROOT))
    done = subprocess.run(
        (*words, *plugin_path()),
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_the_plugin_path_can_be_imported_from_the_image_alone() -> None:
    """The build imports each of these modules, with nothing of the standard library but the list."""
    loaded = loaded_by("\n".join(f"import {name}" for name in plugin_path()))
    foreign = {name for name in loaded if name.partition(".")[0] != OURS}
    assert foreign - allowed() - set(sys.builtin_module_names) == set()


def test_what_is_not_in_the_image_is_imported_after_the_library_is_opened() -> None:
    """Else a rare error of a plugin run would be that a module is missing."""
    known = allowed() | set(sys.builtin_module_names) | {OURS, "posix"}
    found = [
        f"{name}: {module}"
        for name, file in modules()
        if name.partition(".")[0] not in IN_PEOPLES_LIBRARY
        if "bundle.open_library()" not in (text := file.read_text())
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef)
        for module in imported(function)
        if module not in known
    ]
    assert found == []


def imported(function: ast.FunctionDef) -> Iterator[str]:
    """Yield the packages that a function imports."""
    for each in ast.walk(function):
        if isinstance(each, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in each.names)
        elif isinstance(each, ast.ImportFrom):
            yield str(each.module).partition(".")[0]


def plugin_path() -> list[str]:
    """Return the modules that the image is made of."""
    return [
        f"{OURS}.{name}".removesuffix(".__init__")
        for name, _ in modules()
        if name.partition(".")[0] not in IN_PEOPLES_LIBRARY
    ]
