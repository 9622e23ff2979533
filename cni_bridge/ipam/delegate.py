"""Find and execute delegated IPAM plugins (SPEC 1.0, section 4).

They get stdin and the environment as the runtime sent them. Nothing here interprets their answers.
"""

import posix
from _stat import S_ISREG

from cni_bridge.edge import codec
from cni_bridge.errors import (
    CniError,
    Delegated,
    InvalidConfig,
    InvalidEnvironment,
    IOFailure,
    TryAgainLater,
    UndecodableContent,
)
from cni_bridge.kernel import child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.edge.codec import Object

OWN_EXECUTABLE = "/proc/self/exe"
STDERR_LIMIT = 2000
CODE_LIMIT = 0xFFFFFFFF  # codes are unsigned (SPEC 1.0, "Error")
ANSWER_LIMIT = 1 << 20  # bytes, as of stdin
PATIENCE_MS = 120_000  # runtimes time out sooner; a DHCP server may take half a minute


def find(kind: str, plugin_dirs: tuple[str, ...], *, is_optional: bool) -> str | None:
    """Return the path of the IPAM plugin of that type, or None if cni-bridge itself is to serve it.

    That is, if the plugin is this executable, or is optional and absent. Raises InvalidConfig,
    InvalidEnvironment.
    """
    if "/" in kind or kind in (".", ".."):
        raise InvalidConfig(
            f"invalid plugin name: {kind}", "ipam.type must be a file name, not a path"
        )
    for directory in plugin_dirs:
        path = f"{directory}/{kind}"
        try:
            found = posix.stat(path)
        except (OSError, ValueError):
            continue
        if S_ISREG(found.st_mode):
            return None if _is_own(found) else path
    if is_optional:
        return None
    if not plugin_dirs:
        raise InvalidEnvironment("required env variables [CNI_PATH] missing", f"for {kind}")
    raise InvalidConfig(
        f'failed to find plugin "{kind}" in path [{":".join(plugin_dirs)}]',
        "install it there, or set ipam.type to cni-bridge",
    )


def execute(path: str, command: str, raw: bytes, changes: "dict[bytes, bytes]") -> "Object":
    """Run a plugin with this run's stdin and environment, but for the changes; return the object that it prints, {} if it prints nothing.

    Raises Delegated with the plugin's own code, message and details; IOFailure, UndecodableContent,
    TryAgainLater.
    """
    try:
        variables = {b"CNI_COMMAND": command.encode(), **changes}
        done = child.run((path,), raw, variables, timeout_ms=PATIENCE_MS)
    except TimeoutError:
        patience = PATIENCE_MS // 1000
        raise TryAgainLater(f"IPAM plugin {path} did not answer in {patience} s") from None
    except OSError as error:
        raise IOFailure(f"can't execute IPAM plugin {path}", str(error)) from error
    _pass_on(done.stderr[-ANSWER_LIMIT:])
    if len(done.stdout) > ANSWER_LIMIT:
        raise UndecodableContent(f"IPAM plugin {path} returned more than {ANSWER_LIMIT} bytes")
    if done.status:
        raise _refusal(path, done)
    if not done.stdout.strip():
        return {}
    try:
        return codec.decode(done.stdout)
    except UndecodableContent as error:
        raise UndecodableContent(
            f"IPAM plugin {path} did not return a JSON object", f"{error}"
        ) from error


def _is_own(found: posix.stat_result) -> bool:
    own = posix.stat(OWN_EXECUTABLE)
    return (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)


def _pass_on(stderr: bytes) -> None:
    try:
        posix.write(2, stderr)
    except OSError:
        pass  # the runtime has closed stderr


def _refusal(path: str, done: child.Finished) -> CniError:
    try:
        error = codec.decode(done.stdout)
    except CniError:
        error = {}
    match error:
        case {"code": int(code), "msg": str(msg)} if code is not True and 0 < code <= CODE_LIMIT:
            return Delegated(code, msg, str(error.get("details", "")))
    stdout, stderr = (
        each.decode(errors="replace")[-STDERR_LIMIT:].strip() or "empty"
        for each in (done.stdout, done.stderr)
    )
    return IOFailure(
        f"IPAM plugin {path} failed without returning an error",
        f"exit status {done.status}; stdout: {stdout}; stderr: {stderr}",
    )
