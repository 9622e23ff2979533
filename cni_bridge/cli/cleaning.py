"""The border for text: what others choose loses what moves a cursor, rings, or reorders letters."""

REPLACEMENT = "?"


def clean(text: str) -> str:
    """Return text as one line of printable letters."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else " " if letter == "\t" else REPLACEMENT
        for letter in text
    )
