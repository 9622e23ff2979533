"""The command line as such: help, usage, and what a failure looks like."""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_bridge.cli import main, terminal, units
from cni_bridge.errors import InvalidConfig, LedgerUnusable


def test_without_arguments_it_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([]) == 0
    assert "protocol versions supported: 0.1.0" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["frobnicate"], ["validate"], ["--frobnicate"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main.run(arguments)
    assert "usage: cni-bridge" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(["shwo"], "show"), (["lab", "pnig"], "ping"), (["lab", "up", "bridg"], "bridge")],
)
def test_a_typo_is_answered_with_what_may_be_meant(
    arguments: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main.run(arguments)
    told = capsys.readouterr().err
    assert f"did you mean `{meant}`?" in told
    assert told.count("`") == 2  # one suggestion, and not all commands


def test_help_has_a_line_for_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main.run(["--help"])
    listed = capsys.readouterr().out
    for name in ("validate", "show", "graph"):
        assert f"    {name} " in listed


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from parsers(inner)


def test_every_help_text_fits_into_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for parser in parsers(main.build_parser()):
        long = [line for line in parser.format_help().splitlines() if len(line) > 80]
        assert not long, parser.prog


def test_a_failure_is_one_line_and_indented_details(capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.fail(InvalidConfig("mtu: wrong", "one\ntwo")) == 1
    assert capsys.readouterr().err == "cni-bridge: mtu: wrong\n  one\n  two\n"


def test_roots_ledger_is_told_another_user_as_such() -> None:
    trap = LedgerUnusable("the state directory /run/x belongs to uid 0, not to uid 1000", "…")
    told = main.for_people(trap, 1000)
    assert (told.msg, "sudo" in told.details) == ("this host's ledger belongs to root", True)
    own = LedgerUnusable("the state directory /run/x belongs to uid 7, not to uid 0", "…")
    assert main.for_people(own, 0) is own


def test_a_command_is_found_in_the_file_of_its_name() -> None:
    commands = main.build_parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    folder = Path(main.__file__).parent
    modules = {name: name for name in commands or ()} | {"del": "delete"}  # `del` is a keyword
    places = {
        name: (folder / f"{module}.py", folder / module / "command.py")
        for name, module in modules.items()
    }
    assert [name for name, files in places.items() if sum(map(Path.exists, files)) != 1] == []


@pytest.mark.parametrize("words", [["help"], ["help", "show"], ["version"], ["-V"]])
def test_help_and_version_are_words_too(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main.run(words)
    assert "cni-bridge" in capsys.readouterr().out


def test_a_misspelt_option_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    for words, meant in ((["doctor", "--fxi"], "--fix"), (["show", "--jsno"], "--json")):
        with pytest.raises(SystemExit, match="2"):
            main.run(words)
        shown = capsys.readouterr().err
        assert f"usage: cni-bridge {words[0]}" in shown
        assert f"did you mean `{meant}`?" in shown


@pytest.mark.parametrize("words", [["--help"], ["completion"], ["validate", "/dev/null"]])
def test_a_full_disk_is_no_traceback(words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            (sys.executable, "-m", "cni_bridge", *words),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(main.__file__).parents[2],
        )
    assert done.returncode == 1
    assert done.stderr == "cni-bridge: cannot write to stdout: No space left on device\n"


@pytest.mark.parametrize("words", ["--help", "completion", "validate /dev/null", "show"])
def test_a_closed_stdout_is_no_traceback(words: str) -> None:
    done = subprocess.run(
        f"{sys.executable} -m cni_bridge {words} >&-",
        shell=True,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(main.__file__).parents[2],
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        ("--help", ("rich", "pyroute2", "jsonschema", "asyncio")),
        ("version", ("rich", "pyroute2", "jsonschema", "asyncio")),
        ("completion", ("rich", "pyroute2", "jsonschema", "asyncio")),
        ("rm nothing", ("rich", "pyroute2", "jsonschema", "asyncio")),
        ("gc --dry-run", ("pyroute2", "jsonschema", "asyncio")),
        ("trace", ("pyroute2", "jsonschema", "asyncio")),
        ("validate conf/10-bridge.conflist", ("pyroute2", "jsonschema", "asyncio", "logging")),
        ("init web", ("rich", "pyroute2", "jsonschema", "asyncio", "logging")),
        ("show", ("pyroute2", "jsonschema", "asyncio", "logging", "cni_bridge.cli.graph.picture")),
        ("show --format prometheus", ("rich", "pyroute2", "prometheus_client", "asyncio")),
        ("graph", ("pyroute2", "jsonschema", "asyncio", "logging", "cni_bridge.cli.graph.svg")),
        ("explain nothing 192.0.2.9:80", ("pyroute2", "jsonschema", "asyncio")),
        (
            "lab show",
            (
                *("pyroute2", "jsonschema", "asyncio", "tempfile", "cni_bridge.cli.containers"),
                *(
                    "cni_bridge.cli.trace",
                    "cni_bridge.cli.doctor",
                    "cni_bridge.cli.explain.command",
                ),
                *("cni_bridge.cli.graph.command", "cni_bridge.cli.exec"),
            ),
        ),
        ("lab trace", ("cni_bridge.cli.show", "cni_bridge.cli.graph", "cni_bridge.cli.doctor")),
        ("lab exec c1 -- true", ("rich", "cni_bridge.cli.show", "cni_bridge.cli.inventory")),
        ("check nothing nowhere", ("rich", "pyroute2", "jsonschema", "asyncio")),
    ],
)
def test_a_command_loads_only_what_it_needs(words: str, unwanted: tuple[str, ...]) -> None:
    script = (
        "import sys; from cni_bridge.cli import main\n"
        f"try: main.run({words.split()!r})\n"
        "except SystemExit: pass\n"
        f"print([each for each in {unwanted!r} if each in sys.modules])"
    )
    done = subprocess.run(
        (sys.executable, "-c", script),
        capture_output=True,
        text=True,
        cwd=Path(main.__file__).parents[2],
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_doctor_loads_pyroute2_for_fixes_only() -> None:
    unwanted = ("pyroute2", "jsonschema", "asyncio")
    script = (
        "import sys; from cni_bridge.cli.doctor import checks, facts, probes\n"
        f"print([each for each in {unwanted!r} if each in sys.modules])"
    )
    done = subprocess.run(
        (sys.executable, "-c", script),
        capture_output=True,
        text=True,
        cwd=Path(main.__file__).parents[2],
    )
    assert done.stdout == "[]\n"


def test_one_of_a_thing_is_no_plural() -> None:
    assert units.count(1, "packet") == "1 packet"
    assert units.count(0, "packet") == "0 packets"
    assert units.count(1, "address", "addresses") == "1 address"
    assert units.count(2, "address", "addresses") == "2 addresses"
