"""Hostile input: how it is made, what may come of it, and the runs that make much of it.

Nothing here is a test by itself; those are in tests/unit/test_hostile.py and tests/kernel.
"""
