"""What the firewall does for attachments, read from the ledger and put into people's words.

Whether the kernel has it so is not looked at here.
"""

from collections.abc import Iterator
from struct import unpack_from

from cni_bridge import address
from cni_bridge.firewall import elements
from cni_bridge.firewall.model import Element
from cni_bridge.firewall.register import Register
from cni_bridge.lean.record import record
from cni_bridge.ledger import state_directory, store
from cni_bridge.model import Attachment

WORDS = {"no_icc": "no traffic inside", "strict": "strictly isolated"}


@record
class Published:
    """A port of the host, at every address of a family if `host_ip` is empty, and where it leads."""

    protocol: str
    host_ip: str
    host_port: int
    address: str
    container_port: int

    @property
    def text(self) -> str:
        """`8080/tcp to 80`, as short as it can be."""
        where = f"{_bracketed(self.host_ip)}:" if self.host_ip else ""
        return f"{where}{self.host_port}/{self.protocol} to {self.container_port}"


@record
class Guarded:
    """What the firewall does for one attachment and for its network; `flags` as sets are called."""

    ports: tuple[Published, ...] = ()
    masquerades: bool = False
    flags: tuple[str, ...] = ()

    @property
    def port_texts(self) -> tuple[str, ...]:
        """The ports, each once for both families."""
        return tuple(dict.fromkeys(each.text for each in self.ports))

    @property
    def fences(self) -> str:
        """How the network is closed off."""
        shown = [flag for flag in self.flags if flag != "isolated" or "strict" not in self.flags]
        return ", ".join(WORDS.get(flag, flag) for flag in shown)


NOTHING = Guarded()


class Guards:
    """Of the host's ledger, which alone has the firewall's half."""

    def __init__(self) -> None:
        ledger = store.find_ledger(state_directory.HOST)
        self._register = Register(ledger.database) if ledger else None

    def of(self, attachment: Attachment) -> Guarded:
        """What is done for an attachment."""
        register = self._register
        if register is None or not register.has(attachment):
            return NOTHING
        own = register.of_attachment(attachment)
        network = {item.set_name for item in register.of_network(attachment.network)}
        return Guarded(
            ports=tuple(_ports(own)),
            masquerades=any(item.set_name in ("masq4", "masq6") for item in own),
            flags=tuple(flag for flag in elements.FLAGS if flag in network),
        )


def _ports(own: tuple[Element, ...]) -> Iterator[Published]:
    for item in own:
        if item.set_name not in elements.PORT_MAPS or item.data is None:
            continue
        protocol, number, ip = elements.port_of(item)
        leads_to = elements.address_behind(item)
        (container_port,) = unpack_from("!H", item.data, len(leads_to))
        yield Published(
            protocol=elements.PROTOCOLS[protocol],
            host_ip=address.text(ip) if ip else "",
            host_port=number,
            address=address.text(leads_to),
            container_port=container_port,
        )


def _bracketed(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip
