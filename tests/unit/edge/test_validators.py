"""The compiled schema: up to date, free of imports, and of one mind with jsonschema."""

import ast
import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft7Validator

from cni_bridge.edge import codec, explain, validators
from cni_bridge.errors import CniError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "tests" / "data" / "config"
GOOD = sorted((CONFIGS / "good").iterdir())
BAD = json.loads((CONFIGS / "bad.json").read_text())
SCHEMA = explain.schema()
INNER = ("ipam", "dns", "runtimeConfig")  # optional objects with defaults of their own


def folded(path: Path) -> "codec.Object":
    return codec.fold(codec.decode(path.read_bytes()), validators.FOLD)


def parse(raw: bytes) -> "codec.Object":
    data = codec.fold(codec.decode(raw), validators.FOLD)
    try:
        return validators.validate(data)
    except validators.Refused:
        raise explain.explain(data) from None


def accepts(data: "codec.Object") -> bool:
    try:
        validators.validate(copy.deepcopy(data))
    except validators.Refused:
        return False
    return True


def subschemas(schema: "codec.Object") -> "Iterator[codec.Object]":
    """Every schema of a property, of an item or of a definition."""
    inner = [*schema.get("properties", {}).values(), *schema.get("definitions", {}).values()]
    inner += [schema[key] for key in ("items", "additionalProperties") if key in schema]
    for each in inner:
        yield each
        yield from subschemas(each)


# ---------------------------------------------------------------- the schema itself


@pytest.mark.parametrize("name", ["network", "result"])
def test_the_schema_is_a_schema(name: str) -> None:
    Draft7Validator.check_schema(json.loads((ROOT / f"schemas/{name}.schema.json").read_text()))


def test_every_property_tells_an_editor_what_it_is() -> None:
    for schema in subschemas(SCHEMA):
        assert schema.keys() >= {"title", "description"} or schema.keys() == {"$ref"}


def test_every_default_is_a_value_that_the_schema_accepts() -> None:
    """Or jsonschema would object to what the compiled validator filled in before it refused."""
    for schema in subschemas(SCHEMA):
        if "default" in schema:
            whole = {**schema, "definitions": SCHEMA["definitions"]}
            Draft4Validator(whole).validate(schema["default"])


ADDRESS = {"address": "10.1.2.3/24", "gateway": "10.1.2.1", "interface": 0}
INTERFACE = {"name": "eth0", "mac": "c2:11:22:33:44:55", "sandbox": "/run/netns/x"}
RESULTS: list[tuple[tuple[str, ...], dict[str, object]]] = [
    (("0.1.0", "0.2.0"), {"ip4": {"ip": "10.1.2.3/24", "routes": [{"dst": "0.0.0.0/0"}]}}),
    (("0.3.0", "0.3.1", "0.4.0"), {"ips": [{**ADDRESS, "version": "4"}], "dns": {}}),
    (("1.0.0", "1.1.0"), {"interfaces": [INTERFACE], "ips": [ADDRESS]}),
    (("1.1.0",), {"interfaces": [{**INTERFACE, "mtu": 1500}]}),
]


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
@pytest.mark.parametrize(("versions", "result"), RESULTS)
def test_a_result_has_the_shape_of_its_version_alone(
    version: str, versions: tuple[str, ...], result: dict[str, object]
) -> None:
    schema = json.loads((ROOT / "schemas" / "result.schema.json").read_text())
    is_valid = Draft7Validator(schema).is_valid({"cniVersion": version, **result})
    assert is_valid is (version in versions)


# ---------------------------------------------------------------- the generated module


def test_the_module_is_what_the_schema_compiles_to() -> None:
    command = [sys.executable, "build/generate_validators.py", "--check"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_the_module_imports_nothing_at_run_time() -> None:
    body = ast.parse(Path(validators.__file__).read_text()).body
    imports = [node for part in body for node in ast.walk(part) if "Import" in type(node).__name__]
    guarded = [part.body[0] for part in body if isinstance(part, ast.If)]
    assert imports == guarded


def test_every_default_is_filled_in() -> None:
    whole = parse(b'{"name": "n", "ipam": {}, "dns": {}, "args": {"cni": {}}, "runtimeConfig": {}}')
    properties = SCHEMA["properties"]
    for data, schema in [(whole, SCHEMA), *((whole[key], properties[key]) for key in INNER)]:
        for key, inner in schema["properties"].items():
            assert key in data or "default" not in inner
    assert whole["bridge"] == "cni0"
    assert whole["args"]["cni"] == {"mac": "", "ips": [], "aliases": [], "labels": []}


def test_an_optional_object_that_is_absent_stays_absent() -> None:
    assert not parse(b'{"name": "n"}').keys() & {*INNER, "args", "prevResult"}


def test_a_default_list_is_not_shared_between_configs() -> None:
    parse(b'{"name": "n"}')["vlanTrunk"].append("mine")
    assert parse(b'{"name": "n"}')["vlanTrunk"] == []


# ---------------------------------------------------------------- the verdicts


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_config_is_accepted_by_both(path: Path) -> None:
    assert list(explain.problems(folded(path))) == []
    parse(path.read_bytes())


@pytest.mark.parametrize("name", BAD)
def test_a_bad_config_is_refused_with_its_reason(name: str) -> None:
    with pytest.raises(CniError) as caught:
        parse((CONFIGS / "bad" / f"{name}.json").read_bytes())
    assert (caught.value.code, caught.value.msg) == (BAD[name]["code"], BAD[name]["msg"])


def test_every_bad_config_has_its_reason_listed() -> None:
    assert {path.stem for path in (CONFIGS / "bad").iterdir()} == BAD.keys()


JUNK: list[object] = [
    *[
        None,
        True,
        False,
        0,
        1,
        -1,
        4094,
        4095,
        65535,
        65536,
        1 << 32,
        1 << 64,
        1500.0,
        0.5,
        "",
        "x",
    ],
    *["iptables", "sixteen-letters-", [], {}, [[]], [{}], [None], ["x"], [[{}]], {"x": True}],
]


def places(value: object) -> "Iterator[tuple[codec.Json, codec.Json]]":
    """Every (container, key) inside."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


@settings(database=None, deadline=None)
@given(st.data())
def test_both_validators_give_one_verdict_on_mutations_of_good_configs(data: st.DataObject) -> None:
    config = folded(data.draw(st.sampled_from(GOOD)))
    for _ in range(data.draw(st.integers(1, 3))):
        spots = list(places(config))
        if not spots:
            break
        container, key = data.draw(st.sampled_from(spots))
        if data.draw(st.booleans()):
            container[key] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
        else:
            del container[key]
    config = codec.fold(config, validators.FOLD)
    assert accepts(config) is (list(explain.problems(config)) == [])
