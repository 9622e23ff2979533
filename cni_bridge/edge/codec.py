"""JSON text to values and back, as Go's encoding/json reads and the reference plugins print it.

Knows no CNI field: the caller passes the table of keys to fold.
"""

from cni_bridge import errors
from cni_bridge.lean import bundle

try:
    import _json as cjson
except ImportError:  # an interpreter without the C half of json still works, only slower
    from json.decoder import JSONDecoder
    from json.encoder import encode_basestring_ascii

    class cjson:  # type: ignore[no-redef]  # noqa: N801 - a module
        """The same names."""

        encode_basestring_ascii = staticmethod(encode_basestring_ascii)

        @staticmethod
        def make_scanner(rules):  # type: ignore[no-untyped-def]  # called as the C one
            return JSONDecoder(
                object_pairs_hook=rules.object_pairs_hook,
                parse_float=rules.parse_float,
                parse_constant=rules.parse_constant,
            ).scan_once  # type: ignore[attr-defined]  # there since Python 2.6, not in the stubs


TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Json = Any
    Object = dict[str, Json]
    Fold = dict[str, tuple[str, "Fold | None"]]

DEPTH_LIMIT = 100  # far above every config, far below every recursion limit on the way
BLANKS = " \t\r\n"
CONTAINERS = (dict, list)
EXCERPT = 30  # characters shown on either side of a flaw


def decode(raw: bytes) -> "Object":
    """Return the JSON object in `raw`; invalid UTF-8 and lone surrogates are replaced, as in Go.

    Raises UndecodableContent with line and column.
    """
    text = raw.decode(errors="replace")
    try:
        value, end = _scan(text, len(text) - len(text.lstrip(BLANKS)))
    # The C scanner imports json.decoder for its own error, which fails here: SystemError, and
    # ImportError from Python 3.12 on.
    except (StopIteration, ValueError, RecursionError, SystemError, ImportError):
        raise _refusal(text) from None
    if text[end:].strip(BLANKS) or _is_deeper(value, DEPTH_LIMIT):
        raise _refusal(text)
    if type(value) is not dict:
        raise errors.UndecodableContent(
            f"expected a JSON object, found {text.strip(BLANKS)[:EXCERPT]}"
        )
    return _without_surrogates(value) if "\\u" in text else value


def any_value(text: str) -> "Json":
    """Return the JSON value in `text`, an object or not. Raises ValueError, without a reason."""
    value, end = value_at(text, len(text) - len(text.lstrip(BLANKS)))
    if text[end:].strip(BLANKS):
        raise ValueError
    return value


def value_at(text: str, begin: int) -> "tuple[Json, int]":
    """Return the JSON value that begins there, and where it ends. Raises ValueError."""
    try:
        value, end = _scan(text, begin)
    except (StopIteration, RecursionError, SystemError, ImportError):
        raise ValueError from None
    if _is_deeper(value, DEPTH_LIMIT):
        raise ValueError
    return (_without_surrogates(value) if "\\u" in text else value), end


def fold(data: "Object", table: "Fold", path: str = "") -> "Object":
    """Return the data with the keys of `table` in its spelling, whatever their case, without nulls.

    Keys that the table does not have stay as they are. Raises InvalidConfig if an object spells one
    key in two ways, as their order would decide which counts.
    """
    folded: Object = {}
    for key, value in data.items():
        name, inner = table.get(key.casefold(), (None, None))
        if name is None:
            folded[key] = value
        elif value is not None:
            if name in folded:
                raise _two_spellings(data, name, path)
            folded[name] = value if inner is None else _fold_inside(value, inner, path + name)
    return folded


def encode(value: object, indent: int = 4) -> str:
    """Return JSON text in ASCII; `indent` 0 puts it on one line without blanks."""
    return _write(value, " " * indent, "\n" if indent else "")


def position(text: str, place: int) -> tuple[int, int]:
    """Return line and column, both counted from 1."""
    return text.count("\n", 0, place) + 1, place - text.rfind("\n", 0, place)


