"""The people's commands.

Without arguments: what this is, and which protocol versions it speaks.
"""

import sys

import cni_bridge
from cni_bridge.edge import versions


def run(arguments: list[str]) -> int:
    """Carry out a command line; return the exit status: 0, 1 failed, 2 wrong usage."""
    print(f"CNI cni-bridge plugin {cni_bridge.__version__}", file=sys.stderr)
    spoken = ", ".join(versions.SUPPORTED)
    print(f"CNI protocol versions supported: {spoken}", file=sys.stderr)
    return 2 if arguments else 0
