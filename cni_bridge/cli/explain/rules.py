"""What the firewall's forward chain does with a connection, from what the ledger says of networks.

The same order as in `ruleset.nft`; tests compare them with real traffic.
"""

from cni_bridge.record import record

SET = frozenset[str]


@record
class Crossing:
    """A connection's way over the host: from and to a bridge with its flags, or from outside."""

    enters: str  # an interface; empty: from outside
    leaves: str
    enters_flags: SET
    leaves_flags: SET
    is_published: bool  # it was for a port of the host


def refusal(crossing: Crossing) -> str:
    """The rule that drops it, in words; empty if it passes."""
    enters, leaves = crossing.enters_flags, crossing.leaves_flags
    if crossing.enters and crossing.enters == crossing.leaves:
        if "no_icc" in enters and not crossing.is_published:
            return f"icc is false on {crossing.enters}: its containers don't talk to each other"
        return ""
    steps = (
        ("internal" in enters, f"{crossing.enters} is internal: nothing leaves it"),
        ("internal" in leaves, f"{crossing.leaves} is internal: nothing enters it"),
        (
            ("strict" in enters and "isolated" in leaves)
            or ("isolated" in enters and "strict" in leaves),
            f"{crossing.enters} and {crossing.leaves} are isolated, one of them strictly",
        ),
        (
            not crossing.is_published and "isolated" in enters and "isolated" in leaves,
            f"{crossing.enters} and {crossing.leaves} are isolated from each other",
        ),
        (
            not crossing.is_published and "closed" in leaves,
            f"{crossing.leaves} is closed: only published ports are open",
        ),
    )
    return next((why for drops, why in steps if drops), "")
