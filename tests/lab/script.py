"""IPAM plugins written by the tests: shell scripts that record how they were called.

What they answer is the test's choice; nothing of them is real.
"""

from dataclasses import dataclass
from pathlib import Path

from tests.lab.network import Network
from tests.lab.paths import PEERS

ANSWER = '{"cniVersion": "1.0.0", "ips": [{"address": "10.88.7.7/16", "gateway": "10.88.0.1"}]}'


@dataclass(frozen=True)
class Script:
    """A plugin at `path`, and what each of its runs was given."""

    path: Path

    def calls(self) -> list[str]:
        """Return the commands that it was executed with, in order."""
        log = self.path.with_suffix(".log")
        return log.read_text().split() if log.exists() else []

    def stdin(self, command: str) -> str:
        """Return what it could read at the last such command."""
        return self.path.with_suffix(f".{command}.stdin").read_text()

    def environment(self, command: str) -> dict[str, str]:
        """Its variables at the last such command, those of the shell left out."""
        text = self.path.with_suffix(f".{command}.env").read_text()
        pairs = (line.partition("=") for line in text.rstrip("\0").split("\0"))
        return {
            name: value for name, _, value in pairs if name not in ("PWD", "OLDPWD", "SHLVL", "_")
        }


def script(directory: Path, body: str = f"echo '{ANSWER}'", name: str = "scripted") -> Script:
    """Return an IPAM plugin that records its call and then does `body`; $CNI_COMMAND says what is wanted."""
    path = directory / name
    recording = (
        "#!/bin/sh",
        'base="$0"',
        'echo "$CNI_COMMAND" >> "$base.log"',
        'cat > "$base.$CNI_COMMAND.stdin"',
        'env -0 > "$base.$CNI_COMMAND.env"',
        body,
    )
    path.write_text("\n".join(recording) + "\n")
    path.chmod(0o755)
    return Script(path)


def delegate(
    network: Network, kind: str, directory: Path = PEERS, **keys: object
) -> dict[str, str]:
    """Lets the network ask another IPAM plugin; the CNI_PATH for it, as changes of the environment."""
    network.config["ipam"] = {"type": kind, **keys}
    return {"CNI_PATH": f"{network.plugin.path.parent}:{directory}"}
