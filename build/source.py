"""`make try`: an executable that runs the plugin and the commands from source, without a build.

It starts slower than the built one and imports what that leaves out; everything else is the same.
"""

import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = """#!{python} -IS
import sys

sys.path[:0] = {path!r}
from cni_bridge.__main__ import main

raise SystemExit(main())
"""


def write(target: Path) -> None:
    """Write the executable, for this checkout and this virtual environment."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = [str(ROOT), sysconfig.get_path("purelib")]
    target.write_text(TEXT.format(python=sys.executable, path=path))
    target.chmod(0o755)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
