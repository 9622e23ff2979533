"""`schemas/conflist.schema.json`, for editors: it takes our examples, knows every key, and finds mistakes."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "schemas"
OF_RUNTIMES = {
    *("runtimeConfig", "prevResult", "cni.dev/valid-attachments", "cni.dev/attachments"),
}


def read(name: str) -> dict[str, Any]:
    """Return a schema."""
    loaded: dict[str, Any] = json.loads((SCHEMAS / name).read_text())
    return loaded


def retrieve(uri: str) -> Resource[Any]:
    """Return a file beside the schema, as editors find it."""
    return Resource.from_contents(read(Path(uri).name))


def mistakes(conflist: dict[str, Any]) -> list[str]:
    """Return what an editor marks, as paths."""
    schema = read("conflist.schema.json")
    registry: Registry[Any] = Registry(retrieve=retrieve)  # type: ignore[call-arg]  # attrs' alias
    found = Draft7Validator(schema, registry=registry).iter_errors(conflist)
    return sorted(each.json_path for each in found)


def example() -> dict[str, Any]:
    """Return the first of our examples."""
    loaded: dict[str, Any] = json.loads((ROOT / "conf/10-bridge.conflist").read_text())
    return loaded


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(read("conflist.schema.json"))


@pytest.mark.parametrize(
    "file",
    sorted(ROOT.glob("conf/**/*.conflist")),
    ids=lambda file: f"{file.parent.name}-{file.stem}",
)
def test_it_takes_our_examples(file: Path) -> None:
    conflist = json.loads(file.read_text())
    assert mistakes({"$schema": "schemas/conflist.schema.json", **conflist}) == []


def test_it_knows_every_key_that_a_plugin_entry_or_a_list_can_have() -> None:
    schema = read("conflist.schema.json")
    of_list = schema["properties"].keys() - {"plugins"}
    of_entry = schema["properties"]["plugins"]["items"]["then"]["properties"].keys()
    assert of_list | of_entry == read("network.schema.json")["properties"].keys() - OF_RUNTIMES
    assert not of_list & of_entry


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"mtu": "1500"}, "$.plugins[0].mtu"),
        ({"ipam": {"type": "cni-bridge", "ranges": [{}]}}, "$.plugins[0].ipam.ranges[0]"),
        ({"vlanTrunk": [{"id": 5000}]}, "$.plugins[0].vlanTrunk[0].id"),
    ],
)
def test_it_marks_what_is_wrong(changes: dict[str, Any], path: str) -> None:
    conflist = example()
    conflist["plugins"][0].update(changes)
    assert mistakes(conflist) == [path]


def test_entries_of_other_plugins_are_theirs() -> None:
    conflist = example()
    conflist["plugins"].append({"type": "tuning", "mtu": "1500"})
    assert mistakes(conflist) == []
