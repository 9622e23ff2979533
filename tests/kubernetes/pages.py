"""What the pages of docs/ tell to do: their files and their commands.

`sh` blocks are for any machine, `bash` blocks for a node of a cluster, with its name in $NODE.
"""

import re

from tests.lab import ROOT

BLOCK = re.compile(
    r"^```(?P<kind>\w+) ?(?P<path>\S*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Return language, path and text of each block of a page."""
    return [
        (found["kind"], found["path"], found["text"])
        for found in BLOCK.finditer((ROOT / "docs" / page).read_text())
    ]


def files(page: str) -> dict[str, str]:
    """Return the files of a page; of two with one path the last."""
    return {path: text for _, path, text in blocks(page) if path}


def commands(page: str) -> list[str]:
    """Return the commands of a page that are for a node of a cluster."""
    return [text for kind, path, text in blocks(page) if kind == "bash" and not path]
