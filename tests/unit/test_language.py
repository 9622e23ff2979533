"""What people read is plain English, as far as a tool can tell; CONTRIBUTING.md has the rules.

Pages, comments, docstrings, messages and help, but not identifiers.
"""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READ = (
    "*.md",
    "docs/**/*.md",
    "conf/**/*.*",
    "schemas/*",
    "build/*",
    "cni_bridge/**/*.*",
)
GENERATED = ("messages.py", "validators.py", ".pyc")  # how their names end
INSTEAD = {  # of a phrase: what to write
    r"nobody|somebody|everybody|whoever|(?<!user )(?<!anyone )who": "the noun: attachment, owner, caller, process",
    r"anew": "again; reload, recreate",
    r"so many": "N, the number of",
    r"(?:wants?|has|have) to be|as (?:it|they) should be": "must; up to date",
    r"(?:a|an) \w+ of others|others'": "foreign, another program's",
    r"mend(?:s|ed|ing)?": "fix, repair",
    r"the dead|provably dead": "stale",
    r"ours": "cni-bridge's, this host's",
    r"stands? in|tells? of": "is in; reports",
    r"is no JSON object": "is not a JSON object",
}
PHRASE = re.compile(r"(?<![\w`/{-])(?:" + "|".join(INSTEAD) + r")(?![\w`/}\"-])", re.IGNORECASE)


def sources() -> list[str]:
    """Return the files that people read."""
    files = {file for pattern in READ for file in ROOT.glob(pattern) if file.is_file()}
    names = sorted(str(file.relative_to(ROOT)) for file in files)
    return [each for each in names if not each.endswith(GENERATED)]


def prose(name: str) -> Iterator[tuple[int, str]]:
    """Return the lines of a file that are text and not code, with their numbers."""
    text = (ROOT / name).read_text()
    if not name.endswith(".py"):
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if tokenize.tok_name[token.type] in ("STRING", "FSTRING_MIDDLE", "COMMENT"):
            yield from enumerate(token.string.splitlines(), token.start[0])


@pytest.mark.parametrize("name", sources())
def test_no_phrase_is_used_that_readers_have_to_decode(name: str) -> None:
    found = [
        f"{name}:{n}: {each[0]}: {line}"
        for n, line in prose(name)
        for each in PHRASE.finditer(line)
    ]
    assert found == []
