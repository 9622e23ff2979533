"""A process of its own that claims addresses, in one of three ways, and may not live through it.

Usage: claimant.py once|forever|mortal STATE_DIR CONTAINER [CHANGES]
"""

import os
import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from cni_bridge.ledger import store
from cni_bridge.ledger.database import FILE_NAME, Database
from cni_bridge.ledger.store import Ledger
from tests.unit.ledger.wishes import addresses, attachment, claim, one_set

POOL = one_set("10.1.0.0/24")


def once(state_dir: str, container: str) -> None:
    """Claim and confirm one address when stdin is closed: all processes at the same moment."""
    sys.stdin.read()
    ledger = store.open_ledger(state_dir)
    holding = claim(ledger, container, POOL)
    ledger.confirm(holding)
    ledger.close()
    print(*addresses(holding))


def forever(state_dir: str, container: str) -> None:
    """Claim and release, leaving every seventh."""
    print("ready", flush=True)
    ledger = store.open_ledger(state_dir)
    for turn in count():
        claim(ledger, f"{container}-{turn}", POOL)
        if turn % 7:
            ledger.release(attachment(f"{container}-{turn}"))


class Mortal(Database):
    """A database whose process is killed instead of making one more change than it may."""

    changes_left = 0

    def change(self, sql: str, *values: object) -> int:
        if not self.changes_left:
            os.kill(os.getpid(), 9)
        self.changes_left -= 1
        return super().change(sql, *values)


def mortal(state_dir: str, container: str, changes: str) -> None:
    """Claim one address, but die after so many changes, `begin` and `commit` among them."""
    database = Mortal(f"{state_dir}/{FILE_NAME}", 1)
    database.changes_left = int(changes)
    claim(Ledger(database), container, POOL)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["once", state_dir, container]:
            once(state_dir, container)
        case ["forever", state_dir, container]:
            forever(state_dir, container)
        case ["mortal", state_dir, container, changes]:
            mortal(state_dir, container, changes)
        case _:
            sys.exit(__doc__)
