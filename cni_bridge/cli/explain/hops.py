"""The hops of a connection, how each is known, and the connection itself."""

from cni_bridge.lean.record import record, replace

PASSES, DROPS, UNSURE = "passes", "drops", "unsure"
ASKED = "asked"  # the kernel said so
INFERRED = "inferred"  # from records, rules and settings
MEASURED = "measured"  # a packet was sent
NEW, ESTABLISHED = "new", "established"


@record
class Hop:
    """A place, what happens to the packet there, and how that is known."""

    place: str
    text: str
    verdict: str = PASSES
    source: str = ASKED


@record
class Flow:
    """A packet of a connection at some point of its path; empty, 0 or None means unknown."""

    protocol: str
    address: str
    port: int
    source: str = ""
    source_port: int = 0
    enters: str = ""  # interfaces
    leaves: str = ""
    mac: str = ""  # the sender's
    mark: int | None = 0
    connection_mark: int | None = 0
    state: str = NEW
    is_redirected: bool = False  # its destination is translated
    is_masked: bool = False  # its source is

    @property
    def text(self) -> str:
        """Like `10.1.0.2:80/tcp`."""
        return f"{bracketed(self.address)}:{self.port}/{self.protocol}"

    @property
    def is_ipv6(self) -> bool:
        """Whether it is IPv6."""
        return ":" in self.address

    @property
    def answer(self) -> "Flow":
        """The first packet that comes back, at the same point."""
        return replace(
            self,
            address=self.source,
            port=self.source_port,
            source=self.address,
            source_port=self.port,
            enters=self.leaves,
            leaves=self.enters,
            mac="",
            mark=0,
            state=ESTABLISHED,
        )


def bracketed(address: str) -> str:
    """Return an address as written before a port."""
    return f"[{address}]" if ":" in address else address


def dropped(place: str, text: str, source: str = ASKED) -> Hop:
    """Return the last hop of a connection that fails."""
    return Hop(place=place, text=text, verdict=DROPS, source=source)
