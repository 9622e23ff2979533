"""Compiles the executable's program: CPython's static library, build/launcher.c, and what it carries.

It is linked at fixed addresses, as Debian's own `python3` is. So nothing is relocated at each start, and
the program can hold an image of its own memory: docs/internals/startup.md.
"""

import platform
import re
import subprocess
import sys
import sysconfig
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import uses

BUILD = Path(__file__).parent
# Below the directory of libraries, as PyInstaller lays it out.
EXTENSIONS = f"python{sysconfig.get_python_version()}/lib-dynload"
# Libraries that the program brings along: what builtin modules need, and SQLite for `_sqlite3`, which
# then is spared a library to find, map and relocate.
LINKED_IN = ("expat", "sqlite3", "z")
ELSEWHERE = "python_hashlib_Hacl"
# C modules that distributions build as files. With the interpreter's source, which build/sources.sh
# downloads, they are linked in, too, and so are part of the image.
SOURCES = BUILD.parent / ".cache" / f"python-{platform.python_version()}" / "Modules"
MARKERS = ("/* -- ADDMODULE MARKER 1 -- */", "/* -- ADDMODULE MARKER 2 -- */")  # in CPython's list
LINKED_IN_MODULES = {"_json": "_json.c", "_sqlite3": "_sqlite/*.c"}
WANTED = "sqlite3_libversion"  # pulls SQLite in: nothing else in the program names it

# C modules that are used while the plugin path is imported. Where they are files, there is no image.
USED_BY_IMPORTS = ("_blake2", "_socket", "_struct", "fcntl", "select")
# Where images are tried: build/launcher.c knows the insides of these.
CAN_HAVE_IMAGE = (
    platform.machine() == "x86_64"
    and sys.version_info[:2] in ((3, 11), (3, 13))
    and set(USED_BY_IMPORTS) <= set(sys.builtin_module_names)
)
PAGE = 4096
NO_IMAGE = bytes(PAGE)
TO_BE_MADE = b"make".ljust(8, b"\0")  # a program with this makes its image when it is run
NOTHING_TOGETHER = bytes(12)  # build/heap.h
NO_RANGES = bytes(PAGE)
HEAP = 32 << 20  # for making an image, which takes 6 MB
WRITABLE = r"\.(?:data|bss|PyRuntime)(?!\.rel\.ro)\S*"  # sections that an image is of
IN_PLACE_OF = {name: f"heap_{name}" for name in ("malloc", "calloc", "realloc", "free")}

ANYWHERE = 1 << 40  # from here on the kernel decides what lies where

if TYPE_CHECKING:
    Words = array[int]
Place = uses.Place
Module = tuple[str, int, int, bool]  # name, offset and size of its code, whether it is a package


class UnfitImageError(RuntimeError):
    """An image that would not work in another process."""


def compiled(
    directory: Path,
    *,
    modules: Iterable[Module],
    carried: bytes,
    is_portable: bool,
    places: list[Place],
) -> bytes:
    """Return the program that carries `carried`, with the modules whose code is in it.

    What compiling makes is left in the directory. Without places, those that runs use are found.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "carried").write_bytes(carried)
    (directory / "modules.h").write_text("".join(_row(*each) for each in modules))
    definitions = {
        "CARRIED": f'"{directory}/carried"',
        "MODULES": f'"{directory}/modules.h"',
        "EXTENSIONS": f'"{EXTENSIONS}"',
        "IS_PORTABLE": str(int(is_portable)),
    }
    words = tuple(f"-D{key}={value}" for key, value in definitions.items())
    _compile(BUILD / "launcher.c", directory / "launcher.o", *words)
    _compile(BUILD / "heap.c", directory / "heap.o")
    _compile(_list_of_builtins(directory), directory / "config.o")
    _join(directory, _compiled_modules(directory))
    if not CAN_HAVE_IMAGE:
        print("build: this interpreter gets no image: docs/internals/startup.md says which do")
        return _linked(directory, NO_IMAGE, HEAP).read_bytes()
    image, layout = _image(directory, NOTHING_TOGETHER)
    program = _with_image(directory, image, NO_RANGES, layout)
    start, heap = _state(layout)
    try:
        places += () if places else uses.find(program, image, start, heap)
    except uses.UntraceableError as reason:
        print(f"build: {reason}, so what runs use is not put together in the image")
        return program.read_bytes()
    image, layout = _image(directory, uses.order(image, heap, places))
    ranges = uses.ranges(image, heap, places)
    return _with_image(directory, image, ranges, layout).read_bytes()


def _row(name: str, offset: int, size: int, is_package: bool) -> str:
    return f'{{"{name}", carried + {offset}, {size}, {int(is_package)}}},\n'


def _compile(source: Path, target: Path, *words: str) -> None:
    flags = ("-O2", "-Wall", "-Werror", "-fno-pie", f"-I{_variable('INCLUDEPY')}")
    _run("cc", *flags, *words, "-c", source, "-o", target)


def linked_in_modules() -> tuple[str, ...]:
    """Return the C modules that are compiled into the program from the interpreter's source."""
    wanted = tuple(each for each in LINKED_IN_MODULES if each not in sys.builtin_module_names)
    return wanted if SOURCES.is_dir() else ()


