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


class OtherNetwork(Exception):
    """The store has this network with other subnets or block sizes: blocks would overlap."""


class Store(Protocol):
    """One cluster network in a store; every method may raise Unreachable, within seconds.

    Not for several threads at a time. A method that raised may be called again: what it would do
    twice it does once.
    """

    def join(self, host: Host, ttl: int, *, take_over: bool = False) -> Membership:
        """Become a member for `ttl` seconds, or go on being one after a restart of the agent.

        A host that is known by this id is the same one if its boot is the same (its addresses may
        have changed) or one of its addresses is (it has been started anew). Another machine raises
        MembershipLost, unless `take_over` says that the known one is gone for ever. Raises
        OtherNetwork, too, while anybody has blocks.
        """

    def renew(self, membership: Membership) -> Membership:
        """Stay a member for another `ttl` seconds. Raises MembershipLost."""

    def lease(self, membership: Membership, subnet: Prefix, seen: Block | None) -> Block | None:
        """Make a block this host's, of this boot; None if somebody else was first.

        `seen` is the block's record where there is one: this host's of an earlier boot, or one of a
        host that is no member any more. Compared and written in one step: the membership lives, the
        block is free or as it was seen, and a host that it is taken from is no member. A block that
        is this host's, of this boot, is given as it is. Raises MembershipLost.
        """

    def release(self, membership: Membership, block: Block) -> None:
        """Give a block back; nothing happens if it has changed since it was seen."""

    def leave(self, membership: Membership) -> None:
        """Stop being a member; forgotten at once where no blocks are left."""

    def evict(self, host: str, *, by_force: bool = False) -> bool:
        """Free all blocks of a host that is no member, and forget it; False if it is one.

        For an operator who knows that the machine is gone: nothing else shortens the grace. By force
        for one who knows that it is switched off, although its time as a member is not over.
        """

    def view(self) -> View:
        """Everything, read anew: who has measured an absence knows nothing of it any more."""

    def watch(self, view: View, patience: float) -> View:
        """Return the view after the next changes, or the same one if none came in `patience` seconds.

        No change is left out: where they can't be told one by one any more, it raises Unreachable.
        """

    def skew(self) -> float | None:
        """Seconds by which the store's clock is ahead of ours, by its last answer; None: not known."""

    def close(self) -> None:
        """End connections and threads; the membership goes on until its time is over."""
