"""The host's picture in every notation: whoever is there is in it, and nothing covers another."""

import re
from itertools import combinations, pairwise

import pytest

from cni_bridge.cli.graph import command as graph
from cni_bridge.cli.graph import layout, mermaid, picture, svg
from cni_bridge.cli.graph.sizes import Rectangle
from cni_bridge.lean.record import replace
from tests.unit.cli.samples import crowd, interface, space, two_networks

PICTURE = picture.draw(two_networks())
MANY = 20  # containers on each of two networks
CROWD = picture.draw(crowd(MANY))
CABLES = replace(
    CROWD, boxes=(*CROWD.boxes[:MANY], *(box for box in PICTURE.boxes if not box.chips[0].bar))
)
FACTS = (
    *("web0", "db0", "10.1.0.1/24", "10.2.0.1/24", "ens3", "192.0.2.7/24", "tap9", "foreign"),
    *("8080/tcp to 80", "192.0.2.7:53/udp to 53", "masquerade", "strictly isolated"),
    *(
        "front",
        "store",
        "mailer",
        "missing",
        "10.1.0.2/24",
        "10.9.0.5/24",
        "one",
        "two",
        "fresh",
        "10.0.1.1/24",
    ),
)


@pytest.mark.parametrize("notation", graph.NOTATIONS)
def test_every_notation_has_every_fact(notation: str) -> None:
    drawn = graph.rendered(notation, PICTURE)
    assert [fact for fact in FACTS if fact not in drawn] == []


@pytest.mark.parametrize("notation", graph.NOTATIONS)
def test_masquerade_is_told_without_a_way_out(notation: str) -> None:
    inside = replace(PICTURE, uplinks=())
    assert "masquerades" in graph.rendered(notation, inside)


@pytest.mark.parametrize("notation", graph.NOTATIONS)
def test_networks_are_named_also_those_without_a_bridge(notation: str) -> None:
    drawn = graph.rendered(notation, picture.draw(two_networks(), {"idle0": ("idle",)}))
    for name in ("web", "db", "idle"):
        assert re.search(rf"{name}  bridge {name}0|{name} \(bridge {name}0\)", drawn)


@pytest.mark.parametrize("notation", graph.NOTATIONS)
def test_what_is_gone_is_not_drawn(notation: str) -> None:
    drawn = graph.rendered(notation, PICTURE)
    assert ("gone" in drawn, "10.1.0.4" in drawn) == (False, False)


def test_ports_have_a_column_of_their_own() -> None:
    drawn = graph.rendered("html", PICTURE)
    ports = "8080/tcp to 80, 192.0.2.7:53/udp to 53"
    assert f">store<td>eth0<td>10.2.0.2/24<td>{ports}<td>veth" in drawn


def test_no_wire_passes_behind_a_bridge_of_another_network() -> None:
    places = layout.arrange(PICTURE)
    for box in PICTURE.boxes:
        for chip in box.chips:
            x = places.grid.drops[box.key, chip.name].x if chip.bar else 0
            others = {name: bar for name, bar in places.bars.items() if name != chip.bar}
            assert [name for name, bar in others.items() if bar.x <= x <= bar.right] == []


@pytest.mark.parametrize("notation", graph.NOTATIONS)
def test_nothing_can_be_drawn_too(notation: str) -> None:
    empty = picture.Picture(boxes=(), bars=(), uplinks=())
    assert graph.rendered(notation, empty)


def test_a_cable_between_two_namespaces_is_drawn_once() -> None:
    pairs = [(box.key, other.key) for box, _, other, _ in picture.direct_wires(PICTURE)]
    assert pairs == [("one", "two")]


def test_a_namespace_shows_lo_only_where_there_is_nothing_else() -> None:
    chips = {box.key: [chip.name for chip in box.chips] for box in PICTURE.boxes}
    assert chips["fresh"] == ["lo"]
    assert chips["one"] == ["eth0"]


def overlap(one: Rectangle, other: Rectangle) -> bool:
    """Whether two places share a point."""
    return (
        one.x < other.right
        and other.x < one.right
        and one.y < other.bottom
        and other.y < one.bottom
    )


@pytest.mark.parametrize(
    "drawn", [PICTURE, CROWD, CABLES], ids=["two networks", "a crowd", "cables"]
)
def test_no_place_overlaps_another_and_all_are_on_the_page(drawn: picture.Picture) -> None:
    places = layout.arrange(drawn)
    for group in (places.grid.boxes, places.grid.chips, places.bars, places.uplinks):
        assert not any(overlap(*pair) for pair in combinations(group.values(), 2))
        for place in group.values():
            assert place.x >= 0
            assert place.y >= 0
            assert place.right <= places.width
            assert place.bottom <= places.height
    assert all(drop.x < places.width for drop in places.grid.drops.values())
    assert all(cable.depth < places.height for cable in places.cables)


def test_many_containers_stand_in_rows_and_their_wires_pass_between_them() -> None:
    places = layout.arrange(CROWD)
    assert len(places.grid.boxes) == 2 * MANY
    assert places.width < 2000
    assert places.width / places.height < 4
    ends = sorted(drop.x for drop in places.grid.drops.values())
    assert all(later - earlier > 1 for earlier, later in pairwise(ends))
    for (key, name), drop in places.grid.drops.items():
        (bar,) = (chip.bar for box in CROWD.boxes if box.key == key for chip in box.chips)
        assert places.bars[bar].x <= drop.x <= places.bars[bar].right
        way = places.grid.chips[key, name].bottom, places.grid.bottom
        if drop.turn:
            for other, box in places.grid.boxes.items():
                is_beside = not box.x < drop.x < box.right
                assert is_beside or box.bottom <= way[0] or other == key
    assert not overlap(*places.bars.values())


def test_a_bridge_spans_the_containers_that_are_on_it() -> None:
    places = layout.arrange(PICTURE)
    chip, bar = places.grid.chips["front", "eth0"], places.bars["web0"]
    assert bar.x <= chip.middle <= bar.right


def test_the_svg_needs_nothing_else_and_has_both_colour_schemes() -> None:
    drawn = svg.render(PICTURE)
    assert re.findall(r"https?://[^\"]*", drawn) == ["http://www.w3.org/2000/svg"]
    assert "prefers-color-scheme:dark" in drawn
    assert "<script" not in drawn


def test_names_are_text_in_every_notation_whatever_letters_they_have() -> None:
    nasty = 'a"<b>&#'
    found = two_networks()
    boxes = picture.draw(
        type(found)(
            spaces=(found.host, space(nasty, interface(nasty))),
            bridges=(),
            attachments=(),
            foreign=(),
        )
    )
    assert "<b>" not in svg.render(boxes)
    assert mermaid.render(boxes).count("#quot;") == 2
