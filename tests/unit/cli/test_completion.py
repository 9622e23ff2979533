"""What bash, zsh and fish complete, asked of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cni_bridge.cli import main

ROOT = Path(__file__).parents[3]
BASH = """
{script}
COMP_WORDS=({words} "{last}"); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()
_cni_bridge; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
# zsh completes in a terminal only; what its script hands to `_describe` is asked here.
ZSH = """
compdef() {{ :; }}
{script}
_describe() {{ print -l -- "${{found[@]}}" }}
_files() {{ :; }}
words=({words} "{last}"); CURRENT=${{#words}}
_cni-bridge
"""
FISH = """
{script}
complete -C '{words} {last}'
"""
CASES = pytest.mark.parametrize(
    ("words", "last", "replies"),
    [
        ("cni-bridge", "sh", {"show": "list networks, bridges and containers"}),
        ("cni-bridge lab", "up", {"up": "build a lab"}),
        ("cni-bridge lab up", "t", {"tutorial": "", "two-networks": ""}),
        ("cni-bridge graph --format", "sv", {"svg": ""}),
        ("cni-bridge validate", "--s", {"--strict": "treat warnings as errors"}),
        ("cni-bridge rm", "we", {"web": "bridge web0"}),
        ("cni-bridge show --wide", "we", {"web": "bridge web0"}),
        ("cni-bridge trace", "la", {"last": "the last call"}),
    ],
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a shell with the program and a network."""
    program = tmp_path / "cni-bridge"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m cni_bridge "$@"\n')
    program.chmod(0o755)
    plugin = '{"cniVersion": "1.0.0", "name": "web", "type": "cni-bridge", "bridge": "web0"}'
    (tmp_path / "web.conf").write_text(plugin)
    paths = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return {**paths, "NETCONFPATH": str(tmp_path), "HOME": str(tmp_path)}


def completed(shell: list[str], script: str, environment: dict[str, str]) -> dict[str, str]:
    """Return what a shell prints: candidates with their descriptions."""
    done = subprocess.run(
        [*shell, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stderr == ""
    lines = (
        line.replace(":", "\t", 1).partition("\t") for line in done.stdout.splitlines() if line
    )
    return {word: description for word, _, description in lines}


@CASES
def test_bash_completes(
    words: str,
    last: str,
    replies: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    environment: dict[str, str],
) -> None:
    assert main.run(["completion"]) == 0
    script = BASH.format(script=capsys.readouterr().out, words=words, last=last)
    assert completed(["bash"], script, environment).keys() == replies.keys()


@pytest.mark.parametrize(("shell", "template"), [("zsh", ZSH), ("fish", FISH)])
@CASES
def test_others_complete_with_descriptions(
    shell: str,
    template: str,
    words: str,
    last: str,
    replies: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    environment: dict[str, str],
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    assert main.run(["completion", shell]) == 0
    script = template.format(script=capsys.readouterr().out, words=words, last=last)
    found = completed(
        [shell, *(["-f"] if shell == "zsh" else ["--no-config"])], script, environment
    )
    assert found.keys() == replies.keys()
    assert [word for word, text in replies.items() if not found[word].startswith(text)] == []
