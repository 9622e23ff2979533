"""The executable's entry script: makes the plugin path's modules, and runs each when it is used.

One file beside the libraries holds their code, and only what is used is read of it: looking modules
up on `sys.path` would take longer than running them. The build appends where each module's code is,
and the call of `start` (build/bundling.py).
"""

import builtins
import gc
import marshal
import posix
import sys

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType, ModuleType
else:
    ModuleType = type(sys)  # importing `types` would take a millisecond

DIRECTORY = "/_internal"  # of the libraries where they were not unpacked by a waiting bootloader
CODE_FILE = ""
PLACES: dict[str, tuple[int, int]] = {}  # size and offset in that file, where others may be, too
PACKAGES: frozenset[str] = frozenset()

_code = -1  # the descriptor of that file
_codes: "dict[str, CodeType]" = {}  # what has been read of it
_import = builtins.__import__
RTLD_LAZY = 1  # dlfcn.h

sys.setdlopenflags(RTLD_LAZY)  # of hundreds of functions that C modules name, few are called
gc.disable()  # a run is over before collecting could pay; importing would set it off


LAST_RESORT = """\
{"cniVersion": "1.1.0", "code": %d, "msg": "cni-bridge can't run: %s", "details": "See stderr."}
"""


def start() -> object:
    """Run cni-bridge; where not even its own catch-all could be read, a runtime gets its JSON too."""
    try:
        return _run()
    except Exception as error:
        if b"CNI_COMMAND" in posix.environ:
            code = 5 if isinstance(error, (OSError, ImportError)) else 999  # docs/errors.md
            posix.write(1, (LAST_RESORT % (code, type(error).__name__)).encode())
        raise


def _run() -> object:
    root: str = sys._MEIPASS  # type: ignore[attr-defined]  # set by the bootloader
    global _code
    _code = posix.open(f"{root}/{CODE_FILE}", posix.O_RDONLY | posix.O_CLOEXEC)
    builtins.__import__ = _imported
    _made("cni_bridge")
    if not root.endswith(DIRECTORY):
        from cni_bridge.kernel import parent

        parent.follow()
    from cni_bridge.__main__ import main

    return main()


def _imported(
    name: str,
    globals: "Mapping[str, object] | None" = None,
    locals: "Mapping[str, object] | None" = None,
    fromlist: "Sequence[str] | None" = (),
    level: int = 0,
) -> ModuleType:
    """What `import` does, but where our modules are it need not find out."""
    if not fromlist or name not in PLACES:
        return _import(name, globals, locals, fromlist, level)
    module = sys.modules.get(name) or _made(name)
    if name in PACKAGES:
        for each in fromlist:
            if each not in module.__dict__ and f"{name}.{each}" in PLACES:
                setattr(module, each, sys.modules.get(f"{name}.{each}") or _made(f"{name}.{each}"))
    elif module.__class__ is Unread:
        _read(module)
    return module


def _made(name: str) -> ModuleType:
    module = sys.modules[name] = ModuleType(name) if name in PACKAGES else Unread(name)
    if name in PACKAGES:
        module.__path__ = []
        _run_code(module)
    return module


class Unread(ModuleType):
    """A module whose code is run when anything in it is first asked for."""

    def __getattr__(self, name: str) -> object:
        _read(self)
        return getattr(self, name)


def _read(module: ModuleType) -> None:
    module.__class__ = ModuleType  # it is an ordinary one now
    try:
        _run_code(module)
    except BaseException:
        module.__class__ = Unread  # rolling back may need it, and have more luck
        raise


def _run_code(module: ModuleType) -> None:
    name = module.__name__
    if name not in _codes:
        _codes.update(marshal.loads(posix.pread(_code, *PLACES[name])))
    exec(_codes[name], module.__dict__)
