"""A node: a machine with containerd, the kubelet, kube-proxy and cni-bridge, as the pages have it."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from tests.kubernetes.control import Control
from tests.kubernetes.images import PAUSE
from tests.kubernetes.pages import commands, files
from tests.kubernetes.surroundings import Place, wait_for
from tests.lab import ROOT

CONTAINERD_CONFIG = "/etc/containerd/config.toml"
CONFLIST = "/etc/cni/net.d/10-pods.conflist"
# Layers keep what is written below them from this machine, as `make install` and the pages write there.
PREPARE = """
mkdir /run/cgroups
mount --rbind /sys/fs/cgroup /run/cgroups
mount -t sysfs sysfs /sys
mount --rbind /run/cgroups /sys/fs/cgroup
umount -l /run/cgroups
for each in etc usr var/lib; do
    mkdir -p "$0/upper/$each" "$0/work/$each"
    mount -t overlay overlay -o "lowerdir=/$each,upperdir=$0/upper/$each,workdir=$0/work/$each" "/$each"
done
for each in /opt /var/log /etc/cni /var/lib/cni /var/lib/containerd /var/lib/kubelet; do
    mkdir -p "$each" "$0$each"
    mount --bind "$0$each" "$each"
done
mkdir -p /opt/cni/bin /etc/cni/net.d /etc/containerd /var/log/pods
printf '%s\\n' "$2" > "$0/boot_id"
mount --bind "$0/boot_id" /proc/sys/kernel/random/boot_id
printf '%032x\\n' "$1" > /etc/machine-id
printf '127.0.0.1 localhost\\n' > /etc/hosts
mount --make-rshared /
"""
# A machine without systemd, where processes of containers may not get any score they like.
CONTAINERD = f"""
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{PAUSE}"

