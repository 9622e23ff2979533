"""Why a text is not JSON, in words for people: every flaw with its place.

Loaded only when a text has been refused. No value of the text is repeated, as it may be a secret.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice
from math import isinf

from cni_bridge.lean.record import record

LIMIT = 20  # flaws reported of one text
DEEPEST = 100  # the levels that are read
BLANKS = " \t\r\n"
TOKEN = re.compile(
    r"""[ \t\r\n]+
    | (?P<comment> //[^\n]* | \#[^\n]* | /\*(?:[\s\S]*?\*/|[\s\S]*) )
    | (?P<text> "(?:[^"\\\n]|\\.)*" )
    | (?P<open> "(?:[^"\\\n]|\\.)*\\? )
    | (?P<single> '(?:[^'\\\n]|\\.)*' )
    | (?P<curly> [\u201c\u201d\u201e\u00ab][^"\n\u201c\u201d\u201e\u00bb]*[\u201c\u201d\u00bb"]? )
    | (?P<mark> [][{}:,=;] )
    | (?P<word> [^][{}:,=;\s"'\u201c\u201d\u201e\u00ab]+ )
    | (?P<other> [\s\S] )""",
    re.VERBOSE,
)
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
NUMERIC = re.compile(r"[-+]?(0[xXoObB][0-9a-fA-F_]+|[0-9_]+\.?[0-9_]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
ESCAPE = re.compile(r'\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})(.?)')
CONTROL = re.compile(r"[\x00-\x1f]")
YAML = re.compile(r"(---\s*$|-\s+\S|[\w./-]+:(\s|$))")
CONFLICT = re.compile("^<{7} ", re.M)
INI = re.compile(r"(\[[A-Za-z][\w. -]*\]\s*$|[\w.-]+\s*=)")
WRITTEN = {
    **dict.fromkeys(("true", "yes", "on"), "true"),
    **dict.fromkeys(("false", "no", "off"), "false"),
    **dict.fromkeys(("null", "none", "nil", "undefined"), "null"),
}
CLOSES = {"}": "{", "]": "["}
CLOSER = {"{": "}", "[": "]"}
UNWANTED = "remove it"


@record
class Flaw:
    """What is wrong at a place of the text, and what to do."""

    place: int
    reason: str
    hint: str = ""


class _UnreadableError(Exception):
    """The rest of the text cannot be judged."""


class _Level:
    """An object or list that is open: its bracket's place, its keys, and what it expects next."""

    def __init__(self, bracket: str, place: int) -> None:
        self.bracket = bracket
        self.place = place
        self.keys: set[str] = set()
        self.key = ""  # the last one
        self.comma = -1  # the place of the comma after which nothing came yet
        self.expects = "first key" if bracket == "{" else "first value"


def flaws(text: str) -> list[Flaw]:
    """Return the flaws of a text that is not a JSON object, in their order; at least one."""
    found = _of_whole(text)
    if not found:
        found = sorted(islice(_Reader(text).read(), LIMIT), key=lambda flaw: flaw.place)
    return found or [Flaw(place=0, reason="expected one object, not a list", hint="write `{...}`")]


def _of_whole(text: str) -> list[Flaw]:
    """Return the flaw of a text that is something else altogether."""
    begin = text.lstrip(BLANKS + "\ufeff")
    line = begin.partition("\n")[0]
    if not begin:
        return [Flaw(place=len(text), reason="empty input")]
    if conflict := CONFLICT.search(text):
        reason = "a merge conflict is not resolved"
        return [Flaw(place=conflict.start(), reason=reason, hint="keep one of the two versions")]
    zeros = text.count("\0")
    if zeros and zeros * 3 >= len(text) and begin[:4] != "\x7fELF":
        found = "this is UTF-16", "save it as UTF-8"
    elif zeros or text.count("\ufffd") * 10 > len(text) or text[0] in "\x1f\x7f":
        found = "this is a binary file, not JSON", "expected text in UTF-8"
    elif begin.startswith("#!"):
        found = "this is a script, not JSON", ""
    elif begin.startswith("<"):
        found = "this is XML or HTML, not JSON", ""
    elif begin.startswith("```"):
        found = "this is Markdown, not JSON", "keep what is between the lines of ```"
    elif _is_yaml(begin):
        found = "this is YAML, not JSON", 'JSON looks like {"name": "web", "plugins": [...]}'
    elif INI.match(line) and not begin.startswith("{"):
        found = "this is an INI or TOML file, not JSON", ""
    else:
        return []
    return [Flaw(place=len(text) - len(begin), reason=found[0], hint=found[1])]


def _is_yaml(text: str) -> bool:
    """Whether the first line that is not a comment is one of YAML."""
    for line in islice(text.splitlines(), 100):
        if line.strip() and not line.lstrip().startswith("#"):
            return YAML.match(line) is not None
    return False


class _Reader:
    """Reads a text token by token, and goes on after a flaw where the meaning is clear."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.levels: list[_Level] = []
        self.closed: _Level | None = None  # probably by a bracket that was meant for an outer one
        self.end = 0  # of the last token
        self.is_complete = False

    def read(self) -> Iterator[Flaw]:
        """Yield the flaws."""
        if self.text.startswith("\ufeff"):
            yield Flaw(
                place=0,
                reason="the text begins with a byte order mark (BOM)",
                hint="save it as UTF-8 without BOM",
            )
        try:
            for token in TOKEN.finditer(self.text, int(self.text.startswith("\ufeff"))):
                if token.lastgroup == "comment":
                    yield Flaw(place=token.start(), reason="JSON has no comments", hint=UNWANTED)
                elif token.lastgroup:
                    yield from self._token(token.lastgroup, token[0], token.start())
                    self.end = token.end()
        except _UnreadableError:
            return
        if self.levels:
            yield self._unclosed(self.closed or self.levels[-1], "the text ends before")

    def _token(self, kind: str, word: str, place: int) -> Iterator[Flaw]:
        if self.is_complete:
            yield self._surplus(word, place)
            raise _UnreadableError
        if kind == "mark":
            yield from self._mark(word, place)
        elif not self.levels:
            yield Flaw(
                place=place,
                reason="expected a JSON object",
                hint="the text must begin with { and end with }",
            )
            raise _UnreadableError
        else:
            if kind != "other":
                yield from self._separated()
            is_key = self.levels[-1].expects.endswith("key")
            yield from _of_word(kind, word, place, is_key=is_key)
            if kind in ("open", "other") or word.startswith(("...", "$")):
                raise _UnreadableError  # what belongs to it is not JSON either
            yield from self._took(kind, word, place)

    def _separated(self) -> Iterator[Flaw]:
        """Check that a comma or colon precedes the next value or key."""
        level = self.levels[-1]
        if level.expects == "comma":
            yield Flaw(place=self.end, reason="a `,` is missing here")
            level.expects = "key" if level.bracket == "{" else "value"
        elif level.expects == "colon":
            yield Flaw(place=self.end, reason=f"a `:` is missing after the key {level.key}")
            level.expects = "value"

    def _took(self, kind: str, word: str, place: int) -> Iterator[Flaw]:
        """Note a key or a plain value."""
        level = self.levels[-1]
        if not level.expects.endswith("key"):
            self._have_value()
            return
        level.key, level.comma, level.expects = word, -1, "colon"
        try:
            name = json.loads(word) if kind == "text" else word.strip("'")
        except ValueError:
            return
        if name in level.keys:
            yield Flaw(place=place, reason=f"duplicate key {word}", hint="keep one of them")
        level.keys.add(name)

    def _have_value(self) -> None:
        if self.levels:
            self.levels[-1].expects, self.levels[-1].comma = "comma", -1
        else:
            self.is_complete = True

    def _mark(self, mark: str, place: int) -> Iterator[Flaw]:
        if mark in CLOSER:
            yield from self._opening(mark, place)
        elif not self.levels:
            yield Flaw(place=place, reason=f"expected a JSON object, found `{mark}`")
            raise _UnreadableError
        elif mark in CLOSES:
            yield from self._closing(mark, place)
        elif mark in ":=":
            yield from self._colon(mark, place)
        else:
            yield from self._comma(mark, place)

    def _opening(self, mark: str, place: int) -> Iterator[Flaw]:
        if self.levels:
            if self.text[self.end - 1 : place + 1] == "{{":
                yield Flaw(
                    place=place - 1,
                    reason="`{{` belongs to a template",
                    hint="fill in the template first",
                )
                raise _UnreadableError
            yield from self._separated()
            if self.levels[-1].expects.endswith("key"):
                yield Flaw(place=place, reason=f"expected a key, found `{mark}`")
                raise _UnreadableError
        self.levels.append(_Level(mark, place))
        if len(self.levels) > DEEPEST:
            yield Flaw(place=place, reason=f"nested deeper than {DEEPEST} levels")
            raise _UnreadableError

    def _closing(self, mark: str, place: int) -> Iterator[Flaw]:
        level = self.levels[-1]
        yield from self._without_value(place)
        if level.comma >= 0:
            yield Flaw(place=level.comma, reason=f"trailing comma before `{mark}`", hint=UNWANTED)
        if level.bracket != CLOSES[mark]:
            if not any(each.bracket == CLOSES[mark] for each in self.levels):
                yield Flaw(place=place, reason=f"there is one `{mark}` too many", hint=UNWANTED)
                return
            yield self._unclosed(
                self.closed or level, f"line {self._line(place)} has `{mark}` before"
            )
            raise _UnreadableError
        self.levels.pop()
        if self._indentation(place, is_first=True) < self._indentation(level.place):
            self.closed = self.closed or level
        self._have_value()

    def _colon(self, mark: str, place: int) -> Iterator[Flaw]:
        level = self.levels[-1]
        if level.expects != "colon":
            yield Flaw(place=place, reason=f"unexpected `{mark}`")
            raise _UnreadableError
        level.expects = "value"
        if mark == "=":
            yield Flaw(place=place, reason="`=` is written `:` in JSON")

    def _comma(self, mark: str, place: int) -> Iterator[Flaw]:
        level = self.levels[-1]
        yield from self._without_value(place)
        if level.expects != "comma":
            yield Flaw(place=place, reason=f"there is one `{mark}` too many", hint=UNWANTED)
        elif mark == ";":
            yield Flaw(place=place, reason="`;` is written `,` in JSON")
        level.comma = place
        level.expects = "key" if level.bracket == "{" else "value"

    def _without_value(self, place: int) -> Iterator[Flaw]:
        """Report a key that no value follows."""
        level = self.levels[-1]
        if level.bracket == "{" and level.expects in ("colon", "value"):
            yield Flaw(place=place, reason=f"the key {level.key} has no value")
            level.expects = "comma"

    def _unclosed(self, level: _Level, where: str) -> Flaw:
        return Flaw(
            place=level.place,
            reason=f"`{level.bracket}` of line {self._line(level.place)} is not closed",
            hint=f"{where} its `{CLOSER[level.bracket]}`",
        )

    def _surplus(self, word: str, place: int) -> Flaw:
        if word in CLOSES:
            return Flaw(place=place, reason=f"there is one `{word}` too many", hint=UNWANTED)
        return Flaw(
            place=place,
            reason="the JSON object ended before this",
            hint="a config is one object: remove the rest",
        )

    def _line(self, place: int) -> int:
        return self.text.count("\n", 0, place) + 1

    def _indentation(self, place: int, *, is_first: bool = False) -> int:
        """Return how far the line of `place` is indented; far, if `is_first` and it is not."""
        begin = self.text.rfind("\n", 0, place) + 1
        before = self.text[begin:place]
        if is_first and before.strip():
            return len(self.text)
        return len(before) - len(before.lstrip())


def _of_word(kind: str, word: str, place: int, *, is_key: bool) -> Iterator[Flaw]:
    """Check a key or a plain value."""
    if kind == "text":
        yield from _in_text(word, place)
    elif kind == "open":
        yield Flaw(place=place, reason='a `"` is missing at the end of this text')
    elif kind == "single":
        yield Flaw(
            place=place, reason="JSON has double quotes only", hint="write \"...\" for '...'"
        )
    elif kind == "curly":
        yield Flaw(place=place, reason="these are typographic quotes", hint='write "..."')
    elif kind == "other":
        what = "`'`" if word == "'" else f"U+{ord(word):04X}"
        yield Flaw(place=place, reason=f"unexpected character {what}", hint=UNWANTED)
    elif word.startswith("..."):
        yield Flaw(place=place, reason="`...` stands for something left out", hint="fill it in")
    elif word.startswith("$"):
        yield Flaw(
            place=place, reason="`$` belongs to a template", hint="fill in the template first"
        )
    elif is_key:
        yield Flaw(place=place, reason=f"keys are in double quotes: `{json.dumps(word)}`")
    else:
        yield from _of_value(word, place)


def _of_value(word: str, place: int) -> Iterator[Flaw]:
    """Check a value that is not in quotes."""
    if word in ("true", "false", "null"):
        return
    if NUMBER.fullmatch(word) or word.lstrip("-") in ("NaN", "Infinity"):
        if not _is_in_range(word):
            yield Flaw(place=place, reason=f"number out of range: {word[:30]}")
    elif written := WRITTEN.get(word.casefold()):
        yield Flaw(place=place, reason=f"`{word}` is written `{written}`")
    elif NUMERIC.fullmatch(word):
        yield Flaw(place=place, reason="not a number in JSON", hint="write it like 1500 or -1.5")
    else:
        yield Flaw(place=place, reason="text must be in double quotes", hint='write "..."')


def _in_text(text: str, place: int) -> Iterator[Flaw]:
    if found := CONTROL.search(text):
        name = "a tab" if found[0] == "\t" else "a control character"
        written = json.dumps(found[0]).strip('"')
        yield Flaw(place=place + found.start(), reason=f"{name} in a text is written `{written}`")
    rest = re.sub(r'\\["\\/bfnrt]', "__", text)
    if found := ESCAPE.search(rest):
        letter = found[1]
        hint = r"a backslash is written `\\`"
        yield Flaw(place=place + found.start(), reason=rf"`\{letter}` is not an escape", hint=hint)


def _is_in_range(word: str) -> bool:
    try:
        return word.lstrip("-") not in ("NaN", "Infinity") and not isinf(float(json.loads(word)))
    except (ValueError, OverflowError):
        return False
