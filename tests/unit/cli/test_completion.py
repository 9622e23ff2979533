"""What bash and zsh complete, asked of them."""

import shutil
import subprocess

import pytest

from cni_bridge.cli import main

ASK = """
COMP_WORDS=({words} "{last}"); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()
_cni_bridge; echo "${{COMPREPLY[*]}}"
"""


# Functions of bash are called so by zsh's bashcompinit.
ZSH = """
autoload -U compinit bashcompinit; compinit -u -D; bashcompinit
{script}
as_in_bash() {{ emulate -L sh
{ask}
}}
as_in_bash
"""
CASES = pytest.mark.parametrize(
    ("words", "last", "replies"),
    [
        ("cni-bridge", "sh", "show"),
        ("cni-bridge lab", "up", "up"),
        ("cni-bridge lab up", "t", "tutorial two-networks"),
        ("cni-bridge graph --format", "s", "svg"),
        ("cni-bridge validate", "--s", "--strict"),
        ("cni-bridge validate --strict x.conflist", "--f", "--format"),
    ],
)


@CASES
def test_bash_completes(
    words: str, last: str, replies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["completion"]) == 0
    script = capsys.readouterr().out + ASK.format(words=words, last=last)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == replies


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
@CASES
def test_zsh_completes(
    words: str, last: str, replies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["completion"]) == 0
    script = ZSH.format(script=capsys.readouterr().out, ask=ASK.format(words=words, last=last))
    done = subprocess.run(["zsh", "-fc", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert set(replies.split()) <= set(done.stdout.split()), "zsh itself looks at the word"
