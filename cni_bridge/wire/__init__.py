"""The mode `wire`: two containers joined by one veth pair, without a bridge."""
