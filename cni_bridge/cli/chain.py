"""Run a network's plugins as libcni does: in order, each with the result of the one before.

The result is cached where libcni has it, so that cnitool and this program can undo each other's.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from cni_bridge.cli import plugin_dirs, terminal
from cni_bridge.cli.containers import Target
from cni_bridge.errors import AttachmentExists, CniError, Delegated, InvalidConfig, IOFailure
from cni_bridge.ipam.sources import OWN_TYPE
from cni_bridge.kernel import links, netns
from cni_bridge.kernel.netlink import Socket
from cni_bridge.lean import bundle
from cni_bridge.lean.record import record
from cni_bridge.model import Attachment

CACHE_DIR = "/var/lib/cni"  # libcni's
CHECK_SINCE = (0, 4, 0)  # also the first version whose DEL gets the result
TIMEOUT_S = 120
Json = dict[str, Any]


@record
class Chain:
    """A network's config list, one container, and what the runtime would ask for it."""

    conflist: Json
    text: str
    target: Target
    ifname: str
    wishes: Json  # capability arguments, like portMappings
    arguments: str = ""  # CNI_ARGS

    @property
    def name(self) -> str:
        """The network's name."""
        return str(self.conflist["name"])

    @property
    def version(self) -> str:
        """The config list's cniVersion."""
        return str(self.conflist.get("cniVersion", "0.1.0"))

    @property
    def who(self) -> str:
        """The container and the interface, as messages name them."""
        return f"{self.target.title} {self.ifname}"

    @property
    def cache(self) -> Path:
        """The file that holds the result."""
        return cache(
            Attachment(network=self.name, container=self.target.container, ifname=self.ifname)
        )

    def add(self) -> Json:
        """Attach; undo what was done if a plugin fails. Raises CniError.

        An interface that exists already is refused first: undoing would remove another attachment's.
        """
        self._refuse_attached()
        result: Json | None = None
        try:
            for plugin in self._plugins():
                result = self._call("ADD", plugin, result)
        except CniError:
            self._undo(result)
            raise
        assert result is not None, "a list has a plugin"
        self._keep(result)
        return result

    def check(self) -> None:
        """Check what is attached. Raises CniError."""
        if _numbers(self.version) < CHECK_SINCE:
            raise InvalidConfig(f"cniVersion {self.version} has no CHECK", "0.4.0 was the first")
        result = self.cached()
        if result is None:
            raise InvalidConfig(
                f"{self.who} was not added to {self.name} from here",
                f"no result in {self.cache}",
            )
        for plugin in self._plugins():
            self._call("CHECK", plugin, result)

    def delete(self) -> None:
        """Detach. Raises CniError."""
        has_result = _numbers(self.version) >= CHECK_SINCE
        for plugin in reversed(self._plugins()):
            self._call("DEL", plugin, self.cached() if has_result else None)
        self.cache.unlink(missing_ok=True)

    def cached(self) -> Json | None:
        """Return the result of ADD, if there is one."""
        try:
            found: Json = json.loads(self.cache.read_bytes())["result"]
        except (OSError, ValueError, KeyError):
            return None
        return found

    def _refuse_attached(self) -> None:
        container = netns.open_netns(self.target.netns_path, may_be_own=True)
        inside = netns.inside(container, Socket)
        try:
            is_there = inside.find(links.get(self.ifname))
        finally:
            inside.close()
            netns.close(container)
        if is_there:
            raise AttachmentExists(
                f"{self.target.title} has an interface {self.ifname} already",
                f"`cni-bridge show {self.target.title}` lists those it has; or name another one with "
                "--ifname",
            )

    def _plugins(self) -> list[Json]:
        listed: list[Json] = self.conflist["plugins"]
        return listed

    def _undo(self, result: Json | None) -> None:
        for plugin in reversed(self._plugins()):
            try:
                self._call("DEL", plugin, result)
            except CniError as error:
                terminal.tell(f"while undoing: {error.msg}", stderr=True)

    def _call(self, command: str, plugin: Json, result: Json | None) -> Json | None:
        config = {**plugin, "name": self.name, "cniVersion": self.version}
        offered = config.pop("capabilities", None) or {}
        wishes = {key: value for key, value in self.wishes.items() if offered.get(key)}
        config |= {"runtimeConfig": wishes} if wishes else {}
        config |= {"prevResult": result} if result is not None else {}
        directories = _directories()
        done = subprocess.run(
            _executable(str(plugin.get("type", "")), directories),
            input=json.dumps(config),
            env={
                **os.environ,
                "CNI_COMMAND": command,
                "CNI_CONTAINERID": self.target.container,
                "CNI_NETNS": self.target.netns_path,
                "CNI_IFNAME": self.ifname,
                "CNI_ARGS": self.arguments,
                "CNI_PATH": ":".join(directories),
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            _fail(str(plugin["type"]), command, done.stdout, done.stderr)
        if done.stderr:
            terminal.write(done.stderr.rstrip("\n"), stderr=True)
        answer: Json | None = json.loads(done.stdout) if command == "ADD" else None
        return answer

    def _keep(self, result: Json) -> None:
        self.cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = {
            "kind": "cniCacheV1",
            "containerId": self.target.container,
            "config": base64.b64encode(self.text.encode()).decode(),
            "ifName": self.ifname,
            "networkName": self.name,
            "netns": self.target.netns_path,
            "capabilityArgs": self.wishes,
            "result": result,
        }
        self.cache.write_text(json.dumps(kept))


def cache(attachment: Attachment) -> Path:
    """Return the file that holds an attachment's result, as libcni names it."""
    directory = os.environ.get("CNI_CACHE_DIR", CACHE_DIR)
    return (
        Path(directory, "results")
        / f"{attachment.network}-{attachment.container}-{attachment.ifname}"
    )


def _directories() -> tuple[str, ...]:
    given = tuple(filter(None, os.environ.get("CNI_PATH", "").split(":")))
    return given or plugin_dirs.of_runtimes()


def _executable(kind: str, directories: tuple[str, ...]) -> list[str]:
    """Return how to run a plugin; this program need not be installed to run itself."""
    for directory in directories:
        path = os.path.join(directory, kind)
        if kind and "/" not in kind and os.access(path, os.X_OK):
            return [path]
    if kind == OWN_TYPE:
        return [sys.executable, *([] if bundle.is_executable() else ["-m", "cni_bridge"])]
    raise IOFailure(f"plugin {kind} is not in {':'.join(directories)}", "install it there")


def _fail(kind: str, command: str, stdout: str, stderr: str) -> NoReturn:
    """Raise a plugin's error; what it printed on stderr says the same, unless it is all there is."""
    try:
        error = json.loads(stdout)
        raise Delegated(
            error["code"], f"{command} by {kind}: {error['msg']}", error.get("details", "")
        )
    except (ValueError, KeyError, TypeError):
        raise IOFailure(f"{command} by {kind} failed without an error", stdout or stderr) from None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def addresses(result: Json) -> Iterator[str]:
    """Yield the addresses of a result."""
    for each in result.get("ips", ()):
        yield str(each.get("address", ""))
    for key in ("ip4", "ip6"):  # 0.2.0
        if isinstance(result.get(key), dict):
            yield str(result[key].get("ip", ""))
