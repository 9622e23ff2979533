"""`cni-bridge plan`: show what an ADD would do, as a dry run."""
