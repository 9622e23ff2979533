"""The reference's own test suites, with cni-bridge as the plugin: what fails is explained.

On a kernel with VLAN filtering only the specs about VLANs run (`make check-guest-upstream`): all others
run on every kernel.
"""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.lab import PLUGIN
from tests.lab.iproute import ip, ip_json
from tests.lab.namespaces import private_host
from tests.upstream import suites

EXPLAINED: list[dict[str, str]] = json.loads(Path(__file__).with_name("explained.json").read_text())
NEEDS_VLANS = "the kernel's bridges can't filter VLANs"
FEWEST = {"bridge": 300, "host-local": 80}  # specs; fewer have not all run

needs_go = pytest.mark.skipif(
    suites.go() is None and not all(path.exists() for path in suites.binaries().values()),
    reason="no Go toolchain to build the reference's test suites with",
)


def can_filter_vlans() -> bool:
    """Return whether bridges of this kernel have an option for it, as iproute2 sees them."""
    with private_host():
        ip("link", "add", "probe0", "type", "bridge")
        (found,) = ip_json("-d", "link", "show", "probe0")
    return "vlan_protocol" in found["linkinfo"]["info_data"]


@needs_go
@pytest.mark.parametrize("name", suites.SUITES)
def test_every_spec_passes_or_has_a_reason_not_to(name: str) -> None:
    has_vlans = can_filter_vlans()
    if has_vlans and name != "bridge":
        pytest.skip("nothing in this suite is about VLANs")
    specs = suites.run(suites.built()[name], PLUGIN, focus="(?i)vlan" if has_vlans else "")
    print(name, suites.version(), dict(Counter(each.state for each in specs)))
    assert len(specs) >= (80 if has_vlans else FEWEST[name])
    failed = [each for each in specs if not each.has_passed]
    unexplained = [each for each in failed if not reasons(name, each) and not left(each)]
    assert not unexplained, "\n\n".join(f"{each.name}\n{each.message}" for each in unexplained)
    if has_vlans:
        assert not any(map(left, failed))
        return
    stale = [each.name for each in specs if each.has_passed and reasons(name, each)]
    assert not stale, "explained.json gives a reason for specs that pass:\n" + "\n".join(stale)


def reasons(suite: str, spec: suites.Spec) -> list[str]:
    """Return why a spec may fail; one reason at most."""
    found = [
        each["reason"]
        for each in EXPLAINED
        if each["suite"] == suite and re.search(each["spec"], spec.name)
    ]
    assert len(found) <= 1, found
    return found


def left(spec: suites.Spec) -> bool:
    """Return whether a spec is left to a kernel with VLAN filtering."""
    return NEEDS_VLANS in spec.message
