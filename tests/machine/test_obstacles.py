"""What a machine may run out of, and what may confine containers."""

import pytest

from tests.machine.boxes import Boxes
from tests.machine.calls import Calls
from tests.machine.machines import NEEDS_KERNEL, Machine

FULL = "dd if=/dev/zero of={directory}/full bs=1M status=none; dd if=/dev/zero of={directory}/full2 bs=512 status=none"


@pytest.mark.parametrize("directory", ["/run", "/var"])
def test_a_full_directory_harms_nothing_that_runs(
    directory: str, guest: Machine, boxes: Boxes, calls: Calls
) -> None:
    if directory == "/var":
        calls.network("web", dataDir="/var/lib/cni")
    boxes.start("one", 8081)
    calls.run("attach c1; ip netns add c2; ip netns add c3")
    guest.try_to_run(FULL.format(directory=directory))
    refused = guest.try_to_run(calls.script("call ADD c2"))
    print(refused.stdout, refused.stderr)
    assert '"code"' in refused.stdout or '"cniVersion"' in refused.stdout
    boxes.assert_all_reach()
    freed = guest.try_to_run(calls.script("call DEL c1; call DEL c2"))
    print(freed.stdout, freed.stderr)
    guest.run(f"rm {directory}/full*")
    calls.run("call DEL c1; call DEL c2; attach c4; detach c4")
    boxes.assert_all_reach()
    guest.run("cni-bridge gc; cni-bridge doctor")


def test_apparmor_confines_containers_and_not_their_network(guest: Machine, boxes: Boxes) -> None:
    if not guest.has_own_kernel:
        pytest.skip(NEEDS_KERNEL)
    assert guest.run("cat /sys/module/apparmor/parameters/enabled") == "Y\n"
    box = boxes.start("one", 8081)
    profile = guest.run(f"cat /proc/{boxes.runtime.pid(box)}/attr/current")
    print(profile)
    assert profile.endswith("(enforce)\n")
    boxes.assert_all_reach()
