"""One worker of the coverage-guided run: atheris makes the bytes, `subject` judges what they do.

Run by tests.fuzz as `python -m tests.fuzz.guided CORPUS [libFuzzer's arguments]`.
"""

import sys

import atheris

with atheris.instrument_imports(include=["cni_bridge"]):
    from tests.fuzz.subject import Subject

from tests.fuzz.hostile import asked


def main() -> None:
    """Fuzz until libFuzzer's limits."""
    subject = Subject()

    def once(data: bytes) -> None:
        subject.judge(asked(data[1:]), as_ipam=data[:1] >= b"\xc0")

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
