"""The picture in Graphviz's language."""

import json
from collections.abc import Iterable, Iterator

from cni_bridge.cli.graph.picture import Picture, direct_wires

STYLE = """\
graph [rankdir=TB, compound=true, fontname="monospace", style="rounded"]
node [shape=box, style="rounded,filled", fillcolor=white, fontname="monospace", fontsize=11]
edge [fontname="monospace", fontsize=9, dir=none]"""


def render(picture: Picture) -> str:
    """Return the graph in DOT."""
    body = [*STYLE.splitlines(), *_boxes(picture), *_host(picture), *_wires(picture)]
    return "\n".join(["digraph host {", *(f"  {line}" for line in body), "}"])


def _boxes(picture: Picture) -> Iterator[str]:
    for box in picture.boxes:
        yield f"subgraph {_name('cluster', box.key)} {{"
        yield f"  label={_quoted([box.title])}"
        for chip in box.chips:
            colour = "" if chip.is_well else ", color=red"
            label = _quoted([chip.name, *chip.facts])
            yield f"  {_name('chip', box.key, chip.name)} [label={label}{colour}]"
        yield "}"


def _host(picture: Picture) -> Iterator[str]:
    yield 'subgraph "cluster host" {'
    yield '  label="host"'
    for bar in picture.bars:
        label = _quoted([bar.title, *bar.facts])
        yield f"  {_name('bar', bar.name)} [label={label}, shape=hexagon, fillcolor=moccasin]"
        for name in bar.foreign:
            yield f"  {_name('foreign', name)} [label={_quoted([name, 'foreign'])}, style=dashed]"
    for uplink in picture.uplinks:
        yield f"  {_name('uplink', uplink.name)} [label={_quoted([uplink.name, *uplink.lines])}]"
    yield "}"


def _wires(picture: Picture) -> Iterator[str]:
    for box in picture.boxes:
        for chip in box.chips:
            if chip.bar:
                start, label = _name("chip", box.key, chip.name), _quoted([chip.host_end])
                yield f"{start} -> {_name('bar', chip.bar)} [label={label}]"
    for box, chip, other, peer in direct_wires(picture):
        yield f"{_name('chip', box.key, chip.name)} -> {_name('chip', other.key, peer.name)}"
    for bar in picture.bars:
        for name in bar.foreign:
            yield f"{_name('foreign', name)} -> {_name('bar', bar.name)}"
        for uplink in picture.uplinks if bar.is_gateway else ():
            label = ', label="masquerade"' if bar.masquerades else ""
            way = f"{_name('bar', bar.name)} -> {_name('uplink', uplink.name)}"
            yield f"{way} [style=dashed{label}]"
    for uplink in picture.uplinks:
        yield f'{_name("uplink", uplink.name)} -> "outside" [style=dashed]'
    yield from _peers(picture)


def _peers(picture: Picture) -> Iterator[str]:
    near = next((_name("bar", bar.name) for bar in picture.bars if bar.is_gateway), None)
    for peer in picture.peers:
        node = _name("peer", peer.name)
        yield f"{node} [label={_quoted([peer.name, *peer.lines])}, peripheries=2]"
        if near:
            label = _quoted([peer.device])
            yield f'{near} -> {node} [ltail="cluster host", style=dashed, label={label}]'


def _name(*what: str) -> str:
    return json.dumps(" ".join(what), ensure_ascii=False)


def _quoted(lines: Iterable[str]) -> str:
    return json.dumps("\n".join(lines), ensure_ascii=False)
