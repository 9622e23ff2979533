"""The pages of docs/runtimes do what they say: their files are written and their commands executed, in order.

A block whose language is followed by a path is that file; what a machine without systemd needs besides is added here.
"""

import json
import re
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab import ROOT, namespaces
from tests.runtimes.arrangements import only_alone
from tests.runtimes.containerd import DEBIANS_CONFIG, OFFLINE, Containerd
from tests.runtimes.machine import CNI_BIN, CNI_CONF, Machine
from tests.runtimes.podman import WITHOUT_SYSTEMD

PAGES = [page for page in (ROOT / "docs/runtimes").glob("[a-z]*.md") if "```sh" in page.read_text()]
BLOCK = re.compile(
    r"^```(?P<kind>\w+) ?(?P<path>\S*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
CHANGED = ("/etc/containers", "/etc/containerd")
NEEDED = {
    "/etc/containers/containers.conf": WITHOUT_SYSTEMD,
    str(DEBIANS_CONFIG): OFFLINE,
}
FUNCTIONS = f"""
cd {ROOT}
python() {{ {sys.executable} "$@"; }}
apt-get() {{ dpkg-query --status "${{@:3}}" > /dev/null; }}
systemctl() {{ [ "$*" = "restart containerd" ]; touch /run/restart-containerd; }}
"""
RESTART = Path("/run/restart-containerd")


@pytest.fixture
def bare(machine: Machine) -> Machine:
    """Return a machine on which `make install` has been done and nothing else."""
    machine.install()
    for each in (*CNI_CONF.iterdir(), *CNI_BIN.iterdir()):
        if each.name != "cni-bridge":
            each.unlink()
    for directory in CHANGED:
        namespaces.layer(directory)
    machine.shared.clear()
    return machine


@only_alone
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_commands_of_a_page_work_and_leave_nothing(page: Path, bare: Machine) -> None:
    with ExitStack() as daemons:
        for block in BLOCK.finditer(page.read_text()):
            if block["path"]:
                write(bare, block["path"], block["text"])
            elif block["kind"] == "sh":
                bare.run("bash", "-euo", "pipefail", "-c", FUNCTIONS + block["text"])
            if RESTART.exists():
                RESTART.unlink()
                daemons.enter_context(Containerd(bare, DEBIANS_CONFIG))


def write(machine: Machine, path: str, text: str) -> None:
    """Write a file of the page, with what this machine needs besides; its bridge may stay."""
    Path(path).write_text(text + NEEDED.get(path, ""))
    if path.endswith(".conflist"):
        machine.shared.update(each["bridge"] for each in json.loads(text)["plugins"])


def test_there_is_a_page_for_every_runtime() -> None:
    wanted = {"buildah", "containerd", "cri", "kubernetes", "nerdctl", "podman", "rootless"}
    assert {page.stem for page in PAGES} == wanted
