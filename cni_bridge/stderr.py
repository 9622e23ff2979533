"""One line for people on stderr, beside the answer on stdout. Runtimes log it."""

import posix


def remark(text: str, who: str = "") -> None:
    """Write one line, ignoring a closed stderr.

    Control characters are replaced, because the text may be the caller's.
    """
    line = "".join(letter if letter.isprintable() else "?" for letter in f"cni-bridge{who}: {text}")
    try:
        posix.write(2, f"{line}\n".encode(errors="replace"))
    except OSError:
        pass
