"""What goes where in the executable's bundle, so that a plugin run reads as little as possible.

plugin-path.code   the plugin path: all of cni_bridge/ but cli/ and cluster/, as marshalled code; the entry
                   script reads what a run uses. Importing it from a zip instead costs 3 ms.
encodings.pyc      the codec that the interpreter itself loads at start (build/codec.py)
people.zip         everything else: the people's commands, their libraries, the standard library;
                   cni_bridge.bundle puts it on sys.path when it is needed
beside people.zip  packages with compiled parts, which can't be imported from a zip; schemas/
"""

import ast
import importlib.util
import marshal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from types import CodeType
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from PyInstaller.utils.hooks import collect_data_files

if TYPE_CHECKING:
    from PyInstaller.building.build_main import Analysis

    Entry = tuple[str, str | None, str | None]  # destination, source, kind: PyInstaller's unit

PEOPLES_MODULES = [
    *("cni_bridge.cli.main", "jsonschema", "pyroute2", "rich"),
    *("cni_bridge.cluster.agent", "cni_bridge.cluster.etcd", "cni_bridge.cluster.kube_nodes"),
    "cni_bridge.cluster.metrics",
]
FOR_PEOPLE = ("cli", "cluster")  # packages of ours that a plugin run imports nothing of
# What the libraries name but our use of them never reaches; C modules among it drag in libraries.
UNUSED = [
    *("_bz2", "_hashlib", "_lzma", "_multibytecodec", "_uuid", "pyexpat", "readline"),
    *(f"_codecs_{script}" for script in ("cn", "hk", "iso2022", "jp", "kr", "tw")),
    *("bz2", "lzma", "pydoc", "tkinter", "xml", "xmlrpc"),
    *("markdown_it", "pygments", "setuptools"),
    # Formats that jsonschema checks where it finds these, and that no schema of ours has.
    *("fqdn", "isoduration", "jsonpointer", "rfc3339_validator", "rfc3986_validator"),
    *("rfc3987", "rfc3987_syntax", "uri_template", "webcolors"),
    # requests imports it for old Pythons; trustme, a test dependency, brings it.
    "cryptography",
]
CODE_FILE = "plugin-path.code"
# Modules that are used in the same runs are read at once: what they have in common, names above
# all, is then made once. Who is missing matters for nothing but time; so does a size of 128 kB, from
# which on memory is mapped anew, page by page.
USED_TOGETHER = (
    (  # by every command
        *("plugin", "journal", "steps", "remarks", "record", "address", "csocket", "model"),
        *("edge.codec", "edge.config", "edge.request", "edge.shapes", "ipam.statedir"),
        "kernel.signals",
    ),
    (
        *("commands", "assembly", "inline", "sources", "names", "csqlite", "ipam.database"),
        *("ipam.guards", "ipam.store", "kernel.links", "kernel.messages", "kernel.netlink"),
        "parts.veth",
    ),
    (  # by ADD
        *("edge.arguments", "edge.ipam", "edge.result", "ipam.ranges", "ipam.resolver", "plan"),
        *("kernel.layer3", "kernel.libc", "kernel.machine", "kernel.netns", "kernel.sysctl"),
        "parts.bridge",
    ),
    (  # where there is a firewall
        *("protection", "publishing", "others", "elements", "rules", "ipam.register"),
        *("kernel.nfmessages", "kernel.nftables", "parts.firewall", "parts.foreign"),
    ),
    ("edge.clusters", "ipam.blocks"),  # where a network is over many hosts
)
# Where the interpreter looks first.
CODEC_FILE = f"python{sys.version_info.major}.{sys.version_info.minor}/lib-dynload/encodings.pyc"

# What a plugin run may read; where the interpreter has these built in, there is no such file.
PLUGIN_PATH_MODULES = (
    *("_blake2", "_ctypes", "_json", "_socket", "_sqlite3", "_struct", "encodings", "fcntl"),
)
PLUGIN_PATH_FILES = (CODE_FILE, "libexpat.", "libffi.", "libpython", "libsqlite3.", "libz.")

PYC_HEADER = importlib.util.MAGIC_NUMBER + bytes(12)


def write_starter(root: Path, work: Path) -> Path:
    """Write the plugin path's code to one file; return build/starter.py with its tables filled."""
    carried = dict(sorted(_plugin_path(root)))
    packages = frozenset(name for name, source in carried.items() if source.stem == "__init__")
    places = {}
    with (work / CODE_FILE).open("wb") as file:
        for names in _read_at_once(carried):
            codes = {
                name: _compiled(_untyped(carried[name]), str(carried[name].relative_to(root)))
                for name in names
            }
            together = marshal.dumps(codes)
            places.update(dict.fromkeys(names, (len(together), file.tell())))
            file.write(together)
    script = work / "cni-bridge.py"
    script.write_text(
        (root / "build/starter.py").read_text()
        + f"\n\nCODE_FILE = {CODE_FILE!r}\nPLACES = {places!r}\nPACKAGES = {packages!r}\n"
        + "raise SystemExit(start())\n"
    )
    return script


