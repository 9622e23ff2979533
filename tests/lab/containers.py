"""Containers, as far as a network plugin knows them: a named network namespace and an id.

What is seen from inside; nothing here changes the host's network.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import namespaces
from tests.lab.iproute import ip, ip_json
from tests.lab.ping import answers


@dataclass(frozen=True)
class Container:
    """A named network namespace; the name is the container id too."""

    name: str

    @property
    def netns(self) -> Path:
        """Where the namespace is mounted."""
        return namespaces.NETNS_DIR / self.name

    @property
    def exists(self) -> bool:
        """Whether the namespace is still there."""
        return self.netns.exists()

    def create(self) -> "Container":
        """Make the namespace, with nothing in it but a `lo` that is down."""
        namespaces.create_netns(self.netns)
        return self

    def delete(self) -> None:
        """Remove the namespace."""
        namespaces.delete_netns(self.netns)

    def ip(self, *words: str) -> str:
        """`ip`, run inside."""
        return ip(*words, container=self.name)

    def link(self, ifname: str = "eth0") -> dict[str, Any]:
        """Return the interface in the words of `ip -d -j link`."""
        return ip_json("-d", "link", "show", ifname, container=self.name)[0]

    def links(self) -> set[str]:
        """Return the names of all interfaces inside."""
        return {link["ifname"] for link in ip_json("link", container=self.name)}

    def addresses(self, ifname: str = "eth0") -> list[str]:
        """Return the addresses as `address/length`, link-local ones left out."""
        return ip_addresses(ifname, container=self.name)

    def routes(self, family: int = 4, table: str = "main") -> list[dict[str, Any]]:
        """Return the routes of one table."""
        return ip_json(f"-{family}", "route", "show", "table", table, container=self.name)

    def can_ping(self, address: str) -> bool:
        """Whether one echo request from inside is answered."""
        with namespaces.visiting(self.netns):
            return answers(address)


def ip_addresses(ifname: str, container: str = "") -> list[str]:
    """Return the addresses of an interface as `address/length`, link-local ones left out."""
    listed = ip_json("addr", "show", "dev", ifname, container=container)
    return [
        f"{address['local']}/{address['prefixlen']}"
        for address in listed[0]["addr_info"]
        if address["scope"] != "link"
    ]
