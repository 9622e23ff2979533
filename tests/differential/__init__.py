"""Configurations and calls, run through the reference plugins and through ours, side by side.

`row` says what a row of the tables is, `observe` runs one, `compare` judges; the rest are tables.
"""
