"""Shared libraries whose references to their own symbols are resolved when we build.

A library refers to its own functions and data by name, so that others can put theirs in place. None
of ours is; yet at every start the dynamic linker looks each name up, 13 000 of them in libpython.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

ELF64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
HEADER = struct.Struct("<18xH12xQ14xHH")  # e_machine, e_phoff, e_phentsize, e_phnum
SEGMENT = struct.Struct("<I4xQQ8xQ")  # p_type, p_offset, p_vaddr, p_filesz
DYNAMIC = struct.Struct("<qQ")  # d_tag, d_val
RELOCATION = struct.Struct("<QIIq")  # r_offset, its type, its symbol, r_addend
SYMBOL = struct.Struct("<4xBxHQ8x")  # st_info, st_shndx, st_value

PT_LOAD, PT_DYNAMIC = 1, 2
DT_PLTRELSZ, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_JMPREL, DT_FLAGS = 2, 6, 7, 8, 23, 30
DT_RELACOUNT = 0x6FFFFFF9
DF_BIND_NOW = 8
SHN_UNDEF, SHN_ABS = 0, 0xFFF1
STT_OBJECT, STT_FUNC = 1, 2


@dataclass(frozen=True)
class Machine:
    """Its types of relocations."""

    by_name: tuple[int, ...]  # R_*_ABS64, R_*_GLOB_DAT, R_*_JUMP_SLOT: a symbol's address
    relative: int  # R_*_RELATIVE: the load address and a number


MACHINES = {
    62: Machine(by_name=(1, 6, 7), relative=8),  # x86-64
    183: Machine(by_name=(257, 1025, 1026), relative=1027),  # AArch64
}
Relocation = tuple[int, int, int, int]


def prelink(library: bytes) -> bytes:
    """The library, resolved as far as it can be; another kind of file as it is."""
    if not library.startswith(ELF64_LITTLE_ENDIAN):
        return library
    number, start, size, count = HEADER.unpack_from(library)
    if number not in MACHINES:
        return library
    segments = [SEGMENT.unpack_from(library, start + size * index) for index in range(count)]
    return _Library(bytearray(library), segments, MACHINES[number]).resolved()


class _Library:
    def __init__(
        self, content: bytearray, segments: list[tuple[int, ...]], machine: Machine
    ) -> None:
        self._content = content
        self._machine = machine
        self._loaded = [segment[1:] for segment in segments if segment[0] == PT_LOAD]
        ((_, self._start, _, self._size),) = (each for each in segments if each[0] == PT_DYNAMIC)
        self._dynamic = {tag: value for _, tag, value in self._dynamic_entries()}

    def resolved(self) -> bytes:
        """The library's bytes, all tables rewritten in place."""
        relative = self._resolve(DT_RELA, DT_RELASZ)
        for offset, tag, _ in self._dynamic_entries():
            if tag == DT_RELACOUNT:
                DYNAMIC.pack_into(self._content, offset, tag, relative)
        # Where functions are bound at their first call, the table of calls must stay by name.
        if self._dynamic.get(DT_FLAGS, 0) & DF_BIND_NOW:
            self._resolve(DT_JMPREL, DT_PLTRELSZ)
        return bytes(self._content)

    def _resolve(self, table: int, size: int) -> int:
        """Rewrite one table; return how many relocations in it are relative: they come first."""
        if table not in self._dynamic:
            return 0
        start = self._offset(self._dynamic[table])
        end = start + self._dynamic[size]
        found = [self._relative(each) for each in RELOCATION.iter_unpack(self._content[start:end])]
        found.sort(key=lambda each: (each[1] != self._machine.relative, each[0]))
        self._content[start:end] = b"".join(RELOCATION.pack(*each) for each in found)
        return sum(each[1] == self._machine.relative for each in found)

    def _relative(self, relocation: Relocation) -> Relocation:
        """The relocation without its symbol, where that is the library's own."""
        place, kind, symbol, addend = relocation
        if kind not in self._machine.by_name:
            return relocation
        start = self._offset(self._dynamic[DT_SYMTAB])
        info, section, value = SYMBOL.unpack_from(self._content, start + SYMBOL.size * symbol)
        # Others need more than an addition: thread-local storage, functions that choose themselves.
        is_plain = info & 0xF in (STT_OBJECT, STT_FUNC)
        if section in (SHN_UNDEF, SHN_ABS) or not is_plain:
            return relocation
        return place, self._machine.relative, 0, value + addend

    def _dynamic_entries(self) -> Iterator[tuple[int, int, int]]:
        for offset in range(self._start, self._start + self._size, DYNAMIC.size):
            yield offset, *DYNAMIC.unpack_from(self._content, offset)

    def _offset(self, address: int) -> int:
        """Where in the file an address of the loaded library is."""
        return next(
            offset + address - start
            for offset, start, size in self._loaded
            if start <= address < start + size
        )
