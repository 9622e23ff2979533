"""An ordinary user's podman on a private machine: its own user and network namespace, slirp4netns as the way out.

What the user's containers should reach is judged by the tests.
"""

import os
import shutil
import stat
from pathlib import Path

from tests.lab import namespaces
from tests.runtimes.arrangements import NETWORK
from tests.runtimes.machine import Machine
from tests.runtimes.podman import CONFIG, NETWORK_DIRECTORY, WITHOUT_SYSTEMD

USER, NUMBER = "tester", 4242
HOME, RUNTIME_DIRECTORY = Path("/var/lib/containers/tester"), Path("/run/user", str(NUMBER))
TUN, TUN_DEVICE = Path("/dev/net/tun"), os.makedev(10, 200)  # admin-guide/devices.txt
ACCOUNTS = {
    "/etc/passwd": f"{USER}:x:{NUMBER}:{NUMBER}::{HOME}:/bin/sh\n",
    "/etc/group": f"{USER}:x:{NUMBER}:\n",
    "/etc/subuid": f"{USER}:100000:65536\n",
    "/etc/subgid": f"{USER}:100000:65536\n",
}


class RootlessPodman:
    """podman for a user without rights."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.install()
        namespaces.layer("/etc")
        for path, line in ACCOUNTS.items():
            with Path(path).open("a") as file:
                file.write(line)
        self._open_tun()
        self._make_home()

    def __call__(self, *words: str) -> str:
        """Return what `podman WORDS` prints; it must succeed."""
        to_user = ("setpriv", "--reuid", USER, "--regid", USER, "--init-groups")
        variables = (f"HOME={HOME}", f"XDG_RUNTIME_DIR={RUNTIME_DIRECTORY}")
        return self.machine.run(*to_user, "env", f"--chdir={HOME}", *variables, "podman", *words)

    def start(self, name: str, *options: str) -> tuple[str, str]:
        """Return a container with a web server; its addresses of both families."""
        root = shutil.copytree(self.machine.root_directory(name), HOME / name, symlinks=True)
        self.machine.run("chown", "--recursive", USER, root)
        words = ("--name", name, "--network", NETWORK, *options, "--rootfs", str(root))
        self("run", "--detach", *words, "/bin/httpd", "-f", "-p", "80", "-h", "/www")
        found = f"(index .NetworkSettings.Networks {NETWORK!r})".replace("'", '"')
        wanted = f"{{{{{found}.IPAddress}}}} {{{{{found}.GlobalIPv6Address}}}}"
        v4, v6 = self("inspect", "--format", wanted, name).split()
        return v4, v6

    def _open_tun(self) -> None:
        """As on machines whose devices are managed, where anybody may open it."""
        node = Path("/run/tun")
        os.mknod(node, stat.S_IFCHR | 0o666, TUN_DEVICE)
        node.chmod(0o666)
        namespaces.mount(str(node), TUN, flags=namespaces.MS_BIND)

    def _make_home(self) -> None:
        settings = HOME / ".config/containers"
        settings.mkdir(parents=True)
        networks = HOME / ".config/cni/net.d"
        config = CONFIG.replace(NETWORK_DIRECTORY, str(networks))
        (settings / "containers.conf").write_text(
            config + WITHOUT_SYSTEMD + 'cgroups = "disabled"\n'
        )
        (settings / "storage.conf").write_text('[storage]\ndriver = "vfs"\n')
        networks.mkdir(parents=True)
        self.machine.configure(self.machine.arrangement.conflist, networks)
        RUNTIME_DIRECTORY.mkdir(parents=True)
        self.machine.run("chown", "--recursive", USER, HOME, RUNTIME_DIRECTORY)
