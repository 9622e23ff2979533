"""replace_tree.py NEW OLD: puts a directory in the place of another in one step, then removes that.

Knows nothing of what it replaces: `make install` uses it, so that no plugin run finds half a tree.
"""

import ctypes
import os
import shutil
import sys

AT_FDCWD = -100  # linux/fcntl.h
RENAME_EXCHANGE = 2  # linux/fs.h


def main(new: str, old: str) -> None:
    """Swap the two names, or just rename when there is nothing to replace."""
    if not os.path.exists(old):
        os.rename(new, old)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(old), RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), f"cannot exchange {new} and {old}")
    shutil.rmtree(new)


if __name__ == "__main__":
    main(*sys.argv[1:])
