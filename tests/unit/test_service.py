"""The systemd unit in conf/: it says the same in every place, and calls a command that exists."""

import configparser
from pathlib import Path

from cni_bridge.cli import main

UNIT = Path(__file__).parents[2] / "conf/cni-bridge-restore.service"
INSTALLER = UNIT.parents[1] / "build/install.py"


def unit() -> configparser.ConfigParser:
    """The unit's sections."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys have capitals
    parser.read_string(UNIT.read_text())
    return parser


def test_the_unit_follows_every_firewall_that_it_waits_for() -> None:
    section = unit()["Unit"]
    others = section["After"].split()
    assert section["PartOf"].split() == section["ReloadPropagatedFrom"].split() == others
    assert unit()["Install"]["WantedBy"].split() == ["multi-user.target", *others]


def test_the_unit_calls_the_installed_executable_as_it_wants_to_be_called() -> None:
    service = unit()["Service"]
    path, *words = service["ExecStart"].split()
    assert service["ExecReload"] == service["ExecStart"]
    assert path == "/usr/bin/cni-bridge"
    assert 'PREFIX = Path("/usr")' in INSTALLER.read_text()
    assert main.build_parser().parse_args(words).quiet
