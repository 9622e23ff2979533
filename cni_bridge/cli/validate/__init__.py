"""`cni-bridge validate`: what is wrong in a network config, and where."""
