"""One dnsmasq process for each network with a nameserver: its files, its start, reload and end.

All of it is in a directory of its own, because the process gives up root's rights and reads its data
again at each reload. A process changes them only while it has the lock.
"""

import posix
from fcntl import LOCK_EX, flock
from select import POLLIN, poll

from cni_bridge import timings
from cni_bridge.errors import NameserverFailed, TryAgainLater
from cni_bridge.kernel import child, signals
from cni_bridge.lean import files
from cni_bridge.model_optional import ServedNames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "/run/cni-bridge-dns"
PROGRAM = "dnsmasq"
TOOL_DIRS = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin")
PATIENCE_S = 10.0  # for the lock
START_MS, END_MS = 10_000, 2_000
SIGHUP, SIGKILL, SIGTERM = 1, 9, 15
PORT = 53

# Only queries that enter by the network's own interface are answered: not those of other networks,
# nor of the LAN, at whatever address of the host they arrive. `except-interface` is there because dnsmasq adds lo.
_CONFIGURATION = """\
# Written by cni-bridge for network {network}; changes are overwritten.
interface={interface}
except-interface=lo
bind-dynamic
port={port}
pid-file={directory}/dnsmasq.pid
addn-hosts={directory}/hosts
{others}no-hosts
local=/{domain}/
domain-needed
cache-size=1000
dns-forward-max=150
dns-loop-detect
log-async=25
"""


def require() -> str:
    """Return the path of dnsmasq. Raises NameserverFailed if it is not installed."""
    search = posix.environ.get(b"PATH", b"").decode(errors="surrogateescape").split(":")
    for directory in (*TOOL_DIRS, *filter(None, search)):
        path = f"{directory}/{PROGRAM}"
        if posix.access(path, posix.X_OK):
            return path
    raise NameserverFailed(
        "dnsmasq is not installed",
        "`nameserver` needs it: install the package dnsmasq-base (Debian, Ubuntu) or dnsmasq",
    )


def configuration(served: ServedNames) -> str:
    """Return the text of the process's configuration."""
    text = _CONFIGURATION.format(
        network=served.network,
        interface=served.interface,
        domain=served.domain,
        directory=directory(served.network),
        others=f"addn-hosts={others(served.network)}\n" if served.spans_hosts else "",
        port=PORT,
    )
    if served.upstream is None:
        return text
    return text + "no-resolv\n" + "".join(f"server={each}\n" for each in served.upstream)


def directory(network: str) -> str:
    """Return where a network's files are."""
    return f"{BASE}/{network}"


def networks() -> list[str]:
    """Return the networks that have files here."""
    try:
        return sorted(each for each in posix.listdir(BASE) if posix.access(hosts(each), posix.F_OK))
    except (FileNotFoundError, NotADirectoryError):
        return []


def hosts(network: str) -> str:
    """Return the path of the hosts file."""
    return f"{BASE}/{network}/hosts"


def others(network: str) -> str:
    """Return the path of the hosts file of a cluster network's other hosts, which the agent writes."""
    return f"{BASE}/{network}/others"


def has(network: str) -> bool:
    """Return whether the network has files here."""
    return posix.access(directory(network), posix.F_OK)


