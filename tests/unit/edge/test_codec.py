"""JSON in and out: Go's reading of it (one test a rule), and agreement with the public json."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cni_bridge.edge import codec
from cni_bridge.errors import InvalidConfig, UndecodableContent

ROOT = Path(__file__).parents[3]
TABLE: "codec.Fold" = {
    "mtu": ("mtu", None),
    "hostport": ("hostPort", None),
    "ipam": ("ipam", {"ranges": ("ranges", {"subnet": ("subnet", None)})}),
}

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
jsonish = st.lists(
    st.sampled_from(["{", "}", "[", "]", '"a"', ":", ",", "1", " ", "NaN", "\\", '{"a":', "e999"])
).map("".join)
objects = st.dictionaries(texts, values, max_size=4)


def refusal(raw: bytes) -> UndecodableContent:
    with pytest.raises(UndecodableContent) as caught:
        codec.decode(raw)
    assert caught.value.code == 6
    return caught.value


def output_of(program: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


# ---------------------------------------------------------------- reading


@settings(database=None)
@given(objects, st.sampled_from([None, 1]), st.booleans())
def test_what_json_writes_is_read_as_json_reads_it(
    value: "codec.Object", indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert codec.decode(text.encode()) == json.loads(text) == value


@settings(database=None)
@given(jsonish)
def test_what_json_refuses_is_refused_and_what_it_takes_is_never_read_otherwise(text: str) -> None:
    try:
        value = codec.decode(text.encode())
    except UndecodableContent:
        return
    assert value == json.loads(text)


def test_whole_numbers_and_fractions_stay_apart() -> None:
    value = codec.decode(b'{"a": 1500, "b": 1500.0, "c": 1e3}')
    assert [type(item) for item in value.values()] == [int, float, float]


def test_blanks_around_the_object_do_not_matter() -> None:
    assert codec.decode(b'\r\n\t {"a": 1} \n') == {"a": 1}


def test_invalid_utf8_is_replaced() -> None:
    assert codec.decode(b'{"a": "x\xffy"}') == {"a": "x\ufffdy"}


def test_a_lone_surrogate_is_replaced_wherever_it_is() -> None:
    value = codec.decode(rb'{"\ud800": ["\udfffx", {"a": "\ud83d\ude00"}, 1]}')
    assert value == {"\ufffd": ["\ufffdx", {"a": "\U0001f600"}, 1]}


def test_an_error_names_line_and_column_and_what_is_there() -> None:
    error = refusal(b'{\n  "name": "n",\n  "mtu": 1500 "dns": {}\n}\n')
    assert error.msg == "cannot decode the JSON: line 3, column 14: a `,` is missing here"
    assert error.details == 'after `{ "name": "n", "mtu": 1500` comes `"dns": {} }`'


@pytest.mark.parametrize(("text", "place"), [('{"a": [1, 2,\n ]}', 12), ('{"a": 1 ,}', 9)])
def test_a_comma_at_the_end_is_pointed_at_whatever_the_interpreter(text: str, place: int) -> None:
    closing = "]" if "[" in text else "}"
    told = f"line 1, column {place}: trailing comma before `{closing}`"
    assert refusal(text.encode()).msg == f"cannot decode the JSON: {told}"


def test_the_second_of_two_equal_keys_is_pointed_at() -> None:
    error = refusal(b'{"a": {"x": 1}, "b": {"x": "{",\n"\\u0078": 2}}')
    assert error.msg == 'cannot decode the JSON: line 2, column 1: duplicate key "\\u0078"'


def test_a_hundred_levels_are_read_and_one_more_is_refused() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"

    assert codec.decode(nested(100))
    assert refusal(nested(101)).msg.endswith("nested deeper than 100 levels")


def test_nesting_beyond_the_recursion_limit_is_refused_as_politely() -> None:
    levels = 100_000
    deep = b'{"a":' + b"[" * levels + b"]" * levels + b"}"
    assert refusal(deep).msg.endswith("nested deeper than 100 levels")


def test_malformed_json_is_explained_where_json_can_not_be_imported_yet() -> None:
    """As in the executable: the C scanner then raises SystemError in place of its own error."""
    program = (
        "import sys\n"
        "from cni_bridge.lean import bundle\n"
        "hidden = dict.fromkeys(('json', 'json.decoder'))\n"
        "sys.modules.update(hidden)\n"
        "bundle.open_library = lambda: [sys.modules.pop(name, None) for name in hidden]\n"
        "from cni_bridge import errors\n"
        "from cni_bridge.edge import codec\n"
        "try:\n"
        "    codec.decode(b'{\"name\": }')\n"
        "except errors.UndecodableContent as error:\n"
        "    print(error.msg)\n"
    )
    assert (
        output_of(program)
        == 'cannot decode the JSON: line 1, column 10: the key "name" has no value\n'
    )


def test_it_works_without_the_c_half_of_json() -> None:
    program = (
        "import sys\n"
        "sys.modules['_json'] = None\n"
        "from cni_bridge import errors\n"
        "from cni_bridge.edge import codec\n"
        "print(codec.encode(codec.decode(b' {\"a\": [1, 1.5, null]} '), 0))\n"
        "try:\n"
        '    codec.decode(b\'{"a": 1, "a": 2}\')\n'
        "except errors.UndecodableContent as error:\n"
        "    print(error.msg)\n"
    )
    assert output_of(program).splitlines() == [
        '{"a":[1,1.5,null]}',
        'cannot decode the JSON: line 1, column 10: duplicate key "a"',
    ]


# ---------------------------------------------------------------- folding


def test_keys_match_in_any_case() -> None:
    assert codec.fold({"MTU": 1, "HostPort": 2}, TABLE) == {"mtu": 1, "hostPort": 2}


def test_null_is_absent() -> None:
    assert codec.fold({"mtu": None, "Mtu": 1, "ipam": None}, TABLE) == {"mtu": 1}


def test_keys_are_folded_inside_objects_and_lists_of_lists() -> None:
    data = {"IPAM": {"Ranges": [[{"Subnet": "x", "other": None}]]}}
    assert codec.fold(data, TABLE) == {"ipam": {"ranges": [[{"subnet": "x", "other": None}]]}}


def test_unknown_parts_are_passed_on_untouched() -> None:
    data = {"Other": None, "other": {"MTU": None}, "mtu": [{"IPAM": None}]}
    assert codec.fold(data, TABLE) == data


def test_a_value_of_another_type_than_the_table_expects_is_left_to_the_validator() -> None:
    assert codec.fold({"ipam": {"ranges": [None, 5, "x"]}}, TABLE) == {
        "ipam": {"ranges": [None, 5, "x"]}
    }


def test_two_spellings_of_one_key_are_refused_with_both() -> None:
    data = {"ipam": {"ranges": [[{}, {"subnet": 1, "SUBNET": 2}]]}}
    with pytest.raises(InvalidConfig, match=r"^ipam\.ranges\[0\]\[1\]\.subnet: ") as caught:
        codec.fold(data, TABLE)
    assert caught.value.msg.endswith(': "subnet", "SUBNET"')
    assert caught.value.code == 7


# ---------------------------------------------------------------- writing


@settings(database=None)
@given(values)
def test_values_are_written_as_json_writes_them(value: object) -> None:
    assert codec.encode(value) == json.dumps(value, indent=4)
    assert codec.encode(value, indent=0) == json.dumps(value, separators=(",", ":"))


@settings(database=None)
@given(objects)
def test_what_is_written_is_read_back_the_same(value: "codec.Object") -> None:
    assert codec.decode(codec.encode(value).encode()) == value


def test_tuples_are_written_as_lists() -> None:
    assert codec.encode({"a": (1, ()), "b": ({},)}, indent=0) == '{"a":[1,[]],"b":[{}]}'


def test_a_lone_surrogate_is_written_in_ascii() -> None:
    assert codec.encode("\ud800") == r'"\ud800"'
