"""A table that build/bundling.py makes."""

FILES: dict[str, tuple[int, int]]  # offset and size of carried files
