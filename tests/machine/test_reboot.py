"""A machine that is rebooted, or loses power, while containers run."""

import re
import time

import pytest

from tests.machine.boxes import Boxes, Podman
from tests.machine.calls import Calls
from tests.machine.emulated import Emulated
from tests.machine.machines import NEEDS_KERNEL, Machine


def assert_nothing_stale(guest: Machine, boxes: Boxes) -> None:
    """Check that the records, ports and rules are those of the containers, and no others."""
    shown = guest.run("cni-bridge show")
    assert all(f"{box.port}" in shown for box in boxes.all), shown
    assert guest.run("cni-bridge gc --dry-run") == "nothing to clean up\n"
    guest.run("cni-bridge doctor")
    assert guest.run("systemctl --failed --plain --no-legend") == ""


# At shutdown: a plugin that fails, a server that cannot start, a container that is waited for.
DISORDER = "network remove error|contradicts existing jobs|stop-sigterm. timed out"
A_DAY_S = 86_400
ON_DISK = {"dataDir": "/var/lib/cni"}
LEDGERS = {"in /run": {}, "on disk": ON_DISK, "on disk, another kernel": ON_DISK}


@pytest.mark.parametrize("ledger", LEDGERS)
def test_containers_come_back_after_a_reboot(
    ledger: str, guest: Machine, boxes: Boxes, calls: Calls
) -> None:
    reboot = guest.reboot
    is_upgrade = ledger.endswith("another kernel")
    if is_upgrade:
        if not isinstance(guest, Emulated):
            pytest.skip(NEEDS_KERNEL)
        reboot = guest.upgrade_kernel
    calls.network("web", nameserver=True, **LEDGERS[ledger])
    boxes.start("one", 8081)
    boxes.start("two", 8082)
    boxes.assert_all_reach()
    assert_names_are_known(guest, boxes)
    calls.run("attach c1; attach c2")  # whose runtime does not start them again
    kernel = guest.run("uname -r")
    reboot()
    assert (guest.run("uname -r") != kernel) == is_upgrade
    log = guest.run("journalctl --quiet --boot=-1")
    assert "reboot" in log
    assert not re.search(DISORDER, log)
    boxes.wait()
    boxes.assert_all_reach()
    assert_names_are_known(guest, boxes)
    calls.run("attach c1; call DEL c2; detach c1")
    assert_nothing_stale(guest, boxes)


def assert_names_are_known(guest: Machine, boxes: Boxes) -> None:
    """Check that containers of podman, which tells their names, find each other by them."""
    if isinstance(boxes.runtime, Podman):
        assert guest.run("podman exec one wget -q -O - http://two/") == "two\n"
        assert guest.run("podman exec two wget -q -O - http://one/") == "one\n"


# It does not read the clock, and libfaketime lets time.sleep fail.
UNTOLD = "/etc/systemd/system/cni-bridge-restore.service.d/clock.conf"


@pytest.mark.parametrize("clock", ["clock right", "clock set back"])
def test_a_ledger_on_disk_forgets_what_ran_before_a_power_cut(
    clock: str, guest: Machine, boxes: Boxes, calls: Calls
) -> None:
    calls.network("web", dataDir="/var/lib/cni")
    boxes.start("one", 8081)
    guest.write(UNTOLD, "[Service]\nUnsetEnvironment=LD_PRELOAD\n")
    guest.run("sync")  # the runtime's own files
    calls.begin("churn", "attach c$n; test $n -lt 4 || detach c$((n - 3))")
    calls.wait_for("churn", 5)
    guest.cut_power()
    is_set_back = clock == "clock set back"
    guest.start(is_set_back=is_set_back)
    guest.wait()
    # systemd sets a clock from before its own day to that day.
    told = int(guest.run("systemd-run --quiet --pipe date +%s"))
    assert (told < time.time() - A_DAY_S) == is_set_back
    boxes.wait()
    boxes.assert_all_reach()
    calls.run("attach c1; detach c1")
    assert_nothing_stale(guest, boxes)
