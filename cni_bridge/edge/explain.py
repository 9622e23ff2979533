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
BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1"), "true"),
    **dict.fromkeys(("false", "no", "off", "0"), "false"),
}
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
    """One violation of the schema; `path` is like `ipam.ranges[0][1].subnet`.

    `found` is empty for a missing key; `stand_in` is a value that the schema accepts.
    """

    path: str
    found: str
    expected: str
    hint: str = ""
    stand_in: int | None = None


def explain(data: "Object") -> CniError:
    """Return the error for a config that the compiled validator refused."""
    found = list(problems(data))
    if not found:
        return Bug(
            "the compiled validator refuses what the schema accepts",
            "cni_bridge/edge/validators.py does not match schemas/network.schema.json: run make generate",
        )
    first = found[0]
    if len(found) == 1:
        return InvalidConfig(line(first), first.hint)
    lines = (line(each) + (f" ({each.hint})" if each.hint else "") for each in found)
    return InvalidConfig(line(first), "\n".join(lines))


def line(problem: Problem) -> str:
    """Return the problem as text: `ipam.subnet: expected a string, found 5`."""
    if not problem.found:
        return f"{problem.path}: {problem.expected}, but missing"
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
        missing = dict.fromkeys(rule, "required")
    elif error.validator == "dependencies":
        given = rule.keys() & instance.keys()
        missing = {
            companion: f"required, as {key} is set" for key in given for companion in rule[key]
        }
    else:
        rules: Json = error.schema
        yield Problem(
            path=path_text(path),
            found=_found(instance),
            expected=_expected(rules),
            hint=_advice(rules, instance, is_item=bool(path) and type(path[-1]) is int),
            stand_in=rules.get("minimum"),
        )
        return
    for key in sorted(missing.keys() - instance.keys()):
        yield Problem(path=path_text((*path, key)), found="", expected=missing[key])


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


def _advice(schema: "Json", value: "Json", *, is_item: bool) -> str:
    """Return how a value of the wrong type was probably meant; empty if that is unclear."""
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    text = encode(value, indent=0)
    if "enum" in schema:
        return _advice_on_choice(schema["enum"], value)
    if "array" in types and isinstance(value, dict):
        is_nested = is_item or schema.get("items", {}).get("type") == "array"
        return "write `[[{...}]]`: a list of lists" if is_nested else "write `[{...}]`: a list"
    if "array" in types and isinstance(value, str):
        return "write `[...]`: a list"
    if "object" in types and isinstance(value, list):
        return "write `{...}`: one object, not a list"
    if "boolean" in types:
        meant = BOOLEANS.get(text.strip('"').casefold())
        return f"write `{meant}` without quotes" if meant else ""
    if "integer" in types and isinstance(value, str) and value.strip().isdecimal():
        return f"write `{int(value)}` without quotes"
    if "integer" in types and isinstance(value, float) and value.is_integer():
        return f"write `{int(value)}`"
    if "null" in types and isinstance(value, bool | int | float):
        return f'write `"{text}"` in quotes'
    return ""


def _advice_on_choice(choices: "list[Json]", value: "Json") -> str:
    if isinstance(value, bool):
        value = "on" if value else "off"
    meant = BOOLEANS.get(str(value).casefold(), "")
    if {"on", "off"} <= set(choices) and meant:
        value = "on" if meant == "true" else "off"
    import difflib

    names = [str(each) for each in choices if each]
    near = difflib.get_close_matches(str(value).casefold(), names, n=1)
    return f'write `"{near[0]}"`' if near else ""


def _found(value: object) -> str:
    text = encode(value, indent=0)
    return text if len(text) <= FOUND_LIMIT else f"{text[:FOUND_LIMIT]}..."
