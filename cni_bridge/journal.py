"""The journal: every call of a runtime and its outcome, for `cni-bridge trace`.

Never the reason for a failure: if nothing can be written, nothing is.
"""

import posix
import time

import cni_bridge
from cni_bridge import timings
from cni_bridge.edge import codec
from cni_bridge.ledger import state_directory

# Records are lines of JSON. A line break precedes each too, so that one cut off by SIGKILL damages
# no other.
PATH = f"{state_directory.HOST}/journal.jsonl"
# Some runtimes send STATUS every few seconds: its failures must not displace other calls.
STATUS_PATH = f"{state_directory.HOST}/status.jsonl"
OLDER = ".1"  # the older half of the ring
HALF = 1 << 19  # bytes at which a file becomes the older half
STDIN_LIMIT = 1 << 15  # bytes of stdin and answer; more is left out as a whole
# A record without any of these, in lower case, holds no secret that `redaction` would find. Every run
# searches for each, so they are few.
TRIGGERS = (
    *(
        "@",
        "\\",
        "%",
        " -",
        '"-',
        "'-",
        "pass",
        "pwd",
        "secret",
        "token",
        "key",
        "auth",
        "cred",
        "bearer",
        "psk",
        "cookie",
    ),
    *("signature", "session", "-----begin", "eyj"),
)
LOG_VARIABLE = "CNI_BRIDGE_LOG"


class Call:
    """What is known of the call so far; code that learns more writes it here."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.variables = {key: variables[key] for key in variables if key.startswith("CNI_")}
        self.began = time.time_ns() // 1_000_000
        self.descriptor = -1
        self.stdin = b""
        self.is_decodable = False
        self.answer = ""
        self.is_failure = False


def begin(variables: dict[str, str]) -> Call:
    """Record that a call has begun; if it is killed, nothing else is recorded."""
    timings.begin()
    call = Call(variables)
    if variables.get("CNI_COMMAND") != "STATUS":
        try:
            call.descriptor = _open(PATH)
            _write(call.descriptor, _without_secrets(_beginning(call)))
        except Exception:  # noqa: BLE001, S110 - never a reason to fail
            pass
    return call


def end(call: Call) -> None:
    """Record the call and its outcome; also in the log file, if the environment names one."""
    try:
        is_status = call.variables.get("CNI_COMMAND") == "STATUS"
        log = call.variables.get(LOG_VARIABLE)
        if is_status and not (call.is_failure or log):
            return
        record = _without_secrets(_record(call))
        if log:
            _log(log, record)
        if is_status and call.is_failure:
            call.descriptor = _open(STATUS_PATH)
        if call.descriptor >= 0:
            _write(call.descriptor, record)
    except Exception:  # noqa: BLE001, S110 - never a reason to fail
        pass


def _beginning(call: Call) -> str:
    names = ("CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS")
    known = {name: call.variables[name] for name in names if name in call.variables}
    return f"{_heading(call, known)}}}"


def _record(call: Call) -> str:
    taken = timings.durations()
    listed = ",".join([f"[{codec.encode(what)},{duration}]" for what, duration in taken])
    took = sum([duration for _, duration in taken])
    return (
        f'{_heading(call, call.variables)},"version":"{cni_bridge.__version__}",'
        f'"stdin":{_stdin(call)},"steps":[{listed}],"took":{took},{_outcome(call)}}}'
    )


def _heading(call: Call, variables: dict[str, str]) -> str:
    environment = codec.encode(variables, indent=0)
    return f'{{"began":{call.began},"pid":{posix.getpid()},"environment":{environment}'


def _stdin(call: Call) -> str:
    if len(call.stdin) > STDIN_LIMIT:
        return f'"{len(call.stdin)} bytes"'
    text = call.stdin.decode(errors="replace")
    return _on_one_line(text) if call.is_decodable else codec.encode(text)


def _outcome(call: Call) -> str:
    if call.is_failure:
        return f'"error":{_on_one_line(call.answer)}'
    if not call.answer or len(call.answer) > STDIN_LIMIT:
        return '"result":null'
    return f'"result":{_on_one_line(call.answer)}'


def _on_one_line(text: str) -> str:
    """JSON without line breaks and indentation: it has those only between its words."""
    return "".join([line.strip(codec.BLANKS) for line in text.split("\n")])


def may_hold_secrets(record: str) -> bool:
    """Return whether `redaction` could find a secret in the record."""
    if not record.isascii():
        return True
    lowered = record.lower()
    for trigger in TRIGGERS:  # noqa: SIM110 - a generator would cost every run more
        if trigger in lowered:
            return True
    return False


def _without_secrets(record: str) -> str:
    if not may_hold_secrets(record):
        return record
    from cni_bridge import redaction  # few records have anything of the kind

    return redaction.redact(record)


def _log(path: str, record: str) -> None:
    try:
        descriptor = _open_to_append(path)
        _write(descriptor, record)
        posix.close(descriptor)
    except OSError as error:
        text = f"cni-bridge: cannot write to {LOG_VARIABLE} {path}: {error.strerror}\n"
        posix.write(2, text.encode(errors="replace"))


def _open(path: str) -> int:
    """Return the file's younger half, started over when it is full. Raises OSError, IOFailure."""
    state_directory.ensure(state_directory.HOST)
    descriptor = _open_to_append(path)
    if posix.fstat(descriptor).st_size < HALF:
        return descriptor
    _turn(path, descriptor)
    posix.close(descriptor)
    return _open_to_append(path)


def _open_to_append(path: str) -> int:
    flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC
    # No symbolic link is followed, and no FIFO waited for.
    flags |= posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_NOCTTY
    return posix.open(path, flags, 0o600)


def _turn(path: str, descriptor: int) -> None:
    """Make a full file the older half, unless another process is doing it or has done it."""
    import fcntl  # once in hundreds of calls

    fcntl.flock(descriptor, fcntl.LOCK_EX)
    if posix.stat(path).st_ino == posix.fstat(descriptor).st_ino:
        posix.rename(path, path + OLDER)


def _write(descriptor: int, record: str) -> None:
    # At once, so that calls which end at the same time don't mix.
    posix.write(descriptor, f"\n{record}\n".encode(errors="replace"))
