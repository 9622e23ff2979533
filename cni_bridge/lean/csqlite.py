"""The C half of `sqlite3`, loaded without the Python modules that it hardly uses.

Nothing else in the package may import either half at module level.
"""

import sys


def _load() -> None:
    """Import `_sqlite3` while a stand-in answers for `functools`.

    `_sqlite3` wants `functools.lru_cache`, once, for its statement cache; that import costs three
    times as much as all the rest. The stand-in gives it the same C cache and is gone afterwards, so
    that whoever needs `functools` later gets the real one.
    """
    from _functools import _lru_cache_wrapper  # type: ignore[import-not-found]  # no stubs

    def lru_cache(size: int) -> object:
        return lambda function: _lru_cache_wrapper(function, size, False, tuple)

    stand_in = type(sys)("functools")
    vars(stand_in)["lru_cache"] = lru_cache
    sys.modules["functools"] = stand_in
    try:
        import _sqlite3  # noqa: F401 - loaded here, named below
    finally:
        del sys.modules["functools"]


try:
    if "functools" not in sys.modules:
        _load()
    import _sqlite3 as csqlite
except ImportError:  # an interpreter that renamed its private modules still works, only slower
    import sqlite3 as csqlite  # type: ignore[no-redef]

__all__ = ["csqlite"]
