"""The C half of `socket`, whose Python half costs as much to import as the interpreter itself.

Nothing else in the package may import either half at module level.
"""

try:
    import _socket as csocket
except ImportError:  # an interpreter that renamed its private module still works, only slower
    import socket as csocket  # type: ignore[no-redef]

__all__ = ["csocket"]
