"""The pages: those that are made are up to date, and every link among them leads somewhere."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cni_bridge.cli.validate import command as validate

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    (
        *ROOT.glob("*.md"),
        *ROOT.glob("tests/*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("conf/*.md"),
    )
)
TOPS = ("cni_bridge", "build", "tests", "schemas", "conf", "docs")
PACKAGES = sorted(each.parent.name for each in ROOT.glob("cni_bridge/*/__init__.py"))
# Not keys of a config (`ipam.type`), nor the database itself.
NAMED = re.compile(
    rf"`((?:(?:{'|'.join(TOPS)})/|(?:{'|'.join(PACKAGES)})[./])(?<!ipam\.)(?!sqlite)[\w*./-]*\w)/?`"
)
CONFIG = re.compile(r"^```json[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
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


def named(text: str) -> set[str]:
    """Return the paths and modules that a page or docstring names in backticks."""
    return {each.rstrip("/") for each in NAMED.findall(text)}


def exists(name: str, beside: Path = ROOT) -> bool:
    """Return whether a path, glob or dotted module is there: in the repository, the package or beside."""
    places = [name, name.replace(".", "/"), f"{name.replace('.', '/')}.py", f"{name}.py"]
    return any(
        any(top.glob(place)) for top in (ROOT, ROOT / "cni_bridge", beside) for place in places
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_module_and_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text().partition("\n## 0.1.0")[0]  # a release's entry is history
    assert sorted(name for name in named(text) if not exists(name, page.parent)) == []


def test_every_module_and_file_that_a_docstring_names_exists() -> None:
    sources = [file for top in TOPS[:4] for file in (ROOT / top).rglob("*.py")]
    wrong = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in sources
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        for name in named(ast.get_docstring(node) or "")
        if not exists(name)
    }
    assert sorted(wrong) == []


def test_configuration_is_what_the_schema_says() -> None:
    command = [sys.executable, "build/generate_configuration.py", "--check"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_config_shown_passes_validate(page: Path) -> None:
    shown = [(page.name, text) for text in CONFIG.findall(page.read_text())]
    found = [str(each) for report in validate.examine(shown) for each in report.findings]
    assert found == []


def test_the_first_config_of_the_readme_gives_a_way_out() -> None:
    (config,) = CONFIG.findall((ROOT / "README.md").read_text())
    (plugin,) = json.loads(config)["plugins"]
    assert plugin["isDefaultGateway"] is plugin["ipMasq"] is True


def test_every_example_has_its_row() -> None:
    table = (ROOT / "conf/README.md").read_text()
    assert [each.name for each in ROOT.glob("conf/*.conflist") if each.name not in table] == []
