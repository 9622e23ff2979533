"""One run as a plugin: read the request, dispatch it, write one JSON document or nothing.

Holds the only catch-all and the only writes to stdout; knows nothing of bridges.
"""

import posix
import sys

from cni_bridge import commands, errors, journal, timings
from cni_bridge.edge import codec, config, request, result_versions, versions
from cni_bridge.kernel import signals
from cni_bridge.kernel.netlink import KernelError
from cni_bridge.stderr import remark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.commands import Commands
    from cni_bridge.edge.request import Request

DETAILS_LIMIT = 2000
STDIN_PATIENCE_S = 60  # runtimes lose theirs later, and would say nothing of the cause


def run() -> int:
    """Carry out what the environment and stdin ask for; return the exit status."""
    variables = request.environment()
    call = journal.begin(variables)
    asked = None
    posix.umask(0o022)  # a runtime's may be 0, and plugins that are executed inherit it
    try:
        request.check(variables)
        signals.limit(STDIN_PATIENCE_S, _give_up_reading)
        call.stdin = request.read_stdin()
        signals.limit(0, _give_up_reading)
        asked = request.decode(variables, call.stdin)
        call.is_decodable = True
        timings.done("request")
        call.answer = _carry_out(asked)
    except BaseException as error:  # noqa: BLE001 - whatever happened, the runtime gets its JSON
        call.is_failure = True
        call.answer = _report(as_cni_error(error), asked)
    journal.end(call)
    return int(call.is_failure)


def as_cni_error(error: BaseException) -> errors.CniError:
    """Whatever happened, as an error with a code; what nobody foresaw is a Bug."""
    if isinstance(error, errors.CniError):
        known = error
    elif isinstance(error, KernelError):
        known = errors.KernelRefused(str(error))
    elif isinstance(error, OSError):
        known = errors.IOFailure(str(error), _traceback(error))
    elif isinstance(error, ImportError):  # everything is there: the build's tests see to that
        known = errors.IOFailure(
            f"a part of the executable could not be loaded: {_cause(error)}", _traceback(error)
        )
    elif isinstance(error, MemoryError):
        known = errors.TryAgainLater("out of memory", _traceback(error))
    else:
        known = errors.Bug(f"{type(error).__name__}: {error}", _traceback(error))
    notes = getattr(error, "__notes__", ())
    known.details = "\n".join(filter(None, (known.details, *notes)))
    return known


def _give_up_reading(_number: int, _frame: object) -> None:
    raise errors.IOFailure(
        f"stdin did not end within {STDIN_PATIENCE_S} s",
        "the caller has to close it behind the network config",
    )


def _carry_out(asked: "Request") -> str:
    """Do it; return what was printed, if anything was."""
    role = _role(asked)
    result = role[asked.command](asked)
    if result is None:
        return ""
    try:
        _write(result)
    except OSError as error:  # nobody will ever know what was made
        role["DEL"](asked)
        raise errors.IOFailure("the result could not be written to stdout", str(error)) from error
    return result


def _role(asked: "Request") -> "Commands":
    """The commands of a bridge plugin, or those of an IPAM plugin when it is as that, by the name
    in `ipam.type`, that another plugin has executed us."""
    name = sys.argv[0].rpartition("/")[2]
    if config.ipam_type(asked.document) != name or asked.document.get("type", name) == name:
        return commands.COMMANDS
    from cni_bridge import ipam_plugin  # a role that most runs don't have

    return ipam_plugin.COMMANDS


def _cause(error: BaseException) -> BaseException:
    """What went wrong first: after that, another way to load the same was tried."""
    return _cause(error.__context__) if error.__context__ else error


def _traceback(error: BaseException) -> str:
    """Where a bug is: module, line and function of each frame, without importing `traceback`."""
    lines = []
    frame = error.__traceback__
    while frame:
        code = frame.tb_frame.f_code
        lines.append(f"{code.co_filename}:{frame.tb_lineno} in {code.co_name}")
        frame = frame.tb_next
    return "\n".join(lines)[-DETAILS_LIMIT:]


def _report(failure: errors.CniError, asked: "Request | None") -> str:
    """One error document for the runtime, which is returned, and one line for people."""
    version = asked.document.get("cniVersion") if asked else None
    document: result_versions.Json = {
        "cniVersion": version if version in versions.SUPPORTED else versions.NEWEST,
        "code": failure.code,
        "msg": failure.msg,
    }
    if failure.details:
        document["details"] = failure.details
    who = f" {asked.command} {asked.container} {asked.ifname}" if asked else ""
    text = codec.encode(document)
    remark(failure.msg, who)
    try:
        _write(text)
    except OSError:
        pass  # nobody listens; the exit status still tells
    return text


def _write(text: str) -> None:
    rest = text.encode()
    while rest:
        rest = rest[posix.write(1, rest) :]
