"""Cluster networks: agents on hosts of their own, real stores; `python -m tests.cluster.figures`."""
