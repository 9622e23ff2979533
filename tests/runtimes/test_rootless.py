"""podman 4 of an ordinary user, with CNI networks."""

import urllib.request

import pytest

from tests.runtimes.features import REACH, USERS_PORT, proves
from tests.runtimes.machine import Machine
from tests.runtimes.rootless import RootlessPodman

RUNTIME = ("rootless podman", "podman")


@pytest.fixture
def rootless(machine: Machine) -> RootlessPodman:
    """Return an ordinary user's podman on that machine."""
    return RootlessPodman(machine)


@proves(REACH)
def test_two_containers_of_a_user_reach_each_other_by_both_families(
    rootless: RootlessPodman,
) -> None:
    v4, v6 = rootless.start("a")
    rootless.start("b")
    for url in (f"http://{v4}/", f"http://[{v6}]/"):
        assert "hello" in rootless("exec", "b", "wget", "-q", "-O", "-", url)
    assert "web0" in rootless("unshare", "--rootless-netns", "ip", "link")
    rootless("rm", "--all", "--force", "--time", "0")
    assert "web0" not in rootless("unshare", "--rootless-netns", "ip", "link")


@proves(USERS_PORT)
def test_a_published_port_of_a_user_answers_localhost(rootless: RootlessPodman) -> None:
    rootless.start("a", "--publish", "8080:80")
    with urllib.request.urlopen("http://127.0.0.1:8080/", timeout=5) as answer:
        assert b"hello" in answer.read()
    rootless("rm", "--all", "--force", "--time", "0")
