"""The Debian package: without complaints, and tried in a Debian made for it alone."""

import subprocess
from pathlib import Path

import pytest

from tests.packages.conftest import only

# What dpkg itself and the trial leave; everything else must be gone after the purge.
FILES = (
    "find / -xdev -not -path '/proc*' -not -path '/run*' -not -path '/var/lib/dpkg/*' "
    "-not -path '/var/log/*' -not -path '/var/cache/*' -not -path '/tmp*' | sort"
)
TRIAL = f"""
set -e
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t tmpfs tmpfs /run
wants=/etc/systemd/system/multi-user.target.wants; mkdir -p $wants
ip link set lo up; ip link show > /tmp/links; {FILES} > /tmp/before
dpkg -i /tmp/cni-bridge.deb
test "$(readlink -f /opt/cni/bin/cni-bridge)" = /usr/lib/cni-bridge/cni-bridge
test "$(readlink -f /usr/lib/cni/cni-bridge)" = /usr/lib/cni-bridge/cni-bridge
ln -s /usr/lib/systemd/system/cni-bridge-restore.service $wants # as systemctl enable does
cni-bridge --version
cni-bridge validate /usr/share/doc/cni-bridge/conf/10-bridge.conflist
ip netns add blue
export CNI_CONTAINERID=blue CNI_IFNAME=eth0 CNI_NETNS=/run/netns/blue CNI_PATH=/opt/cni/bin
config='{{"cniVersion": "1.1.0", "name": "web", "type": "cni-bridge", "bridge": "web0",
  "isGateway": true, "ipMasq": true, "ipam": {{"type": "cni-bridge", "subnet": "10.9.0.0/24"}}}}'
echo "$config" | CNI_COMMAND=ADD /opt/cni/bin/cni-bridge
ping -c 1 -W 5 10.9.0.2
echo "$config" | CNI_COMMAND=DEL /opt/cni/bin/cni-bridge
ip netns del blue; ip link del web0; ip link show | diff /tmp/links -
dpkg --purge cni-bridge
test -z "$(nft list tables)"; test ! -e /run/cni-bridge
{FILES} | diff /tmp/before -
"""


@pytest.fixture(scope="module")
def bare_debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small Debian in a directory."""
    root = tmp_path_factory.mktemp("debian") / "root"
    quiet = ("--quiet", "--mode=root", "--variant=essential")
    wanted = "--include=iproute2,iputils-ping,mount,nftables"
    release = _run("sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME").strip()
    _run("mmdebstrap", *quiet, wanted, release, str(root))
    return root


def test_lintian_has_nothing_to_say(release: Path) -> None:
    complaints = _run(
        "lintian", "--allow-root", "--fail-on", "warning", str(only(release, "*.deb"))
    )
    assert complaints == ""


def test_package_works_in_a_bare_debian_and_leaves_nothing(
    release: Path, bare_debian: Path
) -> None:
    package = only(release, "*.deb")
    (bare_debian / "tmp/cni-bridge.deb").write_bytes(package.read_bytes())
    alone = ("unshare", "--mount", "--net", "--pid", "--fork", "chroot", str(bare_debian))
    said = _run(*alone, "sh", "-c", TRIAL)
    assert "1 received" in said


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
