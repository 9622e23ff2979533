"""What bash completes, asked of bash itself."""

import subprocess

import pytest

from cni_bridge.cli import main

ASK = """
COMP_WORDS=({words} "{last}"); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()
_cni_bridge; echo "${{COMPREPLY[*]}}"
"""


@pytest.mark.parametrize(
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
def test_bash_completes(
    words: str, last: str, replies: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["completion"]) == 0
    script = capsys.readouterr().out + ASK.format(words=words, last=last)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == replies
