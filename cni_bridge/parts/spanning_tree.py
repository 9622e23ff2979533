"""Bridge ports that the spanning tree protocol (STP) keeps from forwarding.

Loaded only for bridges with STP.
"""

from cni_bridge.kernel import links
from cni_bridge.kernel.messages import IF_OPER_UP
from cni_bridge.stderr import remark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.kernel.links import Link
    from cni_bridge.kernel.netlink import Socket


def holds_back(host: "Socket", port: "Link", left: float) -> bool:
    """Return whether STP keeps a port that is up from forwarding, for longer than an ADD can wait.

    Remark on it then. The kernel's STP takes 4 s at least, and starts with listening; `left` is how
    many seconds a blocked port is waited for.
    """
    state = links.STP_STATES.get(port.port.state) if port.port else None
    if port.operstate != IF_OPER_UP or state is None or (state == "blocking" and left > 0):
        return False
    bridge = links.parse(host.ask(links.get(port.master)))
    delay = 2 * bridge.forward_delay / 100  # it listens that long, and then learns
    remark(
        f"{port.name} is {state}: bridge {bridge.name} uses STP, and forwards frames of the container "
        f"after {delay:g} s; shorten its forward delay, or switch STP off"
    )
    return True
