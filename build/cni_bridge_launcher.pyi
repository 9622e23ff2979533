# The builtin module that only the executable has: build/launcher.c, whose functions say more.

home: str  # the directory of libraries and people.zip; a portable one's is not there until unpacked, maybe elsewhere
is_portable: int
carried: memoryview  # code, data files; a portable one's libraries and people.zip, too
files: dict[str, tuple[int, int]]  # offset and size in `carried`; set by build/starter.py

def complete(home: str) -> None: ...
def setns(descriptor: int, kind: int) -> None: ...
