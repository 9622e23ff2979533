"""Finds what plugin runs use of the image, so that the next image has it together.

valgrind reports each load and store of an ADD and a DEL in private namespaces. Where it is missing, or
namespaces are refused, the image is made without; docs/internals/startup.md says what that costs.
"""

import hashlib
import json
import re
import shutil
import struct
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

PAGE = 4096
HEADER = struct.Struct("II")  # before each piece of memory, by build/heap.c: its size, its ordinal
ALIGNED = HEADER.size  # the first header is here, so that what follows it is aligned
LARGE = PAGE // 2  # a larger piece stays where it is: a run uses little of it
STATE = -1  # in place of an ordinal: the variables, which stay where they are, too
MOST_RANGES = PAGE // 8 - 1  # with an end
GROUPS = struct.Struct("III")  # build/heap.h: sizes of the two groups, number of ordinals
WRITTEN, ONLY_READ = 1, 2

# An ordinal, and an offset in that piece of memory that is written to; or READ, if none is.
Place = tuple[int, int]
READ = -1

PLAIN = {
    "cniVersion": "1.0.0",
    "name": "build",
    "type": "cni-bridge",
    "bridge": "build0",
    "isGateway": True,
    "ipam": {"type": "cni-bridge", "ranges": [[{"subnet": "10.88.0.0/16"}]]},
}
LIKE_DOCKER = {
    **PLAIN,
    "isDefaultGateway": True,
    "ipMasq": True,
    "isolation": "on",
    "sysctl": {"net.core.somaxconn": "500"},
    "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]},
}
NETWORKS = [json.dumps(each) for each in (LIKE_DOCKER, PLAIN)]
# $1 is the program, $2 build/awaited.c for the traced runs; $3 and $4 are networks. The first ADD makes
# the bridge and the ledger: most ADDs find them.
SCRIPT = r"""
set -eu
mount -t tmpfs none /run
mkdir /run/netns
cp "$1" /run/program
cp "$2" /run/awaited.so
ip link set lo up
for container in a b; do
    touch /run/netns/$container
    unshare --net=/run/netns/$container true
done
export CNI_PATH=/nowhere CNI_IFNAME=eth0
run() {
    export CNI_COMMAND=$1 CNI_CONTAINERID=$2 CNI_NETNS=/run/netns/$2
    shift 2
    "$@" >/dev/null
}
fixed=  # addresses, which decide what an entry of the interpreter's caches displaces
if setarch -R true 2>/dev/null; then fixed="setarch -R"; fi
traced="$fixed env LD_PRELOAD=/run/awaited.so valgrind --quiet --tool=lackey --trace-mem=yes"
run ADD a /run/program <<<"${3/8080/8081}"
for network in "$3" "$4"; do
    run ADD b $traced /run/program <<<"$network"
    run DEL b $traced /run/program <<<"$network"
done
"""
PATIENCE = "600"  # seconds; a quiet machine takes 30
# Paths and variables are the same in each build: longer ones would move what is allocated after them.
NAMESPACES = (
    *("timeout", PATIENCE, "env", "-i", "-C", "/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"),
    *("unshare", "--map-root-user", "--net", "--mount"),
    *("bash", "-c", SCRIPT, "bash"),
)
AWAITED = Path(__file__).with_name("awaited.c")
LOAD = re.compile(rb"^ L ([0-9a-f]+),", re.MULTILINE)
STORE = re.compile(rb"^ [SM] ([0-9a-f]+),", re.MULTILINE)


class UntraceableError(RuntimeError):
    """Why it is not known what runs use."""


def find(program: Path, image: bytes, start: int, heap: int) -> list[Place]:
    """Return the places in the image that runs use; raise UntraceableError.

    The image is at the address `start`, and its heap at that offset. What the same runs of the same image
    used before is kept beside the program.
    """
    kept = program.with_name("uses.json")
    digest = digest_of(image)
    if kept.exists() and (known := json.loads(kept.read_text()))["image"] == digest:
        return [(ordinal, offset) for ordinal, offset in known["places"]]
    for needed in ("valgrind", "unshare", "ip"):
        if not shutil.which(needed):
            raise UntraceableError(f"no {needed}")
    places = sorted(_places(image, heap, *_used(program, range(start, start + len(image)))))
    kept.write_text(json.dumps({"image": digest, "places": places}))
    return places


