"""One SQLite file: opened, created, spoken to, and its failures put in our words.

What the tables mean is not known here, except for the one that says which schema they follow.
"""

import posix
from _stat import S_ISREG

from cni_bridge import errors
from cni_bridge.csqlite import csqlite
from cni_bridge.ipam import statedir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    T = TypeVar("T")
    Row = tuple[Any, ...]

SCHEMA_VERSION = 3
FILE_NAME = "ledger.sqlite"
PATIENCE_S = 10.0  # an ADD or DEL holds the lock for less than a millisecond

_AS_NEW = (
    "Move the file away and an empty one is made; it knows nothing of the containers that run, so "
    "remove those first, or restart the machine."
)


class Database:
    """An open file. Whatever SQLite complains about leaves as IOFailure or TryAgainLater."""

    def __init__(self, path: str, patience_s: float) -> None:
        self.path = path
        self._patience_s = patience_s
        try:
            # isolation_level None: transactions begin where we say so.
            self._connection = csqlite.connect(path, timeout=patience_s, isolation_level=None)
        except csqlite.Error as error:
            raise self._failure(error) from error

    def select(self, sql: str, *values: object) -> "list[Row]":
        """All rows of a query."""
        return self._run(sql, values)[0]

    def change(self, sql: str, *values: object) -> int:
        """Run a statement; how many rows it has changed."""
        return self._run(sql, values)[1]

    def change_all(self, sql: str, rows: "Iterable[Row]") -> int:
        """Run a statement for each row of values; how many rows all of them have changed."""
        try:
            return self._connection.executemany(sql, rows).rowcount
        except csqlite.Error as error:
            raise self._failure(error) from error

    def locked(self, work: "Callable[[], T]") -> "T":
        """What `work` returns when nobody else can write; if it fails, its changes are undone."""
        self.begin()
        try:
            outcome = work()
            self.commit()
        finally:
            self.rollback()
        return outcome

    def begin(self) -> None:
        """Begin a transaction with the right to write: two that only read can't both go on."""
        self.change("begin immediate")

    def commit(self) -> None:
        """Make the transaction's changes real."""
        self.change("commit")

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        if self._connection.in_transaction:
            self.change("rollback")

    def close(self) -> None:
        """Close the file; an open transaction is undone."""
        self._connection.close()

    def run_script(self, sql: str) -> None:
        """Run several statements."""
        try:
            self._connection.executescript(sql)
        except csqlite.Error as error:
            raise self._failure(error) from error

    def _run(self, sql: str, values: tuple[object, ...]) -> "tuple[list[Row], int]":
        try:
            cursor = self._connection.execute(sql, values)
            return cursor.fetchall(), cursor.rowcount
        except csqlite.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> errors.CniError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind of error
        if code in (csqlite.SQLITE_BUSY, csqlite.SQLITE_LOCKED):
            return errors.TryAgainLater(
                f"the ledger {self.path} stayed locked for {self._patience_s:g} s",
                _lock_details(self.path),
            )
        if code in (csqlite.SQLITE_CORRUPT, csqlite.SQLITE_NOTADB):
            return errors.IOFailure(f"the ledger {self.path} is damaged: {error}", _AS_NEW)
        return errors.IOFailure(
            f"cannot use the ledger {self.path}: {error}",
            "Check the permissions of the file and of its directory, and the space left there.",
        )


def opened(state_dir: str, patience_s: float) -> Database | None:
    """The database in a state directory, or None if there is none or nothing is in it yet."""
    path = f"{state_dir}/{FILE_NAME}"
    found = statedir.status(path)
    if found is None:
        return None
    if not S_ISREG(found.st_mode):
        raise errors.IOFailure(f"the ledger {path} is not a regular file", _AS_NEW)
    database = Database(path, patience_s)
    if not database.select("select 1 from sqlite_master where name = 'ledger'"):
        database.close()
        return None
    _configure(database)
    return database


def created(state_dir: str, patience_s: float) -> Database:
    """Make the database; harmless if another process is making it too."""
    from cni_bridge.ipam.schema import SCHEMA  # needed once in a ledger's life

    path = f"{state_dir}/{FILE_NAME}"
    _touch(path)
    database = Database(path, patience_s)
    database.run_script(f"begin immediate;\n{SCHEMA}")
    database.change(
        "insert into ledger values (1, ?, ?) on conflict do nothing",
        SCHEMA_VERSION,
        statedir.survives_reboot(state_dir),
    )
    database.commit()
    _configure(database)
    return database


def lock_holders(locks: str, inode: int) -> tuple[str, ...]:
    """The process ids that hold a lock on the file, from the text of /proc/locks.

    A line is `1: POSIX  ADVISORY  WRITE 4711 00:19:81 1073741825 1073741825`, and those that wait
    have `->` after the number; proc_locks(5). The device is not compared: overlayfs and btrfs show
    another one than stat does.
    """
    lines = [line.split() for line in locks.splitlines()]
    pids = [line[4] for line in lines if line[1] != "->" and line[5].endswith(f":{inode}")]
    return tuple(dict.fromkeys(pids))


def _configure(database: Database) -> None:
    ((version, is_durable),) = database.select("select schema_version, is_durable from ledger")
    if version != SCHEMA_VERSION:
        raise errors.IOFailure(
            f"the ledger {database.path} has schema version {version}, "
            f"this cni-bridge needs version {SCHEMA_VERSION}",
            f"Go on with the cni-bridge that wrote it. {_AS_NEW}",
        )
    database.change("pragma foreign_keys = on")
    if not is_durable:
        # Still safe against SIGKILL: the rollback journal is written, only not waited for.
        database.change("pragma synchronous = off")


def _touch(path: str) -> None:
    """Make the file ours alone; SQLite would let others read it.

    Before SQLite opens it: closing any descriptor of a file drops all locks that the process has.
    """
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        posix.close(posix.open(path, flags, 0o600))
    except OSError as error:
        raise errors.IOFailure(f"cannot create the ledger {path}: {error.strerror}") from error


def _lock_details(path: str) -> str:
    """Who holds the lock, as far as /proc tells."""
    try:
        with open("/proc/locks", encoding="ascii") as file:
            pids = lock_holders(file.read(), posix.stat(path).st_ino)
    except OSError:
        pids = ()
    who = ", ".join(f"{pid} ({_command(pid)})" for pid in pids)
    return f"It is held by process {who}." if who else "Whoever held it is gone now."


def _command(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:  # it ended, or is of another pid namespace
        return "unknown"
