"""Where each value of a JSON text stands."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cni_bridge.cli.validate import json_positions

TEXT = '{\n  "a": {"B": [1, {"c": "x, ]}"}]},\n  "d.e/f": null\n}'
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("a", '{"B": [1, {"c": "x, ]}"}]}'),
        ("a.b", '[1, {"c": "x, ]}"}]'),
        ("A.B[0]", "1"),
        ("a.B[1].c", '"x, ]}"'),
        ('["d.e/f"]', "null"),
    ],
)
def test_a_path_leads_to_the_place_of_its_value_whatever_its_case(path: str, source: str) -> None:
    span = json_positions.scan(TEXT).find(path)[-1].span
    assert TEXT[span.start : span.end] == source


def test_a_path_that_leads_nowhere_ends_at_what_holds_it() -> None:
    root = json_positions.scan(TEXT)
    assert [node.name for node in root.find("a.b[7].c")] == ["", "a", "a.B"]


def test_a_key_has_a_place_of_its_own() -> None:
    key = json_positions.scan(TEXT).find("a.B")[-1].key
    assert key
    assert TEXT[key.start : key.end] == '"B"'


def test_what_was_dropped_is_in_no_value_and_the_rest_keeps_its_name() -> None:
    root = json_positions.scan('{"list": [1, 2, 3]}')
    listed, first = root.find("list[0]")[1:]
    listed.drop(first)
    assert root.value() == {"list": [2, 3]}
    assert root.find("list[0]")[-1].name == "list[1]"


@settings(deadline=None)  # a loaded machine is no failure
@given(st.dictionaries(st.text(), JSON_VALUES), st.sampled_from([None, 1]))
def test_the_tree_has_every_value_of_the_text(value: object, indent: int | None) -> None:
    assert json_positions.scan(json.dumps(value, indent=indent)).value() == value