def digest_of(image: bytes) -> str:
    """Return what a trace is known by: its image, and what is run."""
    return hashlib.sha256(image + SCRIPT.encode() + "".join(NETWORKS).encode()).hexdigest()


def _used(program: Path, where: range) -> tuple[set[int], set[int]]:
    """Return the offsets of the words in a range of addresses that runs read, and write to."""
    found: tuple[set[int], set[int]] = (set(), set())
    library = program.with_name("awaited.so")
    compiler = ("cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, AWAITED)
    subprocess.run(compiler, check=True)
    words: tuple[str | Path, ...] = (*NAMESPACES, program.resolve(), library.resolve(), *NETWORKS)
    with subprocess.Popen(words, stderr=subprocess.PIPE) as runs:
        assert runs.stderr
        lines = rest = b""
        while block := runs.stderr.read(1 << 22):
            block = rest + block
            for pattern, offsets in zip((LOAD, STORE), found, strict=True):
                for address in set(pattern.findall(block)):
                    if (place := int(address, 16)) in where:
                        offsets.add((place - where.start) & -8)
            lines, _, rest = block.rpartition(b"\n")
    if runs.returncode:
        raise UntraceableError(
            f"a run under valgrind failed ({lines[-200:].decode(errors='replace')})"
        )
    return found


def _pieces(image: bytes, heap: int) -> Iterator[tuple[int, int, int]]:
    """Yield offset, size and ordinal of each piece of memory."""
    place = heap + ALIGNED
    while place < len(image) - HEADER.size:
        size, ordinal = HEADER.unpack_from(image, place)
        if not size:
            return
        place += HEADER.size
        yield place, size, ordinal
        place += size


def _places(image: bytes, heap: int, read: set[int], written: set[int]) -> Iterator[Place]:
    yield from ((STATE, offset) for offset in written if offset < heap)
    for start, size, ordinal in _pieces(image, heap):
        words = set(range(start, start + size, 8))
        if stores := words & written:
            yield from ((ordinal, each - start) for each in stores)
        elif words & read:
            yield ordinal, READ


def order(image: bytes, heap: int, places: Iterable[Place]) -> bytes:
    """Return what the maker of the next image has to put together, as build/heap.c reads it."""
    small = {ordinal: size for _, size, ordinal in _pieces(image, heap) if size <= LARGE}
    groups = bytearray(max(small, default=0) + 1)
    for ordinal, offset in places:
        if ordinal in small:
            groups[ordinal] = ONLY_READ if offset == READ else WRITTEN
    sizes = [
        sum(size + HEADER.size for ordinal, size in small.items() if groups[ordinal] == group)
        for group in (WRITTEN, ONLY_READ)
    ]
    return GROUPS.pack(*sizes, len(groups)) + bytes(groups)


def ranges(image: bytes, heap: int, places: Iterable[Place]) -> bytes:
    """Return a page of the ranges of pages that are written to: first page and number of each."""
    starts = {ordinal: start for start, _, ordinal in _pieces(image, heap)} | {STATE: 0}
    written = ((ordinal, offset) for ordinal, offset in places if offset != READ)
    pages = {(starts[ordinal] + offset) // PAGE for ordinal, offset in written if ordinal in starts}
    firsts = sorted(page for page in pages if page - 1 not in pages)
    found = []
    for first in firsts:
        count = 1
        while first + count in pages:
            count += 1
        found.append((first, count))
    longest = sorted(found, key=lambda each: each[1])[-MOST_RANGES:]
    return b"".join(HEADER.pack(*each) for each in sorted(longest)).ljust(PAGE, b"\0")
