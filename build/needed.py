"""The libraries that a shared library needs (DT_NEEDED).

`_sqlite3` names SQLite's, whose functions the program has in it: the dynamic linker need not look.
"""

import struct
from collections.abc import Iterator

ELF64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
HEADER = struct.Struct("<32xQ14xHH")  # e_phoff, e_phentsize, e_phnum
SEGMENT = struct.Struct("<I4xQQ8xQ")  # p_type, p_offset, p_vaddr, p_filesz
DYNAMIC = struct.Struct("<qQ")  # d_tag, d_val

PT_LOAD, PT_DYNAMIC = 1, 2
DT_NEEDED, DT_STRTAB = 1, 5

Entry = tuple[int, int]


def without(library: bytes, unneeded: tuple[str, ...]) -> bytes:
    """Return the library without the wish for those whose names begin so; another kind of file as it is."""
    if not library.startswith(ELF64_LITTLE_ENDIAN):
        return library
    (start, size), entries = _dynamic(library)
    strings = _offset(library, dict(entries)[DT_STRTAB])
    kept = [
        (tag, value)
        for tag, value in entries
        if tag != DT_NEEDED or not _text(library, strings + value).startswith(unneeded)
    ]
    table = b"".join(DYNAMIC.pack(*each) for each in kept)
    return library[:start] + table.ljust(size, b"\0") + library[start + size :]


def _dynamic(library: bytes) -> tuple[tuple[int, int], list[Entry]]:
    """Offset and size of the table, and what is in it."""
    for kind, offset, _, size in _segments(library):
        if kind == PT_DYNAMIC:
            return (offset, size), list(DYNAMIC.iter_unpack(library[offset : offset + size]))
    raise ValueError("a shared library without a dynamic section")


def _segments(library: bytes) -> Iterator[tuple[int, int, int, int]]:
    start, size, count = HEADER.unpack_from(library)
    for index in range(count):
        yield SEGMENT.unpack_from(library, start + size * index)


def _offset(library: bytes, address: int) -> int:
    """Where in the file an address of the loaded library is."""
    return next(
        offset + address - start
        for kind, offset, start, size in _segments(library)
        if kind == PT_LOAD and start <= address < start + size
    )


def _text(library: bytes, offset: int) -> str:
    return library[offset : library.index(b"\0", offset)].decode()
