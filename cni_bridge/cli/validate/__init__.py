"""`cni-bridge validate`: report what is wrong in a network config, and where."""
