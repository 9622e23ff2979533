"""Compiles the executable's program: CPython's static library, build/launcher.c, and the code it carries.

Linked at fixed addresses, as Debian's own `python3` is: nothing is relocated at each start, and its
code takes an eighth fewer instructions than that of the shared library.
"""

import re
import subprocess
import sysconfig
from pathlib import Path

SOURCE = Path(__file__).with_name("launcher.c")
# Below the directory of libraries, as PyInstaller lays it out.
EXTENSIONS = f"python{sysconfig.get_python_version()}/lib-dynload"
# Libraries that the program brings along: what builtin modules need, and SQLite for `_sqlite3`, which
# then is spared a library to find, map and relocate.
LINKED_IN = ("expat", "sqlite3", "z")
ELSEWHERE = "python_hashlib_Hacl"
WANTED = "sqlite3_libversion"  # pulls SQLite in: nothing else in the program names it


def compiled(directory: Path, *, starter: bytes, carried: bytes, is_portable: bool) -> bytes:
    """Return the program that runs `starter`, marshalled code, and lends it `carried`.

    All that compiling makes is left in the directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "starter").write_bytes(starter)
    (directory / "carried").write_bytes(carried)
    definitions = {
        "STARTER": f'"{directory}/starter"',
        "CARRIED": f'"{directory}/carried"',
        "EXTENSIONS": f'"{EXTENSIONS}"',
        "IS_PORTABLE": str(int(is_portable)),
    }
    words = (
        *("cc", "-O2", "-Wall", "-Werror", "-s", "-no-pie", f"-I{_variable('INCLUDEPY')}"),
        *(f"-D{key}={value}" for key, value in definitions.items()),
        *(
            str(SOURCE),
            str(_list_of_builtins(directory)),
            f"{_variable('LIBPL')}/{_variable('LIBRARY')}",
        ),
        *_variable("LINKFORSHARED").split(),
        *(f"-Wl,-u,{WANTED}", *(_linked(library) for library in _libraries())),
        *("-Wl,--disable-new-dtags,-rpath,$ORIGIN/_internal", "-o", str(directory / "program")),
    )
    subprocess.run(words, check=True)
    return (directory / "program").read_bytes()


def _libraries() -> list[str]:
    named = " ".join(_variable(name) for name in ("MODLIBS", "LIBS", "SYSLIBS"))
    # From Python 3.12 on also archives of the interpreter's own build: in its library, or not to be had.
    wanted = (each.removeprefix("-l") for each in named.split() if each.startswith("-l"))
    return list(dict.fromkeys((*LINKED_IN, *wanted)))


def _linked(library: str) -> str:
    return f"-Wl,-Bstatic,-l{library},-Bdynamic" if library in LINKED_IN else f"-l{library}"


def _variable(name: str) -> str:
    return str(sysconfig.get_config_var(name) or "")


def _list_of_builtins(directory: Path) -> Path:
    """Return the source of the interpreter's list, without the modules whose code its library lacks.

    Some of CPython's hashes are in archives of their own, which distributions leave out.
    """
    listed = Path(_variable("LIBPL"), "config.c").read_text()
    for module in _incomplete(f"{_variable('LIBPL')}/{_variable('LIBRARY')}"):
        listed = re.sub(rf"^.*\bPyInit_{module}\b.*\n", "", listed, flags=re.MULTILINE)
    source = directory / "config.c"
    source.write_text(listed)
    return source


def _incomplete(library: str) -> set[str]:
    """Modules that refer to such an archive, where the library does not hold it."""
    command = ("nm", "--print-file-name", library)
    symbols = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    own = set(re.findall(rf" [TD] ({ELSEWHERE}\w+)$", symbols, re.MULTILINE))
    members = {
        member
        for member, name in re.findall(rf"([^:]+): +U ({ELSEWHERE}\w+)$", symbols, re.MULTILINE)
        if name not in own
    }
    made = re.findall(r"([^:]+):\w+ T PyInit_(\w+)$", symbols, re.MULTILINE)
    return {module for member, module in made if member in members}