[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
"""
SYSCTLS = (
    *("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"),
    *("net.bridge.bridge-nf-call-iptables=1", "net.bridge.bridge-nf-call-ip6tables=1"),
)
OF_PODS = re.compile(r"masq|port|snat")  # sets of nftables


class Node(Place):
    """Node number N is nN, at 192.0.2.N and 2001:db8::N."""

    def __init__(self, number: int, control: Control, below: Place, directory: Path) -> None:
        super().__init__(f"n{number}", directory)
        self.number = number
        self.control = control
        self.addresses = (f"192.0.2.{number}", f"2001:db8::{number}")
        self.environment |= {
            "KUBECONFIG": str(control.keys.file("admin.conf")),
            "CONTAINER_RUNTIME_ENDPOINT": "unix:///run/containerd/containerd.sock",
            "NODE": self.name,
        }
        boot_id = f"00000000-0000-4000-8000-{number:012}"
        self.run("sh", "-euc", PREPARE, directory, str(number + 4096), boot_id)
        link = ("ip", "link", "add", f"node{number}", "type", "veth", "peer", "name", "eth0")
        below.in_network(*link, "netns", str(self.pid))
        below.in_network("ip", "link", "set", f"node{number}", "master", "below", "up")
        self.run("ip", "link", "set", "eth0", "up")
        for address, bits, gateway in zip(
            self.addresses, (24, 64), ("192.0.2.100", "2001:db8::100"), strict=True
        ):
            nodad = ("nodad",) if ":" in address else ()
            self.run("ip", "address", "add", f"{address}/{bits}", "dev", "eth0", *nodad)
            self.run("ip", "route", "add", "default", "via", gateway)
        self.run("sysctl", "-qw", *SYSCTLS)

    # ------------------------------------------------------------ as the pages have it

    def install(self) -> None:
        """Do `make install`, and what runtimes/cri.md does beside it."""
        install = ("build/install.py", "install", "--destdir", "/", "--prefix", "/usr")
        python = (sys.executable, *install, "--plugin-dir", "/opt/cni/bin")
        self.run("env", f"--chdir={ROOT}", *python)
        self.run("ln", "-sf", "/usr/lib/cni/loopback", "/opt/cni/bin/loopback")
        config = files("runtimes/kubernetes.md")[CONTAINERD_CONFIG]
        self.write(CONTAINERD_CONFIG, config + CONTAINERD)

    def configure(self, conflist: dict[str, Any]) -> None:
        """Write the network's config after validating it."""
        self.write("/run/new.conflist", json.dumps(conflist, indent=2))
        self.run("cni-bridge", "validate", "/run/new.conflist")
        self.run("mv", "/run/new.conflist", CONFLIST)

    def configure_as_page(self) -> None:
        """Write the network of runtimes/kubernetes.md with this node's podCIDRs, as the page tells."""
        conflist = json.loads(files("runtimes/kubernetes.md")[CONFLIST])
        ranges = [[{"subnet": each}] for each in self.pod_subnets()]
        conflist["plugins"][0]["ipam"]["ranges"] = ranges
        self.configure(conflist)

    def do(self, page: str) -> str:
        """Run the commands of a page that are for a node of a cluster, and return what they print."""
        return "".join(self.run("bash", "-euo", "pipefail", "-c", each) for each in commands(page))

    def configure_as_example(self, name: str, **cluster: object) -> None:
        """Write a network of conf/kubernetes, with these keys of its `cluster` object besides."""
        conflist = json.loads((ROOT / f"conf/kubernetes/{name}.conflist").read_text())
        conflist["plugins"][0]["cluster"] |= cluster
        self.configure(conflist)

    def start_agent(self) -> None:
        """Start the agent as the unit does, without systemd."""
        self.start("agent", "/usr/bin/cni-bridge", "agent", "pods", "--metrics", "127.0.0.1:9468")

    # ------------------------------------------------------------ programs

    def start_containerd(self, images: tuple[Path, ...]) -> None:
        """Start containerd, with these images."""
        self.start("containerd", "containerd")
        wait_for(lambda: self.attempt("ctr", "version").returncode == 0, 30)
        for each in images:
            self.run("ctr", "-n", "k8s.io", "images", "import", each)

    def start_kubelet(self, *words: str) -> None:
        """Start the kubelet, for a machine whose cgroups are another one's."""
        keys = self.control.keys
        keys.issue(
            self.name,
            f"system:node:{self.name}",
            self.name,
            self.addresses[0],
            group="system:nodes",
        )
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "x509": {"clientCAFile": str(keys.file("ca.crt"))},
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(keys.file(f"{self.name}.crt")),
            "tlsPrivateKeyFile": str(keys.file(f"{self.name}.key")),
            "containerRuntimeEndpoint": self.environment["CONTAINER_RUNTIME_ENDPOINT"],
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "failCgroupV1": False,
            "localStorageCapacityIsolation": True,
            "makeIPTablesUtilChains": False,
            "resolvConf": "",
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "0%"},
        }
        self.write("/run/kubelet.json", json.dumps(config))
        kubeconfig = keys.kubeconfig(self.name)
        self.start(
            "kubelet",
            *("kubelet", "--config", "/run/kubelet.json", "--kubeconfig", kubeconfig),
            *("--hostname-override", self.name, "--node-ip", ",".join(self.addresses), *words),
        )

    def start_proxy(self, networks: tuple[str, ...]) -> None:
        """Start kube-proxy in nftables mode."""
        config = self.control.keys.file("kube-proxy.conf")
        words = (
            "--kubeconfig",
            config,
            "--hostname-override",
            self.name,
            "--proxy-mode",
            "nftables",
        )
        more = ("--conntrack-max-per-core", "0", "--cluster-cidr", ",".join(networks))
        self.start("kube-proxy", "kube-proxy", *words, *more)

    # ------------------------------------------------------------ asking

    def write(self, path: str, text: str) -> None:
        """Write a file of this machine."""
        self.run("sh", "-euc", 'cat > "$0"', path, text=text)

    def pod_subnets(self) -> list[str]:
        """Return the node's podCIDRs once it has some."""
        found: list[str] = []

        def are_known() -> bool:
            done = self.attempt("kubectl", "get", "node", self.name, "-o", "json")
            found[:] = json.loads(done.stdout)["spec"].get("podCIDRs", ()) if done.stdout else ()
            return bool(found)

        wait_for(are_known, 60, lambda: self.log("kubelet")[-2000:])
        return found

    def condition(self, kind: str = "Ready") -> tuple[str, str]:
        """Return status and message of a condition of the node."""
        for each in self.control.get("node", self.name)["status"].get("conditions", ()):
            if each["type"] == kind:
                return each["status"], each["message"]
        return "Unknown", ""

    def has_a_kubelet(self) -> bool:
        """Whether the kubelet says that it is well."""
        health = ("curl", "-sf", "-m", "5", "http://127.0.0.1:10248/healthz")
        return self.attempt(*health).returncode == 0

    def is_ready(self) -> bool:
        """Whether Kubernetes takes the node for ready."""
        return self.condition()[0] == "True"

    def left_behind(self) -> list[str]:
        """Return what pods have left: links, namespaces, records, elements of nftables, cached results."""
        links = json.loads(self.run("ip", "-json", "link", "show", "type", "veth"))
        found = [f"link {each['ifname']}" for each in links if each["ifname"] != "eth0"]
        found += [f"netns {each}" for each in self.run("ls", "/run/netns").split()]
        shown = json.loads(self.run("cni-bridge", "show", "--json"))
        found += [f"record {each['container']}" for each in shown["attachments"]]
        for each in json.loads(self.run("nft", "-j", "list", "ruleset"))["nftables"]:
            held = each.get("set") or each.get("map") or {}
            if (
                held.get("table") == "cni_bridge"
                and OF_PODS.match(held["name"])
                and held.get("elem")
            ):
                found.append(f"{held['name']} {held['elem']}")
        cached = self.run(
            "sh", "-c", "ls /var/lib/cni/results /var/lib/cni/cache/results 2>/dev/null || true"
        )
        return found + [f"cached {each}" for each in cached.split() if not each.endswith(":")]

    def assert_nothing_left(self, seconds: float = 60) -> None:
        """Wait until pods that were deleted have left nothing."""
        wait_for(lambda: not self.left_behind(), seconds, self.left_behind)
