"""`cni-bridge plan`: what an ADD would do, without doing it."""
