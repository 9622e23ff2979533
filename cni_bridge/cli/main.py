"""The command line for people: which command it is, and how failures are reported."""

import errno
import gc
import importlib
import os
import signal
import sys

import cni_bridge
from cni_bridge.cli import terminal
from cni_bridge.cli.commands import ASK, COMMANDS
from cni_bridge.cli.options import HelpFormatter, Options, Parser
from cni_bridge.edge import versions
from cni_bridge.errors import CniError, InvalidConfig, IOFailure, LedgerUnusable

DESCRIPTION = """\
Docker-style networking for containers: a bridge, veth pairs, addresses, routes.
Container runtimes run it as a CNI plugin; these commands are for people."""
EPILOG = """\
`cni-bridge COMMAND --help` has details and examples. Exit status: 0 success, 1 something is
wrong, 2 wrong usage."""
UNWRITABLE = (errno.ENOSPC, errno.EPIPE, errno.EIO, errno.EBADF, errno.EDQUOT)
INTERRUPTED = 130  # as a shell reports SIGINT


def run(arguments: list[str]) -> int:
    """Run a command line; return the exit status: 0, 1 failed, 2 wrong usage."""
    if not arguments:
        return _banner()
    gc.enable()  # the executable turns it off, for plugin runs
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `cni-bridge show | head` ends without a word
    _open_streams()
    try:
        if arguments[0] == ASK:
            return _complete(arguments[1:]) or _flush()
        status = _carry_out(_parsed(_as_options(arguments)))
    except SystemExit as end:  # argparse's, after help or wrong usage
        raise SystemExit(end.code or _flush()) from None
    except OSError as error:  # the help could not be printed
        return _unwritable(error)
    return _flush() or status  # also after a failure: the interpreter would print a traceback


def build_parser(*wanted: str) -> Parser:
    """Return the parser of the whole command line.

    Only the wanted commands have their options, also those of `lab`: loading a module takes time.
    """
    parser = Parser(
        prog="cni-bridge",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        *("-V", "--version"), action="version", version=f"cni-bridge {cni_bridge.__version__}"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        if name in wanted:
            loaded = importlib.import_module(f"cni_bridge.cli.{module}")
            loaded.register(commands, *((wanted,) if name == "lab" else ()))
        else:
            commands.add_parser(name, help=summary)
    return parser


def _as_options(arguments: list[str]) -> list[str]:
    """Turn the words `help`, `help COMMAND` and `version` into options."""
    first, *rest = arguments
    if first == "help":
        return [*rest, "--help"]
    return ["--version"] if first == "version" and not rest else arguments


def _parsed(arguments: list[str]) -> Options:
    options, extra = build_parser(*arguments[:2]).parse_known_args(arguments)
    if extra:
        options.command_parser.refuse(extra)
    return options


def _complete(words: list[str]) -> int:
    from cni_bridge.cli import completion

    return completion.answer(build_parser(*words[:2]), words)


def _carry_out(options: Options) -> int:
    try:
        status: int = options.run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except EOFError:  # Ctrl-D where a question was asked
        terminal.write("", stderr=True)
        return terminal.fail(InvalidConfig("no answer was given, so nothing was done"))
    except PermissionError as error:
        what = f"{error.filename}: " if error.filename else ""
        return terminal.fail(IOFailure(f"{what}{error.strerror}", "root is needed: use sudo"))
    except Exception as error:  # noqa: BLE001 - people get what runtimes get: a sentence and details
        if isinstance(error, OSError) and error.errno in UNWRITABLE and not error.filename:
            return _unwritable(error)
        from cni_bridge import plugin  # all of it, for a failure only

        return terminal.fail(for_people(plugin.as_cni_error(error), os.geteuid()))
    return status


def _open_streams() -> None:
    """Replace streams that the caller has closed, as printing to them would fail anywhere."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - as above


def _flush() -> int:
    """Write what is buffered; return 1, and say so, if that fails."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return _unwritable(error)
    return 0


def _unwritable(error: OSError) -> int:
    # The interpreter flushes once more at its end, and would print a traceback.
    os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stdout.fileno())
    return terminal.fail(IOFailure(f"cannot write to stdout: {error.strerror}"))


def for_people(error: CniError, user: int) -> CniError:
    """Return the error as this user should see it: without root, the host's ledger is unreadable."""
    if user and isinstance(error, LedgerUnusable) and "belongs to uid 0," in error.msg:
        advice = "use sudo, or --state-dir DIR for a ledger of your own"
        return LedgerUnusable("this host's ledger belongs to root", advice)
    return error


def _banner() -> int:
    supported = ", ".join(versions.SUPPORTED)
    terminal.write(f"CNI cni-bridge plugin {cni_bridge.__version__}", stderr=True)
    terminal.write(f"CNI protocol versions supported: {supported}", stderr=True)
    terminal.write("By hand: cni-bridge --help", stderr=True)
    return 0
