"""The picture as a Mermaid flowchart, which many web sites render."""

from collections.abc import Iterable, Iterator

from cni_bridge.cli.graph.picture import Picture, direct_wires

ENTITIES = str.maketrans({"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;"})


def render(picture: Picture) -> str:
    """Return the text of a flowchart."""
    return "\n".join(["flowchart TB", *(f"  {line}" for line in _lines(picture))])


def _lines(picture: Picture) -> Iterator[str]:
    names = _Names()
    for box in picture.boxes:
        yield f"subgraph {names.of('box', box.key)}[{_quoted([box.title])}]"
        for chip in box.chips:
            yield f"  {names.of('chip', box.key, chip.name)}[{_quoted([chip.name, *chip.facts])}]"
        yield "end"
    yield "subgraph host"
    for bar in picture.bars:
        yield f"  {names.of('bar', bar.name)}{{{{{_quoted([bar.title, *bar.facts])}}}}}"
        for name in bar.foreign:
            yield f"  {names.of('foreign', name)}([{_quoted([name, 'foreign'])}])"
    for uplink in picture.uplinks:
        yield f"  {names.of('uplink', uplink.name)}[{_quoted([uplink.name, *uplink.lines])}]"
    yield "end"
    for peer in picture.peers:
        yield f"{names.of('peer', peer.name)}[[{_quoted([peer.name, *peer.lines])}]]"
        yield f"host -.-|{_quoted([peer.device])}| {names.of('peer', peer.name)}"
    yield from _wires(picture, names)


def _wires(picture: Picture, names: "_Names") -> Iterator[str]:
    for box in picture.boxes:
        for chip in box.chips:
            if chip.bar:
                start = names.of("chip", box.key, chip.name)
                yield f"{start} ---|{_quoted([chip.host_end])}| {names.of('bar', chip.bar)}"
    for box, chip, other, peer in direct_wires(picture):
        yield (
            f"{names.of('chip', box.key, chip.name)} --- {names.of('chip', other.key, peer.name)}"
        )
    for bar in picture.bars:
        for name in bar.foreign:
            yield f"{names.of('foreign', name)} --- {names.of('bar', bar.name)}"
        for uplink in picture.uplinks if bar.is_gateway else ():
            label = '|"masquerade"|' if bar.masquerades else ""
            yield f"{names.of('bar', bar.name)} -.-{label} {names.of('uplink', uplink.name)}"
    for uplink in picture.uplinks:
        yield f"{names.of('uplink', uplink.name)} -.- outside(({_quoted(['outside'])}))"


class _Names:
    """Identifiers for nodes, whose labels may contain any character."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], str] = {}

    def of(self, *what: str) -> str:
        """Return the identifier of a node, the same each time."""
        return self._known.setdefault(what, f"{what[0]}{len(self._known)}")


def _quoted(lines: Iterable[str]) -> str:
    text = "<br/>".join(line.translate(ENTITIES) for line in lines)
    return f'"{text}"'
