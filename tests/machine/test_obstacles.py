"""What a machine may run out of, and what may confine containers."""

import json

import pytest

from tests.machine.boxes import Boxes
from tests.machine.calls import Calls
from tests.machine.machines import NEEDS_KERNEL, Machine

# The package leaves its profiles in complain mode.
ENFORCE = "sed -i s/complain,// /etc/apparmor.d/usr.sbin.dnsmasq; apparmor_parser --replace /etc/apparmor.d/usr.sbin.dnsmasq"
# As docs/names.md has it.
ALLOW = """
printf '%s\\n' '/run/cni-bridge-dns/** r,' '/run/cni-bridge-dns/*/dnsmasq.pid w,' >> /etc/apparmor.d/local/usr.sbin.dnsmasq
apparmor_parser --replace /etc/apparmor.d/usr.sbin.dnsmasq
"""
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


def test_apparmor_confines_dnsmasq_and_allows_our_files(guest: Machine, calls: Calls) -> None:
    if not guest.has_own_kernel:
        pytest.skip(NEEDS_KERNEL)
    calls.network("web", nameserver=True)
    guest.run(ENFORCE)
    attach = "attach c1 'IgnoreUnknown=1;K8S_POD_NAME=shop'"
    refused = json.loads(guest.try_to_run(calls.script(attach)).stdout)
    print(refused)
    assert "Permission denied\nAppArmor" in refused["details"]
    assert guest.run("cni-bridge gc --dry-run") == "nothing to clean up\n"
    guest.run(f"ip netns del c1; {ALLOW}")
    calls.run(attach)
    server = "$(cat /run/cni-bridge-dns/web/dnsmasq.pid)"
    assert guest.run(f"cat /proc/{server}/attr/current") == "dnsmasq (enforce)\n"
    # The address after the one that the refused ADD gave back.
    guest.run("busybox nslookup shop.cni.internal 10.77.0.1 | grep 10.77.0.3; cni-bridge doctor")
    calls.run("detach c1")
    assert guest.run("pidof dnsmasq || true") == ""
