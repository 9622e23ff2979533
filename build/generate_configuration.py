"""`make docs`: docs/configuration.md, every key that a config may have, from its schema.

Keys are described in schemas/network.schema.json only.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "schemas/network.schema.json"
TARGET = ROOT / "docs/configuration.md"
# What runtimes pass between their calls; not for authors of configs.
RUNTIMES_OWN = ("prevResult", "cni.dev/valid-attachments", "cni.dev/attachments")
HEAD = """\
# Configuration

A network is a file in `/etc/cni/net.d`: a list of plugins with a name. `cni-bridge init` writes one,
[conf/](../conf/README.md) has examples, and `cni-bridge validate FILE` checks it. Keys match in any case, `null` means absent, and
unknown keys are ignored.

```json
{
  "cniVersion": "1.0.0",
  "name": "web",
  "plugins": [
    {
      "type": "cni-bridge",
      "bridge": "web0",
      "isDefaultGateway": true,
      "ipMasq": true,
      "capabilities": { "portMappings": true },
      "ipam": { "type": "cni-bridge", "ranges": [[{ "subnet": "10.88.0.0/24" }]] }
    }
  ]
}
```

More about single subjects: [firewall and published ports](firewall.md), [names](names.md), [sticky addresses](sticky.md), [sysctls and bandwidth](tuning.md), [VLANs](vlan.md),
[wires](wire.md), [many hosts](cluster.md). `make docs` generates this page from
[network.schema.json](../schemas/network.schema.json); editors check a whole file with
[conflist.schema.json](../schemas/conflist.schema.json) ([how](getting-started.md#4-write-a-network)).

## The keys that matter first

| key | default | |
|---|---|---|
"""
FIRST = (
    "bridge",
    "isDefaultGateway",
    "ipMasq",
    "ipam.type",
    "ipam.ranges",
    "capabilities",
    "isolation",
    "closed",
    "internal",
    "mtu",
)

Schema = dict[str, Any]


def page(schema: Schema) -> str:
    """Return the whole page."""
    schema["properties"] = {
        key: value for key, value in schema["properties"].items() if key not in RUNTIMES_OWN
    }
    sections = _sections("", schema, schema["definitions"])
    first = (_first(key, schema) for key in FIRST)
    return HEAD + "".join(first) + "".join(f"\n{section}" for section in sections)


def _first(path: str, schema: Schema) -> str:
    value = schema
    for key in path.split("."):
        value = _resolved(value["properties"][key], schema["definitions"])
    return f"| `{path}` | {_default(value)} | {_text(value)} |\n"


def _sections(path: str, described: Schema, definitions: Schema) -> Iterator[str]:
    """Yield a table of an object's keys, then one for each key that is an object or a list of them."""
    required = described.get("required", ())
    rows, deeper = [], []
    for key, raw in described["properties"].items():
        value = _resolved(raw, definitions)
        inner, depth = value, 0
        while "items" in inner:
            inner, depth = _resolved(inner["items"], definitions), depth + 1
        if "properties" in inner:
            deeper.append((f"{path}.{key}".lstrip(".") + "[]" * depth, inner))
        default = "required" if key in required else _default(value)
        rows.append(f"| `{key}` | {_kind(value, inner, depth)} | {default} | {_text(value)} |\n")
    title = f"`{path}`" if path else "All keys of the plugin"
    yield f"## {title}\n\n| key | type | default | |\n|---|---|---|---|\n{''.join(rows)}"
    for name, inner in deeper:
        yield from _sections(name, inner, definitions)


def _resolved(value: Schema, definitions: Schema) -> Schema:
    """Return what a reference stands for; keys beside the reference have precedence."""
    return (
        definitions[value.get("$ref", "").rpartition("/")[2]] | value if "$ref" in value else value
    )


def _kind(value: Schema, inner: Schema, depth: int) -> str:
    if "enum" in value:
        return ", ".join(f"`{json.dumps(each)}`" for each in value["enum"])
    kinds = inner.get("type", "any")
    named = (
        kinds if isinstance(kinds, str) else " or ".join(kind for kind in kinds if kind != "null")
    )
    low, high = inner.get("minimum"), inner.get("maximum")
    limits = f", {low} to {high}" if high is not None and high < 2**31 else ""
    return "list of " * depth + named + limits


def _default(value: Schema) -> str:
    return f"`{json.dumps(value['default'])}`" if value.get("default") not in (None, {}, []) else ""


def _text(value: Schema) -> str:
    return str(value["description"]).replace("|", "\\|")


def main() -> int:
    """Write the page; with --check, only report whether it is up to date."""
    text = page(json.loads(SCHEMA.read_text()))
    if "--check" not in sys.argv:
        TARGET.write_text(text)
    elif text != TARGET.read_text():
        print(f"{TARGET.relative_to(ROOT)} is stale: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