def _compiled_modules(directory: Path) -> list[Path]:
    objects = []
    for module in linked_in_modules():
        for source in sorted(SOURCES.glob(LINKED_IN_MODULES[module])):
            objects.append(directory / f"{module}-{source.stem}.o")
            internals = f"-I{_variable('INCLUDEPY')}/internal"
            definitions = ("-DNDEBUG", "-DPy_BUILD_CORE_BUILTIN", "-DPY_SQLITE_HAVE_SERIALIZE")
            _compile(source, objects[-1], "-fwrapv", internals, *definitions)
    return objects


def _join(directory: Path, modules: Iterable[Path]) -> None:
    """Make one object of all but the C library: what it writes to is in sections of its own, and it
    allocates memory by build/heap.c."""
    joined = directory / "joined.o"
    parts = (directory / "launcher.o", directory / "config.o", *modules)
    python = f"{_variable('LIBPL')}/{_variable('LIBRARY')}"
    libraries = ("-Wl,-Bstatic", *(f"-l{library}" for library in LINKED_IN))
    _run(
        "cc",
        "-r",
        "-nostdlib",
        "-no-pie",
        "-o",
        joined,
        f"-Wl,-u,{WANTED}",
        *parts,
        python,
        *libraries,
    )
    sections = _run("objdump", "--section-headers", "--wide", joined)
    names = re.findall(rf"^ *\d+ ({WRITABLE}) ", sections, re.MULTILINE)
    _run(
        "objcopy",
        *(f"--rename-section={name}=state" for name in dict.fromkeys(names)),
        *(f"--redefine-sym={old}={new}" for old, new in IN_PLACE_OF.items()),
        *_without_constructors(sections),
        joined,
    )


def _without_constructors(sections: str) -> tuple[str, ...]:
    """Return what removes the only constructor, that of mimalloc, CPython 3.13's second allocator.

    It would put random numbers into an image, and this allocator is never used here.
    """
    if CAN_HAVE_IMAGE and re.search(r" \.init_array +(?!0+8 )\w", sections):
        raise UnfitImageError("it has constructors besides mimalloc's")
    return ("--remove-section=.init_array",) if CAN_HAVE_IMAGE else ()


def _linked(directory: Path, image: bytes, heap: int) -> Path:
    """Return the program with an image, or with what build/launcher.c takes for none."""
    (directory / "image").write_bytes(image)
    (directory / "image.s").write_text(
        f'.section image,"aw",@progbits\n.incbin "{directory}/image"\n'
        '.section .note.GNU-stack,"",@progbits\n'
    )
    program = directory / "program"
    objects = (directory / each for each in ("joined.o", "heap.o", "image.s"))
    script = (f"-Wl,--defsym=heap_size={heap}", f"-Wl,-T,{BUILD}/image.ld")
    libraries = (f"-l{library}" for library in _libraries())
    words = (*_variable("LINKFORSHARED").split(), *script, *libraries)
    _run("cc", "-s", "-no-pie", "-o", program, *objects, *words)
    return program


def _image(directory: Path, together: bytes) -> tuple[bytes, list[str]]:
    """Return the image that the program makes of itself, after proving that it fits any process, and
    the program's layout."""
    maker = _linked(directory, TO_BE_MADE + together, HEAP)
    (image, maps), (again, other_maps) = (_made(maker) for _ in range(2))
    check_image(image, again, moving(maps), moving(other_maps))
    return image.tobytes(), _layout(maker)


