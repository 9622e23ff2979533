"""Many hosts on one machine, as far as a store sees them: `python -m tests.cluster.sizing`."""
