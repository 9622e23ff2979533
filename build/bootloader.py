"""PyInstaller's bootloader of a directory, told where its libraries are, so that it starts once.

It sets LD_LIBRARY_PATH and then executes itself anew, since the dynamic linker reads the variable
before anything else happens. With the path written into the file, the restart has nothing to do.
"""

import struct
from collections.abc import Iterator

HEADER = struct.Struct("<32xQ14xHH")  # e_phoff, e_phentsize, e_phnum
SEGMENT = struct.Struct("<I4xQQ8xQ")  # p_type, p_offset, p_vaddr, p_filesz
SIZES, SIZES_OFFSET = struct.Struct("<QQ"), 32  # p_filesz, p_memsz
DYNAMIC = struct.Struct("<qQ")  # d_tag, d_val

PT_LOAD, PT_DYNAMIC = 1, 2
DT_NULL, DT_STRTAB = 0, 5
DT_RPATH = 15  # unlike DT_RUNPATH it is for what the libraries need, too
PAGE = 4096
# The call that restarts, and one that does nothing and returns what is no error; equally long.
RESTART, NO_RESTART = b"\0execvp\0", b"\0getpid\0"


def started_once(executable: bytes, search_path: str) -> bytes:
    """The executable with that search path, where $ORIGIN is its own directory.

    As it is, where it has no room for that: it works then, only slower.
    """
    content = bytearray(executable)
    path = search_path.encode() + b"\0"
    start, size, count = HEADER.unpack_from(content)
    headers = [start + size * index for index in range(count)]
    code = next(each for each in headers if SEGMENT.unpack_from(content, each)[0] == PT_LOAD)
    _, offset, address, length = SEGMENT.unpack_from(content, code)
    end = offset + length  # what follows is mapped, too: whole pages are
    entries = list(_dynamic_entries(content, headers))
    spare = [place for place, tag, _ in entries if tag == DT_NULL]
    has_room = end % PAGE + len(path) <= PAGE and not any(content[end : end + len(path)])
    if not has_room or len(spare) < 2 or content.count(RESTART) != 1:
        return executable
    content[end : end + len(path)] = path
    SIZES.pack_into(content, code + SIZES_OFFSET, length + len(path), length + len(path))
    (strings,) = (value for _, tag, value in entries if tag == DT_STRTAB)
    DYNAMIC.pack_into(content, spare[0], DT_RPATH, address + length - strings)
    return bytes(content).replace(RESTART, NO_RESTART)


def _dynamic_entries(content: bytearray, headers: list[int]) -> Iterator[tuple[int, int, int]]:
    """Place, tag and value of each."""
    for header in headers:
        kind, start, _, size = SEGMENT.unpack_from(content, header)
        if kind == PT_DYNAMIC:
            for place in range(start, start + size, DYNAMIC.size):
                yield place, *DYNAMIC.unpack_from(content, place)