def _with_image(directory: Path, image: bytes, ranges: bytes, layout: list[str]) -> Path:
    """Return the program with an image of that layout, and with the ranges that runs write to."""
    whole = image.ljust(-(-len(image) // PAGE) * PAGE, b"\0") + ranges
    program = _linked(directory, whole, len(whole))
    if _layout(program) != layout:
        raise UnfitImageError("the program with an image in it is laid out differently")
    return program


def _state(layout: list[str]) -> tuple[int, int]:
    """Return the address of the variables, where the image begins, and their size."""
    (row,) = (each.split() for each in layout if each.startswith(".state "))
    return int(row[2], 16), int(row[1], 16)


def _made(program: Path) -> "tuple[Words, str]":
    """Return an image and the memory mappings of the process that made it."""
    with subprocess.Popen([program], stdout=subprocess.PIPE) as maker:
        assert maker.stdout
        start = maker.stdout.read(1)  # the maker waits: a pipe holds less than an image
        maps = Path(f"/proc/{maker.pid}/maps").read_text()
        content = start + maker.stdout.read()
    if maker.returncode:
        raise UnfitImageError(f"its maker failed with status {maker.returncode}")
    return array("Q", content), maps


def check_image(
    image: "Words", again: "Words", elsewhere: list[range], elsewhere_again: list[range]
) -> None:
    """Raise UnfitImageError unless another process made the same image, which points to nothing that
    moves.

    Time, process ids, random numbers and most addresses would not be the same. Addresses are, where
    the kernel was told not to move anything, and then are in the same ranges in both processes; text
    and numbers only happen to look like an address in one.
    """
    differing = [place for place, word in enumerate(image) if word != again[place]]
    if differing or len(image) != len(again):
        raise UnfitImageError(f"two images differ: {_shown(image, differing)}")
    pointers = [
        place
        for place, word in enumerate(image)
        if any(word in each for each in elsewhere) and any(word in each for each in elsewhere_again)
    ]
    if pointers:
        raise UnfitImageError(f"pointers to memory that moves: {_shown(image, pointers)}")


def moving(maps: str) -> list[range]:
    """Return the addresses, of those in /proc/PID/maps, that are others in each process: all but
    the program's."""
    found = []
    for line in maps.splitlines():
        start, end = (int(each, 16) for each in line.split()[0].split("-"))
        if start >= ANYWHERE or line.endswith("[heap]"):
            found.append(range(start, end))
    return found


def _shown(image: "Words", places: list[int]) -> str:
    return ", ".join(f"{place * 8:#x} holds {image[place]:#x}" for place in places[:10])


def _layout(program: Path) -> list[str]:
    """Return name, size and address of each section that an image or code may point into."""
    sections = _run("objdump", "--section-headers", "--wide", program)
    rows = [line.split()[1:4] for line in sections.splitlines() if re.match(r" *\d+ ", line)]
    return [" ".join(row) for row in rows if row[0] not in (".heap", ".image")]


def _run(*words: str | Path) -> str:
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def _libraries() -> list[str]:
    named = " ".join(_variable(name) for name in ("MODLIBS", "LIBS", "SYSLIBS"))
    # From Python 3.12 on also archives of the interpreter's own build: in its library, or not to be had.
    wanted = (each.removeprefix("-l") for each in named.split() if each.startswith("-l"))
    return [each for each in dict.fromkeys(wanted) if each not in LINKED_IN]


def _variable(name: str) -> str:
    return str(sysconfig.get_config_var(name) or "")


def _list_of_builtins(directory: Path) -> Path:
    """Write the source of the interpreter's list of builtin modules.

    Modules whose code its library lacks are left out: some of CPython's hashes are in archives of
    their own, which distributions don't have. Those that are compiled here are added.
    """
    listed = Path(_variable("LIBPL"), "config.c").read_text()
    for module in _incomplete(f"{_variable('LIBPL')}/{_variable('LIBRARY')}"):
        listed = re.sub(rf"^.*\bPyInit_{module}\b.*\n", "", listed, flags=re.MULTILINE)
    for module in linked_in_modules():
        listed = listed.replace(
            MARKERS[0], f"extern PyObject *PyInit_{module}(void);\n{MARKERS[0]}"
        )
        listed = listed.replace(MARKERS[1], f'{{"{module}", PyInit_{module}}},\n{MARKERS[1]}')
    source = directory / "config.c"
    source.write_text(listed)
    return source


def _incomplete(library: str) -> set[str]:
    """Modules that refer to such an archive, where the library does not hold it."""
    command = ("nm", "--print-file-name", library)
    symbols = _run(*command)
    own = set(re.findall(rf" [TD] ({ELSEWHERE}\w+)$", symbols, re.MULTILINE))
    members = {
        member
        for member, name in re.findall(rf"([^:]+): +U ({ELSEWHERE}\w+)$", symbols, re.MULTILINE)
        if name not in own
    }
    made = re.findall(r"([^:]+):\w+ T PyInit_(\w+)$", symbols, re.MULTILINE)
    return {module for member, module in made if member in members}
