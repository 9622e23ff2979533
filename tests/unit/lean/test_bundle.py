"""Finding the library and the data files, in the executable and out of it."""

import ast
import sys
from pathlib import Path
from types import ModuleType

import pytest

import cni_bridge
from cni_bridge.lean import bundle
from tests.unit.test_layers import FOR_PEOPLE, modules

CARRIED = {"people.zip": b"the library", "rpds/deep/rpds.so": b"a compiled part", "rules": b"flush"}


class Launcher(ModuleType):
    """The executable's own module, of an executable that carries those files."""

    def __init__(self, home: Path, *, is_portable: bool) -> None:
        super().__init__("cni_bridge_launcher")
        self.home = str(home)
        self.is_portable = int(is_portable)
        self.carried = memoryview(b"".join(CARRIED.values()))
        ends = [sum(map(len, list(CARRIED.values())[:n])) for n in range(len(CARRIED))]
        sizes = map(len, CARRIED.values())
        self.files = dict(zip(CARRIED, zip(ends, sizes, strict=True), strict=True))
        self.completed = 0

    def complete(self, home: str) -> None:
        """Is only counted: this interpreter is complete."""
        assert home == self.home
        self.completed += 1


def launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_portable: bool) -> Launcher:
    """As if this interpreter were the executable's."""
    launcher = Launcher(tmp_path / "home", is_portable=is_portable)
    monkeypatch.setattr(bundle, "launcher", launcher)
    monkeypatch.setattr(bundle, "PLACES", ())
    monkeypatch.setattr(cni_bridge, "__path__", [*cni_bridge.__path__])
    return launcher


def test_outside_the_executable_nothing_is_opened() -> None:
    before = [*sys.path], [*cni_bridge.__path__]
    bundle.open_library()
    bundle.close_library()
    assert ([*sys.path], [*cni_bridge.__path__]) == before
    assert not bundle.is_executable()


def test_the_library_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = launched(tmp_path, monkeypatch, is_portable=False)
    bundle.open_library()
    bundle.open_library()
    assert launcher.completed == 1
    assert list(cni_bridge.__path__)[-1] == f"{launcher.home}/people.zip/cni_bridge"
    bundle.close_library()
    assert not Path(launcher.home).exists(), "what lies beside the program is not unpacked"


def test_the_portable_executable_unpacks_its_library_and_removes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(launched(tmp_path, monkeypatch, is_portable=True).home)
    bundle.close_library()  # nothing is there yet
    bundle.open_library()
    assert {name: (home / name).read_bytes() for name in CARRIED} == CARRIED
    assert home.stat().st_mode & 0o077 == 0
    bundle.close_library()
    assert not home.exists()


def test_what_could_be_unpacked_only_in_part_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = launched(tmp_path, monkeypatch, is_portable=True)
    launcher.files["rpds"] = launcher.files["rules"]  # where there is a directory already
    with pytest.raises(OSError, match=r"set TMPDIR to .* \(.*directory\)"):
        bundle.open_library()
    assert list(tmp_path.iterdir()) == []
    assert launcher.completed == 0


def test_another_place_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = launched(tmp_path / "none", monkeypatch, is_portable=True)
    monkeypatch.setattr(bundle, "PLACES", ("/proc", str(tmp_path)))
    bundle.open_library()
    assert launcher.home == f"{tmp_path}/home"
    assert {name: (tmp_path / "home" / name).read_bytes() for name in CARRIED} == CARRIED
    bundle.close_library()
    assert list(tmp_path.iterdir()) == []


def test_nobody_elses_directory_is_unpacked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    launched(tmp_path, monkeypatch, is_portable=True)
    (tmp_path / "home/rules").write_text("another's")
    with pytest.raises(OSError, match="File exists"):
        bundle.open_library()
    assert (tmp_path / "home/rules").read_text() == "another's"


def test_data_files_of_the_executable_are_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched(tmp_path, monkeypatch, is_portable=False)
    assert bundle.data("rules") == b"flush"


def test_data_files_are_found_in_the_source_tree() -> None:
    assert bundle.data("schemas/network.schema.json").startswith(b"{")


def test_data_files_of_a_wheel_lie_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "__file__", str(tmp_path / "lean/bundle.py"))
    (tmp_path / "lean").mkdir()
    (tmp_path / "x").write_text("here")
    assert bundle.data("x") == b"here"


PLUGIN_PATH = pytest.mark.parametrize(
    "source",
    [
        pytest.param(file, id=name)
        for name, file in modules()
        if name.partition(".")[0] not in FOR_PEOPLE
    ],
)


@PLUGIN_PATH
def test_code_of_the_plugin_path_needs_no_codec_but_utf_8(source: Path) -> None:
    """Unmarshalling a lone surrogate asks for an error handler, and that for all codecs."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value.encode()


WITHOUT_LIBRARY = ("open", "print", "input")  # made with sys.stdin and its like


@PLUGIN_PATH
def test_the_plugin_path_calls_no_builtin_that_it_lacks(source: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)]
    called = {node.func.id for node in calls if isinstance(node.func, ast.Name)}
    allowed = {"open"} if source.stem == "bundle" else set()  # where there is no executable
    assert called & set(WITHOUT_LIBRARY) <= allowed
