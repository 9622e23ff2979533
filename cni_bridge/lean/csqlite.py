"""The C half of `sqlite3`, without the Python half, which a plugin run makes no use of.

Nothing else in the package may import either half at module level.
"""

try:
    import _sqlite3 as csqlite
except ImportError:  # an interpreter that renamed its private module still works, only slower
    import sqlite3 as csqlite  # type: ignore[no-redef]

__all__ = ["csqlite"]
