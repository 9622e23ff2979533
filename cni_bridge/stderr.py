"""What a run has to say beside its answer: one line for people, on stderr.

Runtimes log it; nothing depends on its being read.
"""

import posix


def remark(text: str, who: str = "") -> None:
    """Say it, if anybody listens.

    Letters that would end the line or move a terminal's cursor are replaced: text may be a caller's.
    """
    line = "".join(letter if letter.isprintable() else "?" for letter in f"cni-bridge{who}: {text}")
    try:
        posix.write(2, f"{line}\n".encode(errors="replace"))
    except OSError:
        pass
