"""Where the executables under test and their peers are.

Nothing is run or built here.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = Path(os.environ.get("PLUGIN", ROOT / "dist/cni-bridge/cni-bridge"))
PLUGIN_PORTABLE = ROOT / "dist/cni-bridge-portable"
PEERS = Path(os.environ.get("PEERS", ROOT / ".cache/peers/bin"))


def peer(name: str) -> Path:
    """Return the executable of a peer as `make peers` installs it; it may be absent."""
    return PEERS / name
