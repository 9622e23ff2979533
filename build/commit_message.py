"""The commit-msg hook (`make hooks`): whether a commit's subject is `area: do this`."""

import re
import sys
from pathlib import Path

MAX_LENGTH = 72
SUBJECT = re.compile(r"(?P<area>[a-z0-9][\w./, -]*): (?P<first>[a-z][\w-]*)\b.*[^.]")
GENERATED_BY_GIT = ("Merge ", "Revert ", "fixup! ", "squash! ", "amend! ")
# What a subject tends to begin with in place of an imperative verb.
NOT_IMPERATIVE = re.compile(
    r"the|an?|no|its?|what|wh\w+|which|where|when|each|every|all|some|this|that|there|"
    r"added|fixed|changed|removed|moved|made|(?!bring)\w+ing|\w+[^su]s"
)


def problem(subject: str) -> str:
    """Return what is wrong with a subject line, or an empty string."""
    if subject.startswith(GENERATED_BY_GIT):
        return ""
    if len(subject) > MAX_LENGTH:
        return f"{len(subject)} characters; at most {MAX_LENGTH} are allowed"
    if not (found := SUBJECT.fullmatch(subject)):
        return "expected `area: do this`, without a full stop"
    if NOT_IMPERATIVE.fullmatch(found["first"]):
        return f"expected an imperative verb after the area, got `{found['first']}`"
    return ""


def main() -> int:
    """Check the message in the file that git names."""
    subject = Path(sys.argv[1]).read_text().partition("\n")[0]
    if wrong := problem(subject):
        print(f"{subject}\n  {wrong}", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
