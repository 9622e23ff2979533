"""What the scenarios need of a whole Debian, whichever way it runs."""

import shlex
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

COMMAND_S = 300
YEARS_BACK = 20  # of a clock that was set back
NEEDS_KERNEL = "needs a kernel of its own"


class Machine(ABC):
    """A whole Debian with systemd."""

    has_own_kernel: bool

    @abstractmethod
    def start(self, *, is_set_back: bool = False) -> None:
        """Switch it on, with the right time or with one that was years ago."""

    @abstractmethod
    def wait(self) -> None:
        """Return when it has booted."""

    @abstractmethod
    def cut_power(self) -> None:
        """Switch it off at once: what it has not written to its disk is lost."""

    @abstractmethod
    def renew(self) -> None:
        """Make it as it was right after the package was installed."""

    @abstractmethod
    def reboot(self) -> None:
        """Reboot in good order."""

    @abstractmethod
    def try_to_run(
        self, script: str, timeout_s: float = COMMAND_S
    ) -> "subprocess.CompletedProcess[str]":
        """Return what became of a script of bash, which may fail."""

    def run(self, script: str, timeout_s: float = COMMAND_S) -> str:
        """Return what a script of bash prints that succeeds."""
        done = self.try_to_run(f"set -eo pipefail; {script}", timeout_s)
        assert done.returncode == 0, f"{script}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        quoted = shlex.quote(path)
        self.run(f"mkdir -p $(dirname {quoted}); printf %s {shlex.quote(text)} > {quoted}")
