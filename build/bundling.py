"""What goes where in the executable, so that a plugin run reads as little as possible.

the program        the plugin path: all of cni_bridge/ but FOR_PEOPLE, as marshalled code, and the
                   data files; build/starter.py makes of them what a run uses
people.zip         everything else: the people's commands, their libraries, the standard library;
                   cni_bridge.lean.bundle makes it importable when it is needed
beside people.zip  packages with compiled parts, which can't be imported from a zip; libraries

The portable program carries the latter two, too, and unpacks them when they are needed.
"""

import ast
import importlib.util
import marshal
import subprocess
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from types import CodeType
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import compiling
import launcher
from PyInstaller.utils.hooks import collect_data_files

from cni_bridge.cli.commands import COMMANDS

if TYPE_CHECKING:
    from PyInstaller.building.build_main import Analysis

    Entry = tuple[str, str | None, str | None]  # destination, source, kind: PyInstaller's unit

PEOPLES_MODULES = [
    *(f"cni_bridge.cli.{module}" for module, _ in COMMANDS.values()),
    *("cni_bridge.cli.main", "jsonschema", "pyroute2", "rich"),
    *("cni_bridge.cluster.agent", "cni_bridge.cluster.etcd", "cni_bridge.cluster.kube_nodes"),
    "cni_bridge.cluster.metrics",
]
# What of cni_bridge is in people.zip: a plugin run imports it only after `bundle.open_library`, if ever.
FOR_PEOPLE = ("cli", "cluster", "json_flaws.py")
# What the libraries name but our use of them never reaches; C modules among it drag in libraries.
UNUSED = [
    *("_bz2", "_lzma", "_multibytecodec", "_uuid", "pyexpat", "readline"),
    *(f"_codecs_{script}" for script in ("cn", "hk", "iso2022", "jp", "kr", "tw")),
    *("bz2", "lzma", "pydoc", "tkinter", "xml", "xmlrpc"),
    *("markdown_it", "pygments", "setuptools"),
    # Optional libraries for formats that none of the schemas use.
    *("fqdn", "isoduration", "jsonpointer", "rfc3339_validator", "rfc3986_validator"),
    *("rfc3987", "rfc3987_syntax", "uri_template", "webcolors"),
    # requests imports it for old Pythons; trustme, a test dependency, brings it.
    "cryptography",
]
# What `_sqlite3` imports, with all that this imports.
OF_THE_LIBRARY = (
    "collections/*.py",
    "functools.py",
    "keyword.py",
    "operator.py",
    "reprlib.py",
    "types.py",
)
# C modules that a plugin run may load, where the interpreter has them not built in.
PLUGIN_PATH_MODULES = (*launcher.USED_BY_IMPORTS, *launcher.LINKED_IN_MODULES)
# What the program has in it, of what PyInstaller finds.
LINKED_IN = ("libpython", *(f"lib{library}." for library in launcher.LINKED_IN))

PYC_HEADER = importlib.util.MAGIC_NUMBER + bytes(12)


class Carried:
    """What the program carries, and where in it each is."""

    def __init__(self) -> None:
        self.content = bytearray()

    def add(self, content: bytes) -> tuple[int, int]:
        """Offset and size."""
        place = len(self.content), len(content)
        self.content += content
        return place


def programs(
    root: Path, work: Path, binaries: "Iterable[Entry]"
) -> "Callable[[Path | None], bytes]":
    """Return a compiler of programs.

    It takes the directory whose files the program must carry, or None where they lie beside it.
    """
    extensions = _extensions(binaries)
    sources = dict(plugin_path(root))
    places: list[launcher.Place] = []

    def compiled(beside: Path | None) -> bytes:
        carried = Carried()
        files = {
            name: carried.add(path.read_bytes())
            for name, path in (*_data_files(root), *_files_below(beside))
        }
        codes = {
            "cni_bridge_starter": _starter(root, tuple(sources), extensions),
            "cni_bridge_files": compile(f"FILES = {files!r}", "cni_bridge_files", "exec"),
        }
        for name, source in sources.items():
            path = _pyc_path(name, source).removesuffix("c")
            codes[name] = compiling.compiled(compiling.untyped(source), path)
        packages = {name for name, source in sources.items() if source.stem == "__init__"}
        return launcher.compiled(
            work / ("portable" if beside else "directory"),
            modules=[
                (name, *carried.add(marshal.dumps(code)), name in packages)
                for name, code in codes.items()
            ],
            carried=bytes(carried.content),
            is_portable=beside is not None,
            places=places,
        )

    return compiled


def _starter(root: Path, modules: tuple[str, ...], extensions: dict[str, str]) -> CodeType:
    tables = {"MODULES": modules, "EXTENSIONS": extensions}
    starter = compiling.untyped(root / "build/starter.py")
    filled = "\n".join(f"{name} = {table!r}" for name, table in tables.items())
    starter.body += ast.parse(f"{filled}\n_begin()").body
    return compiling.compiled(starter, "build/starter.py")