def split_library(analysis: "Analysis", root: Path, work: Path) -> "list[Entry]":
    """Share all Python code between the bundle's places; return the data files to bundle."""
    carried = dict(_plugin_path(root))
    unzippable = _packages_with_compiled_parts(analysis.binaries)
    data: list[Entry] = [
        (f"schemas/{file.name}", str(file), "DATA") for file in (root / "schemas").iterdir()
    ]
    data += [(file.name, str(file), "DATA") for file in (root / "cni_bridge").glob("*.nft")]
    with ZipFile(work / "people.zip", "w") as people:
        for name, source in _with_source(analysis.pure):
            if name in carried:
                continue
            path = _pyc_path(name, source)
            code = _compiled(source.read_bytes(), path.removesuffix("c"))
            pyc = PYC_HEADER + marshal.dumps(code)
            if name.partition(".")[0] in unzippable:
                data.append((path, str(_kept(work / path, pyc)), "DATA"))
            else:
                people.writestr(ZipInfo(path), pyc, ZIP_DEFLATED)
        for destination, source in _with_source(analysis.datas):
            if destination == "base_library.zip":
                _move(source, people)
            else:
                people.writestr(ZipInfo(destination), source.read_bytes(), ZIP_DEFLATED)
    codec = PYC_HEADER + marshal.dumps(_compiled(_untyped(root / "build/codec.py"), CODEC_FILE))
    _kept(work / CODEC_FILE, codec)
    data += [(name, str(work / name), "DATA") for name in (CODE_FILE, CODEC_FILE, "people.zip")]
    return data


def quickened(
    binaries: "Iterable[Entry]", quicken: Callable[[bytes], bytes], work: Path
) -> "Iterator[Entry]":
    """The binaries, changed by `quicken` where a plugin run loads them."""
    for name, source, kind in binaries:
        if source and _is_for_plugin_path(name):
            content = quicken(Path(source).read_bytes())
            yield name, str(_kept(work / "quickened" / name, content)), kind
        else:
            yield name, source, kind


def pack_rarely_used(entries: "Iterable[Entry]", work: Path) -> "tuple[list[Entry], Path]":
    """Part the portable executable's files: those to unpack at every start, and a zip of the rest.

    Each costs up to a millisecond to unpack. cni_bridge.bundle unpacks the rest when it is needed.
    """
    archive = work / "rarely-used.zip"
    always: list[Entry] = []
    with ZipFile(archive, "w") as packed:
        for name, source, kind in entries:
            if source and not _is_for_plugin_path(name):
                packed.writestr(ZipInfo(name), Path(source).read_bytes())
            else:
                always.append((name, source, kind))
        packed.writestr(ZipInfo("contents"), "\n".join(packed.namelist()))
    return always, archive


def library_data() -> list[tuple[str, str]]:
    """Files that the people's libraries read beside their code."""
    packages = ("certifi", "jsonschema", "jsonschema_specifications")
    return [each for package in packages for each in collect_data_files(package)]


def _plugin_path(root: Path) -> Iterator[tuple[str, Path]]:
    """Name and source of each module that a plugin run may import."""
    for source in sorted((root / "cni_bridge").rglob("*.py")):
        path = source.relative_to(root)
        if path.parts[1] not in FOR_PEOPLE:
            yield ".".join(path.with_suffix("").parts).removesuffix(".__init__"), source


def _read_at_once(carried: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """All modules, those that are used together in one tuple."""
    groups = [tuple(f"cni_bridge.{name}" for name in group) for group in USED_TOGETHER]
    yield from groups
    yield from ((name,) for name in carried if not any(name in group for group in groups))


def _with_source(entries: "Iterable[Entry]") -> Iterator[tuple[str, Path]]:
    """Destination and source; a namespace package has only the former, and needs no file."""
    for destination, source, _kind in entries:
        if source and source != "-":
            yield destination, Path(source)


def _compiled(source: bytes | ast.Module, shown_as: str) -> CodeType:
    return compile(source, shown_as, "exec", optimize=2, dont_inherit=True)


def _untyped(source: Path) -> ast.Module:
    """A module without what only type checkers read, which is not free to load and to define."""
    module: ast.Module = _Untyped().visit(ast.parse(source.read_bytes()))
    return module


class _Untyped(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """The name has to stay annotated: records have their fields from there."""
        node.annotation = ast.copy_location(ast.Constant(None), node.annotation)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        is_typing = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if is_typing else node


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
    file = PurePosixPath(name)
    if file.parent.name == "lib-dynload":
        return file.name.partition(".")[0] in PLUGIN_PATH_MODULES
    return name.startswith(PLUGIN_PATH_FILES)


def _kept(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _move(library: Path, people: ZipFile) -> None:
    """Put what is in the library into people.zip."""
    there = set(people.namelist())
    with ZipFile(library) as whole:
        for name in whole.namelist():
            if name not in there:
                people.writestr(ZipInfo(name), whole.read(name), ZIP_DEFLATED)
