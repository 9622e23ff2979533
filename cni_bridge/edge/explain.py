"""Why the schema refuses a config: every problem with its path, what was expected and found.

Loaded only by error paths and commands for people.
"""

from cni_bridge.edge.codec import encode
from cni_bridge.errors import Bug, CniError, InvalidConfig
from cni_bridge.lean import bundle
from cni_bridge.lean.record import record

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError

    from cni_bridge.edge.codec import Json, Object

    Path = tuple[str | int, ...]

FOUND_LIMIT = 60  # characters of a value that are shown

LIMITS = (
    ("minimum", "maximum", ", {}"),
    ("minLength", "maxLength", " of {} characters"),
    ("minItems", "maxItems", " of {} items"),
)
TYPE_NAMES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "object": "an object",
    "string": "a string",
}


@record
class Problem:
    """One violation of the schema; `path` is like `ipam.ranges[0][1].subnet`."""

    path: str
    found: str
    expected: str


def explain(data: "Object") -> CniError:
    """Return the error for a config that the compiled validator refused."""
    lines = [line(problem) for problem in problems(data)]
    if not lines:
        return Bug(
            "the compiled validator refuses what the schema accepts",
            "cni_bridge/edge/validators.py does not match schemas/network.schema.json: run make generate",
        )
    return InvalidConfig(lines[0], "\n".join(lines) if len(lines) > 1 else "")


def line(problem: Problem) -> str:
    """Return the problem as text: `ipam.subnet: expected a string, found 5`."""
    return f"{problem.path}: expected {problem.expected}, found {problem.found}"


def problems(data: "Object") -> "Iterator[Problem]":
    """Yield every violation of the schema, in the order of the paths."""
    bundle.open_library()
    from jsonschema import Draft4Validator

    # draft-04 reads the keywords in use as draft-07 does, except that its `integer` excludes
    # 1500.0, as Go's encoding/json and the compiled validator do.
    errors = Draft4Validator(schema()).iter_errors(data)
    seen = set()
    for error in sorted(errors, key=lambda error: error.json_path):
        for problem in _problems_of(error):
            if problem not in seen:  # jsonschema reports each missing key as an error of its own
                seen.add(problem)
                yield problem


def schema() -> "Object":
    """Return the schema of a network config."""
    bundle.open_library()
    import json

    loaded: Object = json.loads(bundle.data("schemas/network.schema.json"))
    return loaded


def path_text(path: "Path") -> str:
    """Return a path as text: `ipam.ranges[0][1].subnet`."""
    steps = (
        f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{encode(step)}]"
        for step in path
    )
    return "".join(steps).removeprefix(".")


def _problems_of(error: "ValidationError") -> "Iterator[Problem]":
    path = tuple(error.absolute_path)
    rule: Json = error.validator_value
    instance: Json = error.instance
    if error.validator == "required":
        missing = dict.fromkeys(rule, "a value")
    elif error.validator == "dependencies":
        given = rule.keys() & instance.keys()
        missing = {
            companion: f"a value, as {key} has one" for key in given for companion in rule[key]
        }
    else:
        found, expected = _found(instance), _expected(error.schema)
        yield Problem(path=path_text(path), found=found, expected=expected)
        return
    for key in sorted(missing.keys() - instance.keys()):
        yield Problem(path=path_text((*path, key)), found="nothing", expected=missing[key])


def _expected(schema: "Json") -> str:
    if "enum" in schema:
        return f"one of {', '.join(encode(value) for value in schema['enum'])}"
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    wanted = " or ".join(TYPE_NAMES[name] for name in types)
    for low, high, form in LIMITS:
        if high in schema:
            wanted += form.format(f"{schema[low]} to {schema[high]}")
        elif low in schema:
            wanted += form.format(f"{schema[low]} or more")
    return wanted


def _found(value: object) -> str:
    text = encode(value, indent=0)
    return text if len(text) <= FOUND_LIMIT else f"{text[:FOUND_LIMIT]}..."
