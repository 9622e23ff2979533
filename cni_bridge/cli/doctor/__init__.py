"""What can be wrong with this host's networks: facts are gathered once, then judged."""
