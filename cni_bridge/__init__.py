"""A CNI plugin that gives containers Docker-style networking on a Linux bridge."""

__version__ = "0.1.0"
