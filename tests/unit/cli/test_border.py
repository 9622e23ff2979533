"""What others choose never reaches a terminal raw, forges a line, or breaks a picture."""

import argparse
import io
import json
import logging
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest

from cni_bridge.cli import agent, main, networks, show_tables, terminal, trace
from cni_bridge.cli.doctor import command as doctor
from cni_bridge.cli.doctor.findings import Diagnosis
from cni_bridge.cli.graph import command as graph
from cni_bridge.cli.graph import picture, text
from cni_bridge.cli.journal_reader import RecordedCall
from cni_bridge.cli.validate import command as validate
from cni_bridge.errors import InvalidConfig
from cni_bridge.lean.record import replace
from tests.unit.cli.samples import two_networks

HOSTILE = "\x1b[31m\x07\x9b\u202e\u2066\u2028\ufeff\ud800\ufffe\x7f\r\n<script>&\"'\\`|{}[]#;--"
FORGED = "\ncni-bridge: forged"


def spoilt(value: Any) -> Any:
    """Return the value with every string but addresses made hostile."""
    if isinstance(value, str):
        return value if not value or value[0].isdigit() or value == "ok" else value + HOSTILE
    if isinstance(value, tuple):
        return tuple(map(spoilt, value))
    if isinstance(value, dict):
        return {spoilt(key): spoilt(inner) for key, inner in value.items()}
    if hasattr(value, "__dict__"):
        return replace(value, **{key: spoilt(inner) for key, inner in vars(value).items()})
    return value


FOUND = two_networks()
SPOILT = replace(
    FOUND,
    attachments=tuple(replace(spoilt(each), health=each.health) for each in FOUND.attachments),
    bridges=spoilt(FOUND.bridges),
    foreign=spoilt(FOUND.foreign),
    spaces=(FOUND.host, *spoilt(FOUND.spaces[1:])),
)
KNOWN = tuple(
    networks.Network(
        name=f"web{HOSTILE}",
        file=HOSTILE,
        plugins=(HOSTILE,),
        config=None,
        bridge=HOSTILE,
        is_wire=is_wire,
        subnets=(networks.Subnet(subnet="10.1.0.0/24", used=1, free=None),),
        attachments=SPOILT.attachments,
        remembered={HOSTILE: (HOSTILE,)},
    )
    for is_wire in (False, True)
)
CALL = RecordedCall(
    began=1,
    pid=2,
    environment={"CNI_COMMAND": "ADD", "CNI_ARGS": f"A={HOSTILE}{FORGED}", "CNI_NETNS": HOSTILE},
    version="",
    stdin=HOSTILE,
    steps=((f"links{HOSTILE}", 5),),
    took=7,
    outcome="failed",
    result=None,
    error={"code": 7, "msg": HOSTILE + FORGED, "details": HOSTILE},
)
PICTURES: dict[str, Callable[[], Any]] = {
    "show": lambda: show_tables.overview(SPOILT, KNOWN, (HOSTILE,), 120),
    "one container": lambda: show_tables.container(SPOILT.attachments[:1]),
    "one network": lambda: show_tables.network(KNOWN[0], SPOILT, 120),
    "trace": lambda: trace._table([CALL], {"": HOSTILE}),
    "one call": lambda: trace._details(CALL, {"": HOSTILE}),
    "graph": lambda: text.render(picture.draw(SPOILT)),
}


def raw(printed: str) -> set[str]:
    """Return the letters that must not be printed."""
    return {letter for letter in printed if letter != "\n" and not letter.isprintable()}


@pytest.mark.parametrize("name", PICTURES)
def test_no_table_prints_it_raw(name: str) -> None:
    file = io.StringIO()
    terminal.screen(file, 120).print(PICTURES[name]())
    assert raw(file.getvalue()) == set()
    assert [line for line in file.getvalue().splitlines() if line.startswith("cni-bridge")] == []
    assert [line for line in file.getvalue().splitlines() if line != line.rstrip()] == []


@pytest.mark.parametrize("notation", graph.NOTATIONS)
def test_no_notation_prints_it_raw(notation: str) -> None:
    drawn = graph.rendered(notation, picture.draw(SPOILT))
    assert raw(drawn) == set()
    if notation in ("svg", "html", "mermaid"):
        assert "<script>" not in drawn


def test_an_svg_is_well_formed_whatever_names_hold() -> None:
    assert ET.fromstring(graph.rendered("svg", picture.draw(SPOILT))).tag.endswith("svg")


def test_dot_holds_letters_of_all_languages() -> None:
    (first, *rest) = FOUND.attachments
    named = replace(first, protection=replace(first.protection, flags=("é",)))
    drawn = graph.rendered("dot", picture.draw(replace(FOUND, attachments=(named, *rest))))
    assert "é" in drawn


def test_no_error_begins_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.fail(InvalidConfig(HOSTILE + FORGED, HOSTILE + FORGED))
    printed = capsys.readouterr().err
    assert raw(printed) == set()
    assert sum(line.startswith("cni-bridge") for line in printed.splitlines()) == 1


def test_no_finding_begins_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    finding = Diagnosis(cause=HOSTILE + FORGED, effect=HOSTILE, command=HOSTILE)
    doctor._print([("links", finding)])
    printed = capsys.readouterr().out
    assert raw(printed) == set()
    assert "cni-bridge: forged" not in printed.splitlines()


def test_no_log_line_is_forged() -> None:
    record = logging.LogRecord("x", 20, "f", 1, "host %s", (HOSTILE + FORGED,), None)
    assert agent.LogFormatter().format(record).isprintable()


def test_wrong_usage_is_quoted_clean(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([HOSTILE], ["show", "--no" + HOSTILE], ["graph", "--format", HOSTILE]):
        with pytest.raises(SystemExit):
            main.run(words)
        assert raw(capsys.readouterr().err) == set()


def test_a_config_is_quoted_clean(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    file = tmp_path / "web.conflist"
    file.write_text(json.dumps({"name": HOSTILE, "plugins": [{"type": HOSTILE}]}))
    broken = tmp_path / "broken.conflist"
    broken.write_bytes(b'\xef\xbb\xbf{\x1b[31m "a": \x07')
    validate.run(argparse.Namespace(files=[str(file), str(broken)], format="text", strict=False))
    assert raw(capsys.readouterr().out) == set()


@pytest.mark.parametrize("letter", [*map(chr, range(0x20)), "\x7f", "\x9b", "\u200f", "\u2069"])
def test_a_letter_that_is_no_letter_is_replaced(letter: str) -> None:
    assert terminal.clean(f"a{letter}b") in ("a?b", "a b")
