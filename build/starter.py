"""The executable's entry module, imported by build/launcher.c: prepares an image, or starts cni-bridge.

Modules of the plugin path come from the program itself, as CPython's frozen modules do. The build
appends the tables below (build/bundling.py).
"""

import _imp
import posix
import sys
from _frozen_importlib import ModuleSpec

import cni_bridge_launcher as launcher

TYPE_CHECKING = False

if TYPE_CHECKING:
    from types import ModuleType
else:
    ModuleType = type(sys)

MODULES: tuple[str, ...] = ()  # those that a plugin run may import
# Files of the C modules that a plugin run may import and that are not built in.
EXTENSIONS: dict[str, str] = {}

RTLD_LAZY = 1  # dlfcn.h
LAST_RESORT = """\
{"cniVersion": "1.1.0", "code": %d, "msg": "cni-bridge can't run: %s", "details": "See stderr."}
"""


def prepare() -> None:
    """Import everything that a plugin run may need; the image is made of that."""
    for name in MODULES:
        __import__(name)
    _know_files()  # last: what comes before is the same in both shapes, so one trace serves both
    import gc

    gc.collect()
    gc.freeze()
    gc.disable()  # a run ends before the memory of cycles is needed
    posix.environ.clear()


def start() -> object:
    """Run cni-bridge; report to the runtime in JSON even if cni-bridge itself can't be loaded."""
    try:
        _know_files()
        from cni_bridge.__main__ import main

        return main()
    except (Exception, KeyboardInterrupt) as error:
        if b"CNI_COMMAND" in posix.environ:
            code = 5 if isinstance(error, (OSError, ImportError)) else 999  # docs/errors.md
            if isinstance(error, KeyboardInterrupt):
                code = 11
            posix.write(1, (LAST_RESORT % (code, type(error).__name__)).encode())
            posix.write(2, f"cni-bridge can't run: {error!r}\n".encode(errors="replace"))
            posix._exit(1)
        raise


class Extension(ModuleType):
    """A C module in a file, loaded when it is first used: an image can't hold it."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # asked for by the import itself
            raise AttributeError(name)
        spec = ModuleSpec(self.__name__, None, origin=_path(EXTENSIONS[self.__name__]))
        loaded = _imp.create_dynamic(spec)
        _imp.exec_dynamic(loaded)
        self.__dict__.update(loaded.__dict__)
        self.__class__ = ModuleType  # type: ignore[assignment]  # it is an ordinary one now
        return getattr(self, name)


class Extensions:
    """Finds and makes them, until the second phase's finders take over."""

    def find_spec(self, name: str, _path: object, _target: object = None) -> "ModuleSpec | None":
        is_complete = "_frozen_importlib_external" in sys.modules
        return ModuleSpec(name, self) if name in EXTENSIONS and not is_complete else None  # type: ignore[arg-type]  # a loader's methods

    def create_module(self, spec: "ModuleSpec") -> ModuleType:
        return Extension(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module loads itself when it is used."""


def _path(file: str) -> str:
    """Return a path of a file; one that the program carries is written to memory first."""
    if file not in launcher.files:
        return f"{launcher.home}/{file}"
    offset, size = launcher.files[file]
    memory = posix.memfd_create(file, posix.MFD_CLOEXEC)
    rest = launcher.carried[offset : offset + size]
    while rest:  # a limit of a file's size cuts a write short before it fails one
        rest = rest[posix.write(memory, rest) :]
    return f"/proc/self/fd/{memory}"


def _know_files() -> None:
    """Import where data files are carried, or all files if portable: a table that the build makes."""
    from cni_bridge_files import FILES

    launcher.files = FILES


def _begin() -> None:
    sys.setdlopenflags(RTLD_LAZY)  # of hundreds of functions that C modules name, few are called
    sys.meta_path.append(Extensions())
