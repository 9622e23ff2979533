"""Numbers and ids as people read and write them."""

import argparse
import re

ID_LENGTH = 12  # of a container id, as Docker shows it
WHOLE_ID = re.compile("[0-9a-f]{64}")
STEPS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def short(container: str) -> str:
    """Shorten 64 hex digits as Docker does, and nothing else: other ids are names.

    Commands accept the beginning of an id.
    """
    return container[:ID_LENGTH] if WHOLE_ID.fullmatch(container) else container


def age(milliseconds: int) -> str:
    """Return the largest unit that fits, and the next: `3h 12m`."""
    seconds = max(0, milliseconds // 1000)
    for at, (size, unit) in enumerate(STEPS):
        if seconds >= size:
            rest = seconds % size
            smaller, name = STEPS[min(at + 1, len(STEPS) - 1)]
            more = f" {rest // smaller}{name}" if rest // smaller and at < len(STEPS) - 1 else ""
            return f"{seconds // size}{unit}{more}"
    return "0s"


def count(number: int, one: str, many: str = "") -> str:
    """Return `1 packet`, `2 packets`; `many` is for a plural that does not end in `s` alone."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def size(count: int) -> str:
    """Return bytes in powers of 1000: `1.2 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def interval(text: str) -> float:
    """Parse seconds between two updates."""
    seconds = float(text)
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text}: expected 0.1 to 3600 seconds")
    return seconds