def read(path: str) -> str | None:
    """Return a file's text, or None if there is none."""
    try:
        return files.text_of(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def write(path: str, text: str) -> None:
    """Replace a file as a whole: wherever this process dies, it is the old or the new one."""
    new = f"{path}.new"
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_NOFOLLOW | posix.O_CLOEXEC
    file = posix.open(new, flags, 0o644)
    try:
        posix.fchmod(file, 0o644)  # whatever the umask is: dnsmasq reads it as another user
        rest = memoryview(text.encode())
        while rest:
            rest = rest[posix.write(file, rest) :]
    finally:
        posix.close(file)
    posix.rename(new, path)


class Lock:
    """The lock of all nameservers' files, as a context: `with Lock():`."""

    def __enter__(self) -> None:
        """Create the directory if it is missing, and wait for the lock. Raises TryAgainLater."""
        make_directory(BASE)
        self._file = posix.open(BASE, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
        signals.limit(PATIENCE_S, _give_up)
        try:
            flock(self._file, LOCK_EX)
        except BaseException:
            posix.close(self._file)
            raise
        finally:
            signals.limit(0, _give_up)

    def __exit__(self, *_failure: object) -> None:
        """Release the lock."""
        posix.close(self._file)


def make_directory(path: str) -> None:
    """Create a directory that every user may read, unless it exists."""
    if posix.access(path, posix.F_OK):
        return
    try:
        posix.mkdir(path, 0o755)
    except FileExistsError:
        return
    posix.chmod(path, 0o755)


def ensure(network: str, *, is_changed: bool) -> None:
    """Tell the running process to read its hosts again; start it if it is dead or its configuration new.

    Raises NameserverFailed.
    """
    if not is_changed and reload(network):
        return
    program = require()
    for each in _of_network(network):  # its files may have been lost
        _end(each)
    if (last := _recorded(network)) and not _command(last):
        _end(last, 0)  # killed, and dying: it has no command line any more, and still its sockets
    try:
        done = child.run(
            (*_scope(), program, f"--conf-file={_configuration(network)}"), timeout_ms=START_MS
        )
    except (OSError, TimeoutError) as error:
        raise NameserverFailed(f"cannot execute {program}", str(error)) from error
    timings.done("nameserver started")
    if done.status:
        complaint = done.stderr.decode(errors="replace").strip()
        raise NameserverFailed(
            f"the nameserver of network {network} did not start",
            f"{complaint or f'exit status {done.status}'}\n{_advice(complaint)}",
        )


def _advice(complaint: str) -> str:
    # dnsmasq starts as root: only a security module refuses it a file.
    if "Permission denied" in complaint:
        return f"AppArmor or SELinux must allow {PROGRAM} to use {BASE}: see names.md"
    return f"another process may have port 53: `ss -lnp sport = {PORT}`"


def reload(network: str) -> bool:
    """Make the running process read its files again; return whether one runs."""
    found = running(network)
    if found:
        posix.kill(found, SIGHUP)
    return bool(found)


def stop(network: str) -> None:
    """End the network's process and remove its files."""
    found = running(network)
    for each in (found,) if found else _of_network(network):
        _end(each)
    where = directory(network)
    try:
        for name in posix.listdir(where):
            posix.unlink(f"{where}/{name}")
        posix.rmdir(where)
    except FileNotFoundError:
        pass


def running(network: str) -> int:
    """Return the id of the network's process, 0 if none runs."""
    number = _recorded(network)
    return number if number and _is_server(number, network) else 0


def _recorded(network: str) -> int:
    """Return the id that the network's process has written, alive or not; 0 if there is none."""
    text = read(f"{directory(network)}/dnsmasq.pid")
    return int(text) if text and text.strip().isdecimal() else 0


def orphans() -> "Iterator[tuple[int, str]]":
    """Yield the processes of networks that have no files here, each with its network."""
    known = networks()
    for number in _processes():
        head, _, rest = _command(number).partition(f"--conf-file={BASE}/")
        network = rest.partition("/")[0]
        if head and network and network not in known and _is_server(number, network):
            yield number, network


def end_orphans() -> list[str]:
    """End them; return their networks."""
    found = list(orphans())
    for number, _ in found:
        _end(number)
    return [network for _, network in found]


def _configuration(network: str) -> str:
    return f"{directory(network)}/dnsmasq.conf"


def configure(network: str, text: str) -> bool:
    """Write the configuration; return whether it is another one than before."""
    make_directory(directory(network))
    if others(network) in text and read(others(network)) is None:
        write(others(network), "")
    if read(_configuration(network)) == text:
        return False
    write(_configuration(network), text)
    return True


def configured(network: str) -> str:
    """Return the configuration's text; empty if there is none."""
    return read(_configuration(network)) or ""


def _scope() -> tuple[str, ...]:
    """Return how to start a process that outlives the runtime's unit: systemd would end it too.

    Not one that a shutdown ends first: containers need their names until they have ended, and a DEL
    meanwhile would not get it started again.
    """
    path = "/usr/bin/systemd-run"
    if posix.access("/run/systemd/system", posix.F_OK) and posix.access(path, posix.X_OK):
        return (path, "--quiet", "--scope", "--collect", "--property=DefaultDependencies=no")
    return ()


def _of_network(network: str) -> list[int]:
    return [number for number in _processes() if _is_server(number, network)]


def _processes() -> "Iterator[int]":
    return (int(each) for each in posix.listdir("/proc") if each.isdecimal())


def _is_server(number: int, network: str) -> bool:
    """Return whether it is that network's process, in this network namespace."""
    if f"--conf-file={_configuration(network)}\0" not in _command(number):
        return False
    try:
        return posix.stat(f"/proc/{number}/ns/net").st_ino == posix.stat("/proc/self/ns/net").st_ino
    except PermissionError:  # without CAP_SYS_PTRACE
        return True
    except OSError:
        return False


def _command(number: int) -> str:
    try:
        return files.start_of(f"/proc/{number}/cmdline", 4096)
    except OSError:
        return ""


def _end(number: int, *how: int) -> None:
    """Send signals until a process is gone, so that its port is free; without any, those that end it."""
    try:
        handle = posix.pidfd_open(number)
    except ProcessLookupError:
        return
    try:
        waiting = poll()
        waiting.register(handle, POLLIN)
        for signal in how or (SIGTERM, SIGKILL):
            posix.kill(number, signal)
            if waiting.poll(END_MS):
                return
    except ProcessLookupError:
        pass
    finally:
        posix.close(handle)


def _give_up(_number: int, _frame: object) -> None:
    raise TryAgainLater(
        f"the lock of {BASE} was held for {PATIENCE_S:.0f} s", "end the process that holds it"
    )
