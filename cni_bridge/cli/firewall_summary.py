"""What the firewall does for attachments, read from the ledger and put into words.

The kernel's rules are not inspected here.
"""

from collections.abc import Iterator

from cni_bridge import address
from cni_bridge.firewall import nft_elements
from cni_bridge.firewall.model import Element, protocol_name
from cni_bridge.firewall.register import Register
from cni_bridge.lean.record import record
from cni_bridge.ledger import state_directory, store
from cni_bridge.model import Attachment

WORDS = {
    "no_icc": "no traffic inside",
    "strict": "strictly isolated",
    "gateway_only": "host at its gateway only",
    "no_host": "host out of reach",
}


@record
class Published:
    """A published host port and its target; an empty `host_ip` means every address of the family."""

    protocol: str
    host_ip: str
    host_port: int
    address: str
    container_port: int
    count: int = 1  # of consecutive ports

    @property
    def text(self) -> str:
        """The shortest form: `8080/tcp to 80`."""
        where = f"{_bracketed(self.host_ip)}:" if self.host_ip else ""
        return f"{where}{self.name} to {_numbers(self.container_port, self.count)}"

    @property
    def name(self) -> str:
        """Like `8080/tcp`, or `8000-8099/tcp`."""
        return f"{_numbers(self.host_port, self.count)}/{self.protocol}"

    @property
    def host_ports(self) -> range:
        """The numbers of the host's ports."""
        return range(self.host_port, self.host_port + self.count)


@record
class Protection:
    """The firewall's part of one attachment and its network; `flags` are names of the network's sets."""

    ports: tuple[Published, ...] = ()
    masquerades: bool = False
    flags: tuple[str, ...] = ()
    is_isolated: bool = False  # by a command

    @property
    def port_texts(self) -> tuple[str, ...]:
        """The published ports, each once for both families."""
        return tuple(dict.fromkeys(each.text for each in self.ports))

    @property
    def restrictions(self) -> str:
        """How the network is restricted, in words."""
        implied = {"strict": "isolated", "internal": "gateway_only"}
        hidden = {"no_ipv6", *(implied[flag] for flag in self.flags if flag in implied)}
        shown = [flag for flag in self.flags if flag not in hidden]
        return ", ".join(WORDS.get(flag, flag) for flag in shown)


NOTHING = Protection()


class FirewallRecords:
    """The firewall's half of the host's ledger; no other ledger has one."""

    def __init__(self) -> None:
        ledger = store.find_ledger(state_directory.HOST)
        self._register = Register(ledger.database) if ledger else None

    def of(self, attachment: Attachment) -> Protection:
        """Return the firewall's part of an attachment."""
        register = self._register
        if register is None or not register.has(attachment):
            return NOTHING
        own = register.of_attachment(attachment)
        network = {item.set_name for item in register.of_network(attachment.network)}
        return Protection(
            ports=tuple(ports_of(own)),
            masquerades=any(item.set_name in ("masq4", "masq6") for item in own),
            flags=tuple(flag for flag in nft_elements.FLAGS if flag in network),
            is_isolated=nft_elements.is_isolated(own),
        )


def ports_of(own: tuple[Element, ...]) -> Iterator[Published]:
    """Yield the ports that elements publish."""
    for item in own:
        if item.set_name in nft_elements.PORT_MAPS and item.data is not None:
            port = nft_elements.published_port(item)
            yield Published(
                protocol=protocol_name(port.protocol),
                host_ip=address.text(port.host_ip) if any(port.host_ip) else "",
                host_port=port.host_port,
                address=address.text(nft_elements.address_behind(item)),
                container_port=port.container_port,
                count=port.count,
            )


def _numbers(first: int, count: int) -> str:
    return f"{first}-{first + count - 1}" if count > 1 else f"{first}"


def _bracketed(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip
