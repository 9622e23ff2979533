"""The cells of a table of attachments: one fact of an attachment as short text."""

import time

from cni_bridge.cli import inventory, terminal, units
from cni_bridge.cli.host_state import KernelInterface
from cni_bridge.cli.inventory import Attached
from cni_bridge.cli.terminal import Text

STYLES = {
    inventory.OK: "green",
    inventory.ADDING: "cyan",
    inventory.MISSING: "bold red",
    inventory.LEAKED: "bold yellow",
    inventory.FOREIGN: "blue",
    inventory.UNKNOWN: "bold yellow",
}


def host_end(each: Attached) -> str:
    """Return the host end, or the far end of a wire."""
    if each.far_end:
        return f"wire to {each.far_title} {each.far_end.interface}"
    return each.host_name + (" (parked)" if each.is_wire else "")


def end(name: str, interface: KernelInterface | None) -> str:
    """Describe an interface: MAC, MTU, state."""
    if interface is None:
        return f"{name}: none"
    state = "up" if interface.is_up else "DOWN"
    return f"{name}, {interface.mac}, mtu {interface.mtu}, {state}"


def addresses(each: Attached) -> Text:
    """Return all addresses, one a line."""
    return terminal.lines(each.shown_addresses or ("-",))


def traffic(each: Attached) -> str:
    """Return the bytes received and sent."""
    received, sent = each.traffic
    return f"{units.size(received)} / {units.size(sent)}"


def rates(each: Attached) -> str:
    """Return the bytes received and sent a second."""
    return " / ".join(map(units.size, each.rates)) or "-"


def age(each: Attached) -> str:
    """Return the time since ADD."""
    return "-" if each.created is None else units.age(time.time_ns() // 1_000_000 - each.created)


def health(each: Attached) -> Text:
    """Return the health in its colour."""
    return Text(each.health, style=STYLES[each.health])
