"""What runs write to in an image is put together in the next one."""

import json
import sys
from hashlib import sha256
from pathlib import Path
from struct import pack

from tests.budget import ROOT

sys.path.append(str(ROOT / "build"))
import writes

PAGE = writes.PAGE
STATE, HEAP = writes.STATE, 2 * PAGE


def image(*pieces: tuple[int, int]) -> bytes:
    """Return variables of two pages, and pieces of memory of these sizes and ordinals."""
    heap = b"".join(pack("II", size, ordinal) + bytes(size) for size, ordinal in pieces)
    return bytes(HEAP + 8) + heap + bytes(8)


SMALL, LARGE = (24, 5), (8184, 9)
PLACES = [(STATE, 4096), (5, 8), (9, 8000)]


def test_a_place_is_found_by_its_piece_of_memory() -> None:
    first = HEAP + 8 + 8  # behind its header
    offsets = {4096, first + 8, first + 24 + 8 + 8000}
    assert sorted(writes._places(image(SMALL, LARGE), HEAP, offsets)) == PLACES


def test_small_pieces_are_put_together_and_large_ones_stay() -> None:
    found = writes.order(image(SMALL, LARGE), HEAP, PLACES)
    assert found == pack("II", 24 + 8, 1) + bytes([1 << 5])


def test_the_ranges_are_those_of_the_next_image() -> None:
    moved = image((4072, 1), LARGE, SMALL)  # in other places than before
    ranges = writes.ranges(moved, HEAP, PLACES)
    assert len(ranges) == PAGE
    # The variables' second page; the large piece's second one, and the small piece behind it.
    assert ranges.rstrip(b"\0") == (pack("IIII", 1, 1, 4, 2)).rstrip(b"\0")


def test_without_writes_nothing_is_put_together() -> None:
    assert writes.order(image(SMALL), HEAP, []) == pack("II", 0, 1) + b"\0"
    assert writes.ranges(image(SMALL), HEAP, []) == bytes(PAGE)


def test_what_was_found_for_an_image_is_kept(tmp_path: Path) -> None:
    """Tracing takes half a minute."""
    program = tmp_path / "program"

    known = {"image": sha256(image(SMALL)).hexdigest(), "places": [[5, 8]]}
    (tmp_path / "writes.json").write_text(json.dumps(known))
    assert writes.find(program, image(SMALL), 0, HEAP) == [(5, 8)]
