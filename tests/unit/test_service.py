"""The systemd units in conf/: they say the same in every place, and call commands that exist."""

import configparser
import shlex
from pathlib import Path

import pytest

from cni_bridge.cli import main

ROOT = Path(__file__).parents[2]
UNITS = {each.stem: each for each in (ROOT / "conf").glob("*.service")}
RESTORE = "cni-bridge-restore"


def unit(name: str) -> configparser.ConfigParser:
    """Return the unit's sections."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys have capitals
    parser.read_string(UNITS[name].read_text())
    return parser


def test_the_firewall_s_unit_watches_and_names_no_firewall() -> None:
    assert unit(RESTORE)["Service"]["ExecStart"].endswith(" restore --watch")
    assert "After" not in unit(RESTORE)["Unit"]
    assert unit(RESTORE)["Install"]["WantedBy"] == "multi-user.target"


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_calls_the_installed_executable_as_it_wants_to_be_called(name: str) -> None:
    path, *words = shlex.split(unit(name)["Service"]["ExecStart"])
    assert path == "/usr/bin/cni-bridge"
    assert 'PREFIX = Path("/usr")' in (ROOT / "build/install.py").read_text()
    assert main.build_parser(words[0]).parse_args(words).run


def test_the_agent_s_unit_is_told_of_the_network_that_it_is_named_after() -> None:
    assert "agent %i " in unit("cni-bridge-agent@")["Service"]["ExecStart"]
