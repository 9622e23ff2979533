"""One invocation: its CNI_* variables, which are checked here, and the document on stdin."""

import posix

from cni_bridge import errors
from cni_bridge.edge import codec, validators
from cni_bridge.lean import files
from cni_bridge.lean.record import record

# Bytes of stdin: all ports, published on two addresses of the host, are a document of 11 MB. What ADD
# accepts, DEL has to accept together with prevResult.
ADD_LIMIT = 1 << 24
STDIN_LIMIT = 1 << 26
CHUNK = 1 << 20
IFNAME_LIMIT = 15  # IFNAMSIZ less its terminator, linux/if.h

# The variables that each command needs. CNI_PATH is required only where a plugin is delegated to;
# requiring it always, as the reference does, would only break callers that need none.
REQUIRED = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
    "GC": (),
    "STATUS": (),
}
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


@record
class Request:
    """The checked variables, and the decoded document with keys in the schema's spelling."""

    command: str
    container: str
    ifname: str
    netns_path: str
    may_be_own_netns: bool
    args: str
    plugin_dirs: tuple[str, ...]
    raw: bytes
    document: dict[str, object]


def environment() -> dict[str, str]:
    """Return this process's environment as text."""
    return {_text(name): _text(value) for name, value in posix.environ.items()}


def check(variables: dict[str, str]) -> None:
    """Check the command and the variables that it needs. Raises InvalidEnvironment."""
    command = variables.get("CNI_COMMAND", "")
    if not command:
        raise errors.InvalidEnvironment("required env variables [CNI_COMMAND] missing")
    if command not in REQUIRED:
        raise errors.InvalidEnvironment(
            f"unknown CNI_COMMAND: {command}", f"one of {' '.join(REQUIRED)} VERSION"
        )
    required = REQUIRED[command]
    faults = []
    missing = [name for name in required if not variables.get(name)]
    if missing:
        faults.append(f"required env variables [{','.join(missing)}] missing")
    if required:
        faults += _malformed(variables)
    if faults:
        raise errors.InvalidEnvironment("; ".join(faults), f"CNI_COMMAND={command}")


def read_stdin(command: str) -> bytes:
    """Return all of stdin. Raises IOFailure."""
    chunks: list[bytes] = []
    size, limit = 0, ADD_LIMIT if command == "ADD" else STDIN_LIMIT
    while size <= limit:
        try:
            chunk = files.read_some(0, CHUNK)
        except OSError as error:
            raise errors.IOFailure("error reading from stdin", str(error)) from error
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        size += len(chunk)
    raise errors.IOFailure(
        f"error reading from stdin: expected at most {limit} bytes for {command}, found more",
        "shorten runtimeConfig.portMappings or prevResult, which are usually the largest part",
    )


def decode(variables: dict[str, str], raw: bytes) -> Request:
    """Return the request of checked variables and stdin. Raises errors 6 and 7."""
    return Request(
        command=variables["CNI_COMMAND"],
        container=variables.get("CNI_CONTAINERID", ""),
        ifname=variables.get("CNI_IFNAME", ""),
        netns_path=variables.get("CNI_NETNS", ""),
        may_be_own_netns=variables.get("CNI_NETNS_OVERRIDE", "").upper() in ("TRUE", "1"),
        args=variables.get("CNI_ARGS", ""),
        plugin_dirs=tuple(filter(None, variables.get("CNI_PATH", "").split(":"))),
        raw=raw,
        document=codec.fold(codec.decode(raw), validators.FOLD),
    )


def is_name(text: str) -> bool:
    """Tell whether the text can be a container id or a network name (SPEC 1.0, "Parameters")."""
    return text[:1].isalnum() and NAME_CHARACTERS.issuperset(text)


def _malformed(variables: dict[str, str]) -> list[str]:
    faults = []
    container = variables.get("CNI_CONTAINERID")
    if container and not is_name(container):
        faults.append(f"invalid characters in containerID: CNI_CONTAINERID={container!r}")
    ifname = variables.get("CNI_IFNAME")
    if ifname:
        fault = ifname_fault(ifname)
        if fault:
            faults.append(f"{fault}: CNI_IFNAME={ifname!r}")
    return faults


def ifname_fault(ifname: str) -> str:
    """Return why the kernel would refuse an interface name (dev_valid_name), or ""."""
    if len(ifname.encode(errors="surrogateescape")) > IFNAME_LIMIT:
        return "interface name is too long"
    if ifname in (".", ".."):
        return "interface name is . or .."
    if any(letter in "/:%" or letter.isspace() or letter < " " for letter in ifname):
        return "interface name contains / or : or whitespace characters"
    if not ifname.isascii():
        return "interface name contains non-ASCII characters"
    return ""


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
