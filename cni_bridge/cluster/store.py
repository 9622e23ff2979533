"""What a shared store has to offer: membership, blocks of addresses, and a watch on both.

The drivers are `etcd` and `kubernetes`; nothing else knows which it is.
"""

from typing import Protocol

from cni_bridge.address import Prefix
from cni_bridge.cluster.model import Block, Host, Membership, View


class Unreachable(Exception):
    """The store does not answer, or can't decide (no majority); what was asked may have happened."""


class MembershipLost(Exception):
    """The store has forgotten the host, or another machine is the member of its id."""


class Store(Protocol):
    """One cluster network in a store; every method may raise Unreachable, within seconds."""

    def join(self, host: Host, ttl: int) -> Membership:
        """Become a member for `ttl` seconds, or go on being one after a restart of the agent.

        Raises MembershipLost where a machine of other addresses is the member of this id.
        """

    def renew(self, membership: Membership) -> Membership:
        """Stay a member for another `ttl` seconds. Raises MembershipLost."""

    def lease(self, membership: Membership, subnet: Prefix, seen: Block | None) -> Block | None:
        """Make a block this host's; None if somebody else was first.

        `seen` is the block's record where it is taken from a host that is no member any more.
        Compared and written in one step: the membership lives, the block is free or as it was
        seen, and the host that it is taken from is no member. Raises MembershipLost.
        """

    def release(self, membership: Membership, block: Block) -> None:
        """Give a block back; nothing happens if it is another's by now."""

    def leave(self, membership: Membership) -> None:
        """Stop being a member; the blocks that were not released stay this host's for the grace."""

    def view(self) -> View:
        """Everything, read anew."""

    def watch(self, view: View, patience: float) -> View:
        """The view after the next change, or the same one when nothing changed in `patience` seconds.

        Where changes can't be told one by one any more, the view is read anew.
        """
