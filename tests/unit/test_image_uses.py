"""What runs use of an image is put together in the next one."""

import json
import sys
from pathlib import Path
from struct import pack

from tests.budget import ROOT

sys.path.append(str(ROOT / "build"))
import uses

PAGE = uses.PAGE
STATE, HEAP = uses.STATE, 2 * PAGE


def image(*pieces: tuple[int, int]) -> bytes:
    """Return variables of two pages, and pieces of memory of these sizes and ordinals."""
    heap = b"".join(pack("II", size, ordinal) + bytes(size) for size, ordinal in pieces)
    return bytes(HEAP + 8) + heap + bytes(8)


SMALL, READ, LARGE = (24, 5), (40, 7), (8184, 9)
PLACES = [(STATE, 4096), (5, 8), (7, uses.READ), (9, 8000)]


def test_a_place_is_found_by_its_piece_of_memory() -> None:
    first = HEAP + 8 + 8  # behind its header
    second, third = first + 24 + 8, first + 24 + 8 + 40 + 8
    read = {0, first, second + 32, third}
    written = {4096, first + 8, third + 8000}
    assert sorted(uses._places(image(SMALL, READ, LARGE), HEAP, read, written)) == PLACES


def test_small_pieces_are_put_together_and_large_ones_stay() -> None:
    found = uses.order(image(SMALL, READ, LARGE), HEAP, PLACES)
    assert found == pack("III", 24 + 8, 40 + 8, 8) + bytes([0, 0, 0, 0, 0, 1, 0, 2])


def test_the_ranges_are_those_of_the_next_image() -> None:
    moved = image((4024, 1), READ, LARGE, SMALL)  # in other places than before
    ranges = uses.ranges(moved, HEAP, PLACES)
    assert len(ranges) == PAGE
    # The variables' second page; the large piece's second one, and the small piece behind it.
    assert ranges.rstrip(b"\0") == (pack("IIII", 1, 1, 4, 2)).rstrip(b"\0")


def test_without_uses_nothing_is_put_together() -> None:
    assert uses.order(image(SMALL), HEAP, []) == pack("III", 0, 0, 6) + bytes(6)
    assert uses.ranges(image(SMALL), HEAP, []) == bytes(PAGE)


def test_what_was_found_for_an_image_is_kept(tmp_path: Path) -> None:
    """Tracing takes half a minute."""
    program = tmp_path / "program"

    known = {"image": uses.digest_of(image(SMALL)), "places": [[5, 8]]}
    (tmp_path / "uses.json").write_text(json.dumps(known))
    assert uses.find(program, image(SMALL), 0, HEAP) == [(5, 8)]
