"""Call functions of the C library that take integers, return 0, and are not in `posix`.

Uses the C half of `ctypes`: importing all of it costs six times as much.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

RTLD_NOW = 2  # dlfcn.h


def function(name: str) -> "Callable[..., None]":
    """Return the function of that name; it raises OSError on failure."""
    import _ctypes  # the cost: 0.9 ms

    class Int(_ctypes._SimpleCData):  # type: ignore[type-arg] # not generic at run time
        _type_ = "i"

    class Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
        _restype_ = Int

    program = _ctypes.dlopen(None, RTLD_NOW)  # type: ignore[arg-type] # as dlopen(3) has it
    found = Function(_ctypes.dlsym(program, name))

    def call(*arguments: int) -> None:
        if found(*arguments):
            number = _ctypes.get_errno()
            raise OSError(number, posix.strerror(number))

    return call
