"""Find the kernel features that networks can use and this host lacks, by trying them."""

from collections.abc import Callable

from cni_bridge.cli.lab import namespaces
from cni_bridge.errors import CniError
from cni_bridge.firewall import nft_tables
from cni_bridge.kernel import child, links
from cni_bridge.kernel.netlink import Socket
from cni_bridge.kernel.nftables import NFPROTO_BRIDGE, NFPROTO_INET
from cni_bridge.lean import bundle
from cni_bridge.model_optional import Bandwidth, Limit, VlanFilter
from cni_bridge.parts import bandwidth, vlan

BRIDGE, VETH, RULES, SPOOF = "bridge", "veth", "nftables", "nftables of bridges"
VLANS, INGRESS, EGRESS = "VLANs", "ingress limits", "egress limits"
SOME = Limit(bytes_per_second=1_000_000, burst_bytes=1_000_000)
TRIAL_MAC = bytes((2, 0, 0, 0, 0, 1))

Missing = dict[str, str]  # what, and why


def missing() -> Missing:
    """Return what does not work here, and what the kernel or program reported."""
    trials: dict[str, Callable[[], object]] = {
        BRIDGE: lambda: Socket().run(
            links.create_bridge("trial0", mac=TRIAL_MAC, mtu=0, filters_vlans=False)
        ),
        VETH: lambda: Socket().run(
            links.create_veth("trial1", "trial2", bridge=0, netns=None, mtu=0)
        ),
        RULES: lambda: _check_rules(NFPROTO_INET),
        SPOOF: lambda: _check_rules(NFPROTO_BRIDGE),
        VLANS: lambda: vlan.demand(Socket(), VlanFilter(access=1)),
        INGRESS: lambda: bandwidth.require(Socket(), Bandwidth(ingress=SOME, egress=None)),
        EGRESS: lambda: bandwidth.require(Socket(), Bandwidth(ingress=None, egress=SOME)),
    }
    return namespaces.in_fresh(
        lambda: {name: why for name, trial in trials.items() if (why := _complaint(trial))}
    )


def _complaint(trial: Callable[[], object]) -> str:
    try:
        trial()
    except (CniError, OSError) as error:
        return str(error).partition("\n")[0]
    return ""


def _check_rules(family: int) -> None:
    """Let nft check the rules without loading them; the kernel tries all of them."""
    file, _ = nft_tables.RULES[family]
    check = (nft_tables.find_nft(), "-c", "-f", "-")
    done = child.run(check, bundle.data(file), timeout_ms=nft_tables.PATIENCE_MS)
    if done.status:
        raise OSError(done.stderr.decode(errors="replace").strip())
