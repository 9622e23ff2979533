"""The package and its units as dpkg and systemd have them."""

from tests.machine import outcomes
from tests.machine.boxes import Boxes
from tests.machine.calls import AGENT, Calls
from tests.machine.machines import Machine
from tests.machine.stages import FILES, NEWER

MOST_EXPOSED = 4.0  # of 10; nothing is left out that they could do without
UNITS = ("cni-bridge-restore.service", "cni-bridge-agent@pods.service")
# Containers, logs and dpkg's own records stay, and so do files that the scenario itself made.
REMAINS = (
    "find / -xdev \\( -path /proc -o -path /sys -o -path /srv -o -path /root -o -path /var/cache "
    "-o -path /var/log -o -path /var/lib/dpkg -o -path /tmp \\) -prune -o "
    "-name '*cni-bridge*' -print -o -name '*cni_bridge*' -print; find /run -name '*cni-bridge*'; "
    "nft list tables | grep cni_bridge || true"
)


def test_units_are_what_systemd_expects(guest: Machine, suite: str) -> None:
    for unit in UNITS:
        assert guest.try_to_run(f"systemd-analyze verify --man=no {unit} 2>&1").stdout == ""
        verdict = guest.run(f"systemd-analyze security --no-pager {unit} | tail -1")
        exposure = verdict.split(": ")[1].split()[0]
        assert float(exposure) < MOST_EXPOSED
        outcomes.note(suite, f"exposure of {unit}", exposure)


def test_an_upgrade_disturbs_neither_containers_nor_plugins(
    guest: Machine, boxes: Boxes, calls: Calls
) -> None:
    boxes.start("one", 8081)
    calls.join("http://192.0.2.9:2379")  # which does not answer
    guest.run(f"systemctl start --no-block {AGENT}")
    calls.network("web")
    calls.begin("churn", "attach c$n && detach c$n || echo failed")
    calls.wait_for("churn", 3)
    guest.run(f"apt-get install --quiet --yes {FILES}/newer.deb")
    calls.wait_for("churn", 20)
    assert "failed" not in calls.end("churn")
    assert guest.run("dpkg-query -W -f '${Version}' cni-bridge") == NEWER
    guest.run("timeout 60 sh -c 'until systemctl is-active cni-bridge-restore; do sleep 0.2; done'")
    assert guest.run(f"systemctl show -P ActiveState {AGENT}") == "activating\n"
    boxes.assert_all_reach()


def test_a_purge_leaves_nothing(guest: Machine, boxes: Boxes) -> None:
    box = boxes.start("one", 8081)
    boxes.runtime.remove(box)
    guest.run("apt-get purge --quiet --yes cni-bridge")
    assert guest.run(REMAINS) == ""
    assert guest.run("systemctl list-units --all --plain --no-legend 'cni-bridge*'") == ""
    assert guest.run("systemctl --failed --plain --no-legend") == ""
