"""The executable's entry script: makes the plugin path's modules, and runs each when it is used.

The program (build/launcher.c) carries their code in its memory: looking modules up on `sys.path`
would take longer than running them. The build appends where each is, and the call of `start`
(build/bundling.py).
"""

import _imp
import builtins
import marshal
import posix
import sys

import cni_bridge_launcher as launcher

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType, ModuleType
    from typing import Any
else:
    ModuleType = type(sys)  # importing `types` would take a millisecond

PLACES: dict[str, tuple[int, int]] = {}  # where a module's code is carried, maybe with others'
PACKAGES: frozenset[str] = frozenset()
EXTENSIONS: dict[
    str, str
] = {}  # files of the C modules that a plugin run may use, and are not built in
FILES: dict[str, tuple[int, int]] = {}  # where data files are carried; all others where portable

BUILT_IN = frozenset(sys.builtin_module_names)
_codes: "dict[str, CodeType]" = {}  # what has been unmarshalled
_import = builtins.__import__
RTLD_LAZY = 1  # dlfcn.h

FINDERS = "_frozen_importlib_external"  # of modules in files; there from `launcher.complete` on
LAST_RESORT = """\
{"cniVersion": "1.1.0", "code": %d, "msg": "cni-bridge can't run: %s", "details": "See stderr."}
"""


def start() -> object:
    """Run cni-bridge; where not even its own catch-all could be read, a runtime gets its JSON too."""
    try:
        # Of hundreds of functions that C modules name, few are called.
        sys.setdlopenflags(RTLD_LAZY)
        launcher.files = FILES
        builtins.__import__ = _imported
        _made("cni_bridge")
        from cni_bridge.__main__ import main

        return main()
    except Exception as error:
        if b"CNI_COMMAND" in posix.environ:
            code = 5 if isinstance(error, (OSError, ImportError)) else 999  # docs/errors.md
            posix.write(1, (LAST_RESORT % (code, type(error).__name__)).encode())
            posix.write(2, f"cni-bridge can't run: {error!r}\n".encode(errors="replace"))
            posix._exit(1)
        raise


def _imported(
    name: str,
    globals: "Mapping[str, object] | None" = None,
    locals: "Mapping[str, object] | None" = None,
    fromlist: "Sequence[str] | None" = (),
    level: int = 0,
) -> ModuleType:
    """Return what `import` does, but where our modules are it need not find out."""
    if (name in BUILT_IN or name in EXTENSIONS) and FINDERS not in sys.modules:
        return sys.modules.get(name) or _loaded(name)
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
        offset, size = PLACES[name]
        _codes.update(marshal.loads(launcher.carried[offset : offset + size]))
    exec(_codes[name], module.__dict__)


class _Spec:
    """What `_imp` wants to know of a C module."""

    def __init__(self, name: str, origin: str = "built-in") -> None:
        self.name = name
        self.origin = origin


def _loaded(name: str) -> ModuleType:
    """Return a C module, without the search for one, which takes longer."""
    spec: Any
    if name in EXTENSIONS:
        spec = _Spec(name, _path(EXTENSIONS[name]))
        made, run = _imp.create_dynamic(spec), _imp.exec_dynamic
    else:
        spec = _Spec(name)
        made, run = _imp.create_builtin(spec), _imp.exec_builtin
    sys.modules[name] = made
    try:
        run(made)
    except BaseException:
        del sys.modules[name]
        raise
    return made


def _path(file: str) -> str:
    """Where a file is; what this program carries is put into memory that looks like one."""
    if file not in FILES:
        return f"{launcher.home}/{file}"
    offset, size = FILES[file]
    memory = posix.memfd_create(file, posix.MFD_CLOEXEC)
    posix.write(memory, launcher.carried[offset : offset + size])
    return f"/proc/self/fd/{memory}"
