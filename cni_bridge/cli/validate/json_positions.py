"""A JSON text as a tree whose values know their positions.

The text has been decoded before, so nothing is checked here.
"""

import json
import re
from collections.abc import Iterator

from cni_bridge.edge.explain import path_text
from cni_bridge.lean.record import record

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+')
STEP = re.compile(r'\.?([^.\[\]"]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]')

Step = str | int
Scalar = str | int | float | bool | None


@record
class Span:
    """A part of the text, from `start` up to but not including `end`."""

    start: int
    end: int


class Node:
    """A value: its path and position, its key's position, and its items, which can be dropped."""

    def __init__(self, path: tuple[Step, ...], key: Span | None) -> None:
        self.path = path
        self.key = key
        self.span = Span(start=0, end=0)
        self.scalar: Scalar = None
        self.items: dict[Step, Node] | None = None
        self.is_list = False

    @property
    def name(self) -> str:
        """The path as people write it."""
        return path_text(self.path)

    def value(self) -> object:
        """Return the value without dropped items."""
        if self.items is None:
            return self.scalar
        if self.is_list:
            return [item.value() for item in self.items.values()]
        return {str(key): item.value() for key, item in self.items.items()}

    def find(self, path: str) -> "list[Node]":
        """Return the nodes along a path of `value()`, as far as they exist.

        Keys match in any case; indexes count what was not dropped.
        """
        found = [self]
        for step in steps(path):
            inner = found[-1]._item(step)
            if inner is None:
                break
            found.append(inner)
        return found

    def get(self, key: str) -> "Node | None":
        """Return the value of a key, in any case."""
        return self._item(key)

    def entries(self) -> "Iterator[tuple[str, Node]]":
        """Yield the keys of an object, as written."""
        if not self.is_list:
            yield from ((str(key), item) for key, item in (self.items or {}).items())

    def drop(self, inner: "Node") -> None:
        """Leave an item out from now on."""
        self.items = {step: item for step, item in (self.items or {}).items() if item is not inner}

    def put(self, key: str, scalar: Scalar) -> None:
        """Add or replace a value that the text does not have."""
        node = Node((*self.path, key), None)
        node.span, node.scalar = self.span, scalar
        self.items = {**(self.items or {}), key: node}

    def _item(self, step: Step) -> "Node | None":
        items = self.items or {}
        if isinstance(step, int):
            rest = list(items.values())
            return rest[step] if self.is_list and step < len(rest) else None
        matching = (item for key, item in items.items() if str(key).casefold() == step.casefold())
        return None if self.is_list else next(matching, None)


def scan(text: str) -> Node:
    """Return the tree of a valid JSON text."""
    tokens = TOKEN.finditer(text)
    return _node(next(tokens), tokens, (), None)


def steps(path: str) -> Iterator[Step]:
    """Yield the steps of a path like `ipam.ranges[0][1].subnet`."""
    for name, index, quoted in STEP.findall(path):
        yield int(index) if index else json.loads(quoted) if quoted else name


def _node(
    first: re.Match[str], tokens: Iterator[re.Match[str]], path: tuple[Step, ...], key: Span | None
) -> Node:
    node = Node(path, key)
    last = first
    if first[0] in ("{", "["):
        node.is_list = first[0] == "["
        node.items = {}
        for token in tokens:
            last = token
            if token[0] in ("}", "]"):
                break
            if token[0] != ",":
                step, inner_key, value = _entry(node, token, tokens)
                node.items[step] = _node(value, tokens, (*path, step), inner_key)
    else:
        node.scalar = json.loads(first[0])
    node.span = Span(start=first.start(), end=last.end())
    return node


def _entry(
    node: Node, token: re.Match[str], tokens: Iterator[re.Match[str]]
) -> tuple[Step, Span | None, re.Match[str]]:
    """Return an item's step, its key's position, and its value's first token."""
    if node.is_list:
        return len(node.items or ()), None, token
    next(tokens)  # the colon
    return json.loads(token[0]), Span(start=token.start(), end=token.end()), next(tokens)
