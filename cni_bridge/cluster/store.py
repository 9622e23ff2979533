"""What a shared store must provide: membership, blocks of addresses, and a watch on both.

The drivers are `etcd`, `kubernetes` and `kube_nodes`.
"""

from email.utils import parsedate_to_datetime
from time import time
from typing import Protocol

from cni_bridge.address import Prefix
from cni_bridge.cluster.model import Block, Host, Membership, Named, View


class Unreachable(Exception):
    """The store does not answer, or cannot decide (no majority); the request may have taken effect."""


class MembershipLost(Exception):
    """The membership has expired, or another machine has the host's id."""


class OtherNetwork(Exception):
    """The store has this network with other subnets or block sizes: blocks would overlap."""


def ahead(date: str | None, before: float | None) -> float | None:
    """Return the seconds by which a server's clock is ahead, by its Date header; as before without one.

    The header is truncated to seconds, not rounded. What stands between may have written anything.
    """
    try:
        return parsedate_to_datetime(date).timestamp() + 0.5 - time() if date else before
    except (ValueError, OverflowError):
        return before


class Store(Protocol):
    """One cluster network in a store; every method may raise Unreachable, within seconds.

    Not for several threads at a time. A method that raised may be called again: what it would do
    twice it does once.
    """

    def join(self, host: Host, ttl: int, *, take_over: bool = False) -> Membership:
        """Become a member for `ttl` seconds, or go on being one after a restart of the agent.

        A host that is known by this id is the same one if its boot is the same (its addresses may
        have changed) or one of its addresses is (it has rebooted). Another machine raises MembershipLost,
        unless `take_over` says that the known one is gone for good. Raises OtherNetwork while a host has
        blocks of other sizes.
        """

    def renew(self, membership: Membership) -> Membership:
        """Stay a member for another `ttl` seconds. Raises MembershipLost."""

    def lease(self, membership: Membership, subnet: Prefix, seen: Block | None) -> Block | None:
        """Make a block this host's, of this boot; return None if another host was first.

        `seen` is the block's record where there is one: this host's of an earlier boot, or one of a
        host that is no member any more. Compared and written in one step: the membership lives, the
        block is free or as it was seen, and a host that it is taken from is no member. A block that
        is this host's, of this boot, is given as it is. Raises MembershipLost.
        """

    def release(self, membership: Membership, block: Block) -> None:
        """Give a block back; do nothing if it has changed since it was seen."""

    def name(self, membership: Membership, names: tuple[Named, ...]) -> None:
        """Write the names of this host's containers, which last as long as the membership.

        Raises MembershipLost.
        """

    def leave(self, membership: Membership) -> None:
        """End the membership; the host's record is removed at once if it has no blocks."""

    def evict(self, host: str, *, by_force: bool = False) -> bool:
        """Free all blocks of a host that is not a member and remove its record; return False if it is one.

        For an operator's knowledge that the machine is gone: nothing else shortens the grace period. By
        force if it is known to be switched off although its membership has not expired.
        """

    def view(self) -> View:
        """Read everything; absences measured before do not count any more."""

    def watch(self, view: View, patience: float) -> View:
        """Return the view after the next changes, or the same one if none came in `patience` seconds.

        No change is omitted: if some were missed, everything is read again or Unreachable is raised.
        """

    def skew(self) -> float | None:
        """Return the seconds by which the store's clock is ahead, by its last answer; None: not known."""

    def close(self) -> None:
        """End connections and threads; the membership continues until it expires."""