# ---------------------------------------------------------------- reading


def _object(pairs: "list[tuple[str, Json]]") -> "Object":
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError
    return value


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError
    return value


def _constant(name: str) -> "Json":
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


class _Rules:
    """The attributes that the C scanner reads from its context."""

    strict = True
    object_hook = None
    object_pairs_hook = _object
    parse_float = _float
    parse_int = int
    parse_constant = _constant


def _scan(text: str, start: int) -> "tuple[Json, int]":
    """Return the value that begins there, and where it ends."""
    scan: Callable[[str, int], tuple[Json, int]] = cjson.make_scanner(_Rules)  # type: ignore[arg-type]  # a class serves as well
    return scan(text, start)


def _is_deeper(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [each for each in level if type(each) in CONTAINERS]
        if not level:
            return False
        level = [
            inner
            for each in level
            for inner in (each.values() if type(each) is dict else each)  # type: ignore[attr-defined]  # a list
        ]
    return True


def _without_surrogates(value: "Json") -> "Json":
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(value[key]) for key in value}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, str):
        return "".join("\ufffd" if 0xD800 <= ord(char) <= 0xDFFF else char for char in value)
    return value


def _fold_inside(value: "Json", table: "Fold", path: str) -> "Json":
    if isinstance(value, dict):
        return fold(value, table, f"{path}.")
    if isinstance(value, list):
        simple = {name for name, inner in table.values() if inner is None}
        return [
            item.copy()
            # Ports, which can be thousands: spelled so already, and without nulls.
            if type(item) is dict and item.keys() <= simple and None not in item.values()
            else _fold_inside(item, table, f"{path}[{i}]")
            for i, item in enumerate(value)
        ]
    return value


# ---------------------------------------------------------------- writing


def _write(value: "Json", indent: str, newline: str) -> str:
    """Return JSON text; `newline` starts a line with the indentation of the value's last line."""
    if isinstance(value, str):
        return cjson.encode_basestring_ascii(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    inner = newline + indent
    if isinstance(value, dict):
        colon = ": " if indent else ":"
        return _enclose(
            "{}",
            newline,
            inner,
            [
                cjson.encode_basestring_ascii(key) + colon + _write(item, indent, inner)
                for key, item in value.items()
            ],
        )
    if isinstance(value, list | tuple):
        return _enclose("[]", newline, inner, [_write(item, indent, inner) for item in value])
    return repr(value)  # a number


def _enclose(brackets: str, newline: str, inner: str, items: list[str]) -> str:
    if not items:
        return brackets
    return brackets[0] + inner + f",{inner}".join(items) + newline + brackets[1]


# ---------------------------------------------------------------- what is wrong


def _two_spellings(data: "Object", name: str, path: str) -> errors.InvalidConfig:
    spellings = [encode(key) for key in data if key.casefold() == name.casefold()]
    return errors.InvalidConfig(
        f"{path}{name}: spelled in more than one way: {', '.join(spellings)}",
        "keys match in any case: keep one of these",
    )


def _refusal(text: str) -> errors.UndecodableContent:
    bundle.open_library()
    from cni_bridge import json_flaws

    first, *others = json_flaws.flaws(text)
    lines = [first.hint] if first.hint else []
    lines += [f"{_place(text, each.place)}: {each.reason}" for each in others]
    if first.place or others:
        lines.append(_excerpt(text, first.place))
    return errors.UndecodableContent(
        f"cannot decode the JSON: {_place(text, first.place)}: {first.reason}", "\n".join(lines)
    )


def _place(text: str, place: int) -> str:
    line, column = position(text, place)
    return f"line {line}, column {column}"


def _excerpt(text: str, place: int) -> str:
    around = text[max(0, place - EXCERPT) : place], text[place : place + EXCERPT]
    before, after = (" ".join(part.split()) for part in around)
    return f"after `{before}` comes `{after}`"
