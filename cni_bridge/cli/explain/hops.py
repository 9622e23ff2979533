"""What is said of a hop of a connection, and how it is known.

Only the nouns.
"""

from cni_bridge.record import record

PASSES, DROPS, UNSURE = "passes", "drops", "unsure"
ASKED = "asked"  # the kernel said so
INFERRED = "inferred"  # from records, rules and settings
MEASURED = "measured"  # a packet was sent


@record
class Hop:
    """Where, what becomes of the packet there, and how that is known."""

    place: str
    text: str
    verdict: str = PASSES
    source: str = ASKED


@record
class Flow:
    """A connection: the address and port that it is for at some point of its way."""

    protocol: str
    address: str
    port: int
    source: str = ""  # the asker's address; empty: somebody outside

    @property
    def text(self) -> str:
        """`10.1.0.2:80/tcp`."""
        where = f"[{self.address}]" if ":" in self.address else self.address
        return f"{where}:{self.port}/{self.protocol}"


def dropped(place: str, text: str, source: str = ASKED) -> Hop:
    """The last hop of a connection that fails."""
    return Hop(place=place, text=text, verdict=DROPS, source=source)
