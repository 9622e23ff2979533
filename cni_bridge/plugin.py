"""One plugin run: read the request, dispatch it, write one JSON document or nothing.

Holds the only catch-all and the only writes to stdout.
"""

import posix
import sys
from errno import EPERM

from cni_bridge import cni_commands, errors, journal, timings
from cni_bridge.edge import codec, config, request, result_versions, versions
from cni_bridge.kernel import signals
from cni_bridge.kernel.netlink import KernelError
from cni_bridge.lean import files
from cni_bridge.ledger import state_directory
from cni_bridge.stderr import remark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_bridge.cni_commands import Commands
    from cni_bridge.edge.request import Request

DETAILS_LIMIT = 2000
# Failures that a value in the ledger may cause that makes no sense.
MAY_BE_DAMAGE = (errors.Bug, errors.KernelRefused, errors.FirewallRefused, errors.NotAsPlanned)
NEEDED = "Perhaps a capability is missing: cni-bridge needs CAP_NET_ADMIN and CAP_SYS_ADMIN."
STDIN_TIMEOUT_S = 60  # runtimes time out later, and would not report the cause


def run() -> int:
    """Execute the request of the environment and stdin; return the exit status."""
    variables = request.environment()
    call = journal.begin(variables)
    asked = None
    posix.umask(0o022)  # a runtime's may be 0, and delegated plugins inherit it
    try:
        request.check(variables)
        signals.limit(STDIN_TIMEOUT_S, _give_up_reading)
        call.stdin = request.read_stdin(variables["CNI_COMMAND"])
        signals.limit(0, _give_up_reading)
        asked = request.decode(variables, call.stdin)
        call.is_decodable = True
        timings.done("request")
        call.answer = _carry_out(asked)
    except BaseException as error:  # noqa: BLE001 - the runtime gets JSON whatever happened
        call.is_failure = True
        call.answer = _report(_failure(error, asked), asked)
    journal.end(call)
    return int(call.is_failure)


def _failure(error: BaseException, asked: "Request | None") -> errors.CniError:
    if asked is None:
        return as_cni_error(error)
    try:
        directory = config.state_dir(asked.document)
    except errors.CniError:
        directory = state_directory.HOST
    failure = as_cni_error(error, directory)
    if isinstance(failure, errors.LedgerUnusable) and asked.command == "STATUS":
        return errors.NotAvailable(failure.msg, failure.details)
    return failure


def as_cni_error(error: BaseException, directory: str = state_directory.HOST) -> errors.CniError:
    """Return any exception as an error with a code; an unexpected one is a Bug.

    What should not happen may have its cause in the directory's ledger, or in the host's.
    """
    if isinstance(error, errors.CniError):
        known = error
    elif isinstance(error, KernelError):
        known = errors.KernelRefused(str(error))
    elif isinstance(error, OSError):
        known = errors.IOFailure(str(error), _traceback(error))
    elif isinstance(error, ImportError):  # the build's tests prove that all modules are there
        known = errors.IOFailure(
            f"a part of the executable could not be loaded: {_cause(error)}", _traceback(error)
        )
    elif isinstance(error, MemoryError):
        known = errors.TryAgainLater("out of memory", _traceback(error))
    elif isinstance(error, KeyboardInterrupt):  # before an ADD or a removal has begun
        known = errors.TryAgainLater("interrupted by signal 2")
    else:
        known = errors.Bug(f"{type(error).__name__}: {error}", _traceback(error))
    if isinstance(known, MAY_BE_DAMAGE):
        from cni_bridge.ledger import damage  # only where something failed

        known = damage.explain(directory) or known
    notes = getattr(error, "__notes__", ())
    if isinstance(error, OSError) and error.errno == EPERM:
        notes = (NEEDED, *notes)
    known.details = "\n".join(filter(None, (known.details, *notes)))
    return known


def _give_up_reading(_number: int, _frame: object) -> None:
    raise errors.IOFailure(
        f"stdin did not end within {STDIN_TIMEOUT_S} s",
        "the runtime must close stdin after writing the network config",
    )


def _carry_out(asked: "Request") -> str:
    """Execute the command; return what was printed, "" for nothing."""
    role = _role(asked)
    result = role[asked.command](asked)
    if result is None:
        return ""
    try:
        _write(result)
    except OSError as error:  # the runtime will never learn what was made
        role["DEL"](asked)
        raise errors.IOFailure("the result could not be written to stdout", str(error)) from error
    return result


def _role(asked: "Request") -> "Commands":
    """Return the commands of a bridge plugin, or those of an IPAM plugin.

    Another plugin executes this one for its addresses by the name in `ipam.type`. By the name of the
    reference's IPAM plugin it is never a bridge plugin.
    """
    name = sys.argv[0].rpartition("/")[2]
    caller = asked.document.get("type")
    own = "" if name == config.HOST_LOCAL else name
    is_delegated = isinstance(caller, str) and caller not in ("", own)
    if not is_delegated or config.ipam_type(asked.document) != name:
        return cni_commands.COMMANDS
    from cni_bridge import ipam_plugin  # a rare role

    return ipam_plugin.COMMANDS


def _cause(error: BaseException) -> BaseException:
    """Return what failed first: after that, another way to load the same part was tried."""
    first = error.__context__
    return _cause(first) if isinstance(first, ImportError | OSError) else error


def _traceback(error: BaseException) -> str:
    """Return module, line and function of each frame, without importing `traceback`."""
    lines = []
    frame = error.__traceback__
    while frame:
        code = frame.tb_frame.f_code
        lines.append(f"{code.co_filename}:{frame.tb_lineno} in {code.co_name}")
        frame = frame.tb_next
    return "\n".join(lines)[-DETAILS_LIMIT:]


def _report(failure: errors.CniError, asked: "Request | None") -> str:
    """Write one error document for the runtime and one line for people; return the document."""
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
        pass  # stdout is closed; the exit status remains
    return text


def _write(text: str) -> None:
    files.write_all(1, text.encode())
