"""Benchmarks of whole runs, ours and the peers' in turn: `python -m tests.bench`."""
