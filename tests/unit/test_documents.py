"""The pages: those that are made are up to date, and every link among them leads somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("conf/*.md")))
LINK = re.compile(r"\]\((?!https?://)([^)#]+)[^)]*\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    targets = LINK.findall(page.read_text())
    assert [each for each in targets if not (page.parent / each).exists()] == []


def test_every_page_is_reached_from_the_readme() -> None:
    seen, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        seen.add(page)
        targets = ((page.parent / each).resolve() for each in LINK.findall(page.read_text()))
        ahead += [each for each in targets if each.suffix == ".md" and each not in seen]
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in seen] == []


def test_configuration_is_what_the_schema_says() -> None:
    command = [sys.executable, "build/generate_configuration.py", "--check"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_every_example_has_its_row() -> None:
    table = (ROOT / "conf/README.md").read_text()
    assert [each.name for each in ROOT.glob("conf/*.conflist") if each.name not in table] == []