def split_library(analysis: "Analysis", root: Path, work: Path) -> "list[Entry]":
    """Share all Python code between the bundle's places; return the data files to bundle."""
    carried = dict(plugin_path(root))
    unzippable = _packages_with_compiled_parts(analysis.binaries)
    data: list[Entry] = []
    with ZipFile(work / "people.zip", "w") as people:
        for name, source in sorted(_with_source(analysis.pure)):  # PyInstaller's order varies
            if name in carried:
                continue
            path = _pyc_path(name, source)
            code = compiling.compiled(source.read_bytes(), path.removesuffix("c"))
            pyc = PYC_HEADER + marshal.dumps(code)
            if name.partition(".")[0] in unzippable:
                data.append((path, str(_kept(work / path, pyc)), "DATA"))
            else:
                people.writestr(ZipInfo(path), pyc, ZIP_DEFLATED)
        for destination, source in sorted(_with_source(analysis.datas)):
            if destination == "base_library.zip":
                _move(source, people)
            else:
                people.writestr(ZipInfo(destination), source.read_bytes(), ZIP_DEFLATED)
    return [*data, ("people.zip", str(work / "people.zip"), "DATA")]


def beside_program(binaries: "Iterable[Entry]", work: Path) -> "Iterator[Entry]":
    """Yield the binaries that are not part of the program, each changed so that it finds the others.

    The program has no search path for them: the dynamic linker would try it for the C library, too, with
    some forty names at each start.
    """
    beside = [
        each
        for each in binaries
        if not each[0].startswith(LINKED_IN)
        and _module(each[0]) not in launcher.linked_in_modules()
    ]
    libraries = {name for name, _, _ in beside}
    for name, source, kind in beside:
        needed = set(_patchelf("--print-needed", source).split()) if source else set()
        unneeded = {
            each for each in needed if _is_for_plugin_path(name) and each.startswith(LINKED_IN)
        }
        if source and (unneeded or needed & libraries):
            changed = _kept(work / "changed" / name, Path(source).read_bytes())
            upwards = "/".join(("$ORIGIN", *[".."] * name.count("/")))
            removed = (word for each in sorted(unneeded) for word in ("--remove-needed", each))
            _patchelf("--set-rpath", upwards, *removed, changed)
            yield name, str(changed), kind
        else:
            yield name, source, kind


def library_data() -> list[tuple[str, str]]:
    """Files that the people's libraries read beside their code."""
    packages = ("certifi", "jsonschema", "jsonschema_specifications")
    return [each for package in packages for each in collect_data_files(package)]


def plugin_path(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and source of each module that a plugin run may import."""
    library = Path(sysconfig.get_path("stdlib"))
    for pattern in OF_THE_LIBRARY:
        yield from ((_name(source, library), source) for source in sorted(library.glob(pattern)))
    for source in sorted((root / "cni_bridge").rglob("*.py")):
        inside = source.relative_to(root / "cni_bridge")
        if not any(inside.is_relative_to(each) for each in FOR_PEOPLE):
            yield _name(source, root), source


def _name(source: Path, below: Path) -> str:
    return ".".join(source.relative_to(below).with_suffix("").parts).removesuffix(".__init__")


def _data_files(root: Path) -> Iterator[tuple[str, Path]]:
    yield from ((f"schemas/{file.name}", file) for file in (root / "schemas").iterdir())
    yield from (
        (f"firewall/{file.name}", file) for file in (root / "cni_bridge/firewall").glob("*.nft")
    )


def _files_below(directory: Path | None) -> Iterator[tuple[str, Path]]:
    if directory:
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                yield str(path.relative_to(directory)), path


def _extensions(binaries: "Iterable[Entry]") -> dict[str, str]:
    """Return the files of the C modules that a plugin run loads."""
    files = {PurePosixPath(name).name.partition(".")[0]: name for name, _, _ in binaries}
    wanted = set(PLUGIN_PATH_MODULES) - set(launcher.linked_in_modules())
    return {name: files[name] for name in sorted(wanted & files.keys())}


def _with_source(entries: "Iterable[Entry]") -> Iterator[tuple[str, Path]]:
    """Destination and source; a namespace package has only the former, and needs no file."""
    for destination, source, _kind in entries:
        if source and source != "-":
            yield destination, Path(source)


def _pyc_path(name: str, source: Path) -> str:
    package = "/__init__" if source.stem == "__init__" else ""
    return name.replace(".", "/") + package + ".pyc"


def _packages_with_compiled_parts(binaries: "Iterable[Entry]") -> set[str]:
    """Top-level packages that own an extension module; the interpreter's own lie in lib-dynload."""
    paths = [PurePosixPath(name) for name, _source, kind in binaries if kind == "EXTENSION"]
    return {
        path.parts[0] for path in paths if len(path.parts) > 1 and path.parts[1] != "lib-dynload"
    }


def _is_for_plugin_path(name: str) -> bool:
    return _module(name) in PLUGIN_PATH_MODULES


def _module(name: str) -> str | None:
    """Return the interpreter's own C module that a binary is."""
    file = PurePosixPath(name)
    return file.name.partition(".")[0] if file.parent.name == "lib-dynload" else None


def _kept(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _patchelf(*words: str | Path) -> str:
    return subprocess.run(
        ("patchelf", *words), check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def _move(library: Path, people: ZipFile) -> None:
    """Put what is in the library into people.zip."""
    there = set(people.namelist())
    with ZipFile(library) as whole:
        for name in whole.namelist():
            if name not in there:
                people.writestr(ZipInfo(name), whole.read(name), ZIP_DEFLATED)
