"""Finding the library and the data files, in the executable and out of it."""

import codecs
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

import cni_bridge
from cni_bridge import bundle


@pytest.fixture
def executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An interpreter that believes to be inside the executable."""
    (tmp_path / "people.zip").touch()
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(cni_bridge, "__path__", [*cni_bridge.__path__])
    return tmp_path


def test_outside_the_executable_nothing_is_opened() -> None:
    before = [*sys.path]
    bundle.open_library()
    assert sys.path == before


def test_the_library_is_opened_once(executable: Path) -> None:
    bundle.open_library()
    bundle.open_library()
    assert (sys.path[0], sys.path[-1]) == (f"{executable}/people.zip", str(executable))
    assert sys.path.count(str(executable)) == 1


def test_the_portable_executable_unpacks_its_library_first(
    executable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (executable / "people.zip").unlink()
    portable = executable / "cni-bridge-portable"
    with ZipFile(portable, "w") as packed:
        packed.writestr("people.zip", "the library")
        packed.writestr("rpds/rpds.so", "a compiled part")
        packed.writestr("contents", "people.zip\nrpds/rpds.so")
    monkeypatch.setattr(sys, "executable", str(portable))
    bundle.open_library()
    assert (executable / "people.zip").read_text() == "the library"
    assert (executable / "rpds/rpds.so").read_text() == "a compiled part"


def test_a_package_that_is_in_use_already_gets_its_other_half(executable: Path) -> None:
    bundle.open_library()
    assert list(cni_bridge.__path__)[-1] == f"{executable}/people.zip/cni_bridge"


def test_codecs_are_looked_for_anew(executable: Path) -> None:
    before = sys.modules["encodings"]
    bundle.open_library()
    assert sys.modules["encodings"] is not before
    assert codecs.lookup("cp500").name == "cp500"


def test_data_files_are_found_in_the_source_tree() -> None:
    assert Path(bundle.data_path("schemas/network.schema.json")).is_file()


def test_data_files_of_the_executable_lie_beside_its_libraries(
    executable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(bundle, "__file__")
    assert bundle.data_path("schemas/x") == f"{executable}/schemas/x"


def test_data_files_of_a_wheel_lie_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "__file__", str(tmp_path / "bundle.py"))
    (tmp_path / "x").touch()
    assert bundle.data_path("x") == str(tmp_path / "x")
