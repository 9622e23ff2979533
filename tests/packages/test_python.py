"""Wheel, sdist and bill of materials: installed as a user would, and read back."""

import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest
from cyclonedx.model.bom import Bom

from tests.packages.conftest import ROOT, only


@pytest.fixture(scope="module")
def installed(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the command that the wheel installs, in an environment of its own."""
    home = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    pip = [home / "bin/python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*map(str, pip), str(only(release, "*.whl"))], check=True)
    return home / "bin/cni-bridge"


@pytest.mark.parametrize("arguments", [("--version",), ("plan", "--help"), ("validate",)])
def test_wheel_gives_the_commands_for_people(installed: Path, arguments: tuple[str, ...]) -> None:
    files = sorted(map(str, ROOT.glob("conf/*.conflist"))) if arguments == ("validate",) else []
    done = subprocess.run([installed, *arguments, *files], cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_wheel_has_what_the_code_reads(release: Path) -> None:
    with ZipFile(only(release, "*.whl")) as wheel:
        names = set(wheel.namelist())
    assert {"cni_bridge/firewall/ruleset.nft", "cni_bridge/schemas/network.schema.json"} <= names


def test_sdist_is_the_whole_project(release: Path) -> None:
    with tarfile.open(only(release, "*.tar.gz")) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"Makefile", "build/cni-bridge.spec", "tests/kernel/test_add.py", "LICENSE"} <= names


def test_bill_of_materials_is_readable_and_names_every_part(release: Path) -> None:
    text = only(release, "*.cdx.json").read_text()
    bill: Bom = Bom.from_json(json.loads(text))  # type: ignore[attr-defined] # made at run time
    names = {part.name for part in bill.components}
    assert {"cpython", "pyroute2", "jsonschema", "rich", "libsqlite3-dev", "zlib1g-dev"} <= names
    assert all(part.version and part.purl for part in bill.components)


def test_checksums_are_those_of_the_files(release: Path) -> None:
    lines = (release / "SHA256SUMS").read_text().splitlines()
    sums = {name: sum for sum, name in map(str.split, lines)}
    files = {file.name: file for file in release.iterdir() if file.name != "SHA256SUMS"}
    assert sums == {
        name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()
    }
