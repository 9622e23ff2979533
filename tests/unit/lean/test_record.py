"""Records: immutable values with names, as objects and as tuples."""

import pytest

from cni_bridge.lean.record import record, replace, tuple_record, tuple_records


@record
class Point:
    """A record."""

    x: int
    y: int = 0


@tuple_record
class Pair:
    """A record that is a tuple."""

    x: int
    y: int = 0


@pytest.mark.parametrize("kind", [Point, Pair])
def test_a_record_is_a_value_with_names(kind: type[Point] | type[Pair]) -> None:
    one, same, other = kind(x=1), kind(x=1, y=0), kind(x=1, y=2)
    assert (one.x, one.y) == (1, 0)
    assert one == same != other
    assert {one, same, other} == {one, other}
    assert repr(other) == f"{kind.__name__}(x=1, y=2)"
    assert vars(other) == {"x": 1, "y": 2}
    assert replace(other, x=3) == kind(x=3, y=2)
    assert one.__doc__ == kind.__doc__ != ""


@pytest.mark.parametrize("kind", [Point, Pair])
def test_a_record_is_read_only_and_knows_its_fields(kind: type[Point] | type[Pair]) -> None:
    one = kind(x=1)
    for name in ("x", "z"):
        with pytest.raises(AttributeError):
            setattr(one, name, 2)
    for wrong in ({}, {"x": 1, "z": 2}):
        with pytest.raises(TypeError):
            kind(**wrong)


def test_tuple_records_are_made_of_rows() -> None:
    made = tuple_records(Pair, iter([(1, 2), (3, 4)]))
    assert made == [Pair(x=1, y=2), Pair(x=3, y=4)]
    assert [type(each) for each in made] == [Pair, Pair]
