"""Docker and network managers that run on the machine as well."""

import json

from tests.machine.boxes import HOST4, Boxes
from tests.machine.machines import Machine
from tests.machine.stages import FILES, IMAGE

DOCKER = f"""
systemctl start docker
docker import {FILES}/root.tar {IMAGE} > /dev/null
docker run --detach --name theirs --publish 8090:80 {IMAGE} \\
    sh -c 'echo theirs > /www/index.html; exec httpd -f -p 80 -h /www' > /dev/null
"""
GET = "timeout 10 busybox wget -q -O - http://"
EVERYTHING_BY_DHCP = "[Match]\nName=*\n[Network]\nDHCP=yes\n"
# What one of them could take away.
STATE = "ip -o address show web0 | sed 's/ tentative//' | sort; ip -o link show master web0 | cut -d: -f2"


def test_containers_of_docker_and_cni_bridge_reach_each_others_ports(
    guest: Machine, boxes: Boxes
) -> None:
    ours = boxes.start("one", 8081)
    guest.run(DOCKER)
    inside = f"nsenter --net --target {boxes.runtime.pid(ours)}"
    paths = (
        f"ip netns exec lan {GET}{HOST4}:8090/",
        f"{GET}127.0.0.1:8090/",
        f"{inside} {GET}{HOST4}:8090/",
        f"docker exec theirs wget -q -O - http://{HOST4}:{ours.port}/",
    )

    def answers() -> str:
        return guest.try_to_run("; ".join(f"{path} 2>&1 || echo failed" for path in paths)).stdout

    expected = "theirs\ntheirs\ntheirs\none\n"
    assert answers() == expected
    boxes.assert_all_reach()
    guest.run("docker restart --time 0 theirs")
    assert answers() == expected
    boxes.runtime.remove(ours)
    boxes.all.remove(ours)
    assert guest.run(f"ip netns exec lan {GET}{HOST4}:8090/") == "theirs\n"


def test_network_manager_leaves_bridge_and_containers_alone(guest: Machine, boxes: Boxes) -> None:
    guest.run("systemctl start NetworkManager")
    offered = guest.run("cni-bridge init shop -o /etc/cni/net.d/20-shop.conflist")
    assert "interface-name:shop0" in offered.partition("first: ")[2]
    boxes.start("one", 8081)
    before = guest.run(STATE)
    guest.run(
        "nmcli general reload; systemctl restart NetworkManager; nmcli --wait 20 device status"
    )
    assert guest.run(STATE) == before
    boxes.assert_all_reach()
    follow_doctor(guest, "NetworkManager")
    managed = "nmcli --terse --fields DEVICE,STATE device | grep -E '^(web|veth)' | grep -v unmanaged || true"
    assert guest.run(managed) == ""
    boxes.assert_all_reach()


def test_networkd_that_manages_everything_is_found_by_doctor(guest: Machine, boxes: Boxes) -> None:
    guest.write(
        "/etc/systemd/network/01-lan.network", "[Match]\nName=lan0\n[Link]\nUnmanaged=yes\n"
    )
    guest.write("/etc/systemd/network/99-all.network", EVERYTHING_BY_DHCP)
    guest.run("systemctl start systemd-networkd")
    boxes.start("one", 8081)
    follow_doctor(guest, "systemd-networkd")
    before = guest.run(STATE)
    guest.run("systemctl restart systemd-networkd; networkctl --no-pager")
    assert guest.run(STATE) == before
    boxes.assert_all_reach()


def follow_doctor(guest: Machine, manager: str) -> None:
    """Run the command that doctor has for a manager; then doctor must find nothing."""
    found = json.loads(guest.try_to_run("cni-bridge doctor --json").stdout)["findings"]
    (finding,) = found
    assert manager in finding["cause"]
    guest.run(finding["command"])
    guest.run("cni-bridge doctor")
