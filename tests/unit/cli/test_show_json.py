"""What `show --json` prints is what its schema says, and the schema describes no more than that."""

import json
from pathlib import Path

import jsonschema

from cni_bridge.cli import networks, show
from tests.unit.cli.samples import crowd, two_networks

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas/show.schema.json").read_text())


def test_the_schema_is_one_and_of_the_version_that_is_printed() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["version"]["const"] == show.VERSION


def test_what_is_printed_is_as_the_schema_says(tmp_path: Path) -> None:
    plugin = {
        "type": "cni-bridge",
        "bridge": "idle0",
        "ipam": {"type": "cni-bridge", "subnet": "10.7.0.0/24"},
    }
    config = {"cniVersion": "1.0.0", "name": "idle", "plugins": [plugin]}
    (tmp_path / "idle.conflist").write_text(json.dumps(config))
    for found in (two_networks(), crowd(2)):
        document = show.as_json(found, networks.known(found, str(tmp_path)))
        printed = json.loads(json.dumps(document))
        jsonschema.validate(printed, SCHEMA)
        attachment = SCHEMA["$defs"]["attachment"]["properties"]
        assert {*attachment} == {*printed["attachments"][0]}
        assert printed["networks"][-1] == {
            "name": "idle",
            "file": str(tmp_path / "idle.conflist"),
            "type": "bridge",
            "bridge": "idle0",
            "plugins": ["cni-bridge"],
            "subnets": [{"subnet": "10.7.0.0/24", "used": 0, "free": 253}],
            "containers": 0,
            "masquerades": False,
            "remembered": 0,
        }
