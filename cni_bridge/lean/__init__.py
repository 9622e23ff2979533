"""What the plugin path uses in place of heavier parts of the standard library.

A plugin is started for every container, and importing `dataclasses`, `socket`, `sqlite3`, `struct` or
`pathlib` would take longer than the work. Each module here is the smallest replacement.
"""
