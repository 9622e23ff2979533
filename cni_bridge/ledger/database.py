"""One SQLite file: opened, created, spoken to, and its failures put in our words.

What the tables mean is not known here, except for the one that says which schema they follow.
"""

import posix
from _stat import S_ISREG
from fcntl import LOCK_EX, LOCK_NB, flock

from cni_bridge import errors
from cni_bridge.kernel import signals
from cni_bridge.lean.csqlite import csqlite
from cni_bridge.ledger import state_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    T = TypeVar("T")
    Row = tuple[Any, ...]

SCHEMA_VERSION = 5
FILE_NAME = "ledger.sqlite"
PATIENCE_S = 10.0  # an ADD or DEL holds the lock for less than a millisecond


class Database:
    """An open file. Whatever SQLite complains about leaves as LedgerUnusable or TryAgainLater."""

    def __init__(self, path: str, patience_s: float) -> None:
        self.path = path
        self.is_whole = True
        self._patience_s = patience_s
        self._turn = -1  # a descriptor whose lock is ours while we write
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
        """What `work` returns when nobody else can write; if it fails, its changes are undone.

        Inside of another such `work` it is part of that one.
        """
        if self._connection.in_transaction:
            return work()
        try:
            self.begin()
            outcome = work()
            self.commit()
        finally:
            self.rollback()
        return outcome

    def begin(self) -> None:
        """Begin a transaction with the right to write: two that only read can't both go on."""
        self._wait_for_turn()
        self.change("begin immediate")

    def commit(self) -> None:
        """Make the transaction's changes real."""
        self.change("commit")
        self._end_turn()

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        if self._connection.in_transaction:
            self.change("rollback")
        self._end_turn()

    def close(self) -> None:
        """Close the file; an open transaction is undone."""
        self._end_turn()
        self._connection.close()

    def run_script(self, sql: str) -> None:
        """Run several statements."""
        try:
            self._connection.executescript(sql)
        except csqlite.Error as error:
            raise self._failure(error) from error

    def _wait_for_turn(self) -> None:
        """Wait for those who came before. SQLite alone would look again after 1, 2, 5, 10 ms and so
        on, so that of many at once some sleep while nobody writes."""
        directory = self.path.rpartition("/")[0]
        try:
            self._turn = posix.open(directory, posix.O_RDONLY | posix.O_CLOEXEC)
            try:
                flock(self._turn, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                signals.limit(self._patience_s, self._give_up)
                flock(self._turn, LOCK_EX)
                signals.limit(0, self._give_up)
        except OSError as error:
            raise errors.LedgerUnusable(
                f"cannot lock the ledger's directory {directory}: {error.strerror}"
            ) from error

    def _end_turn(self) -> None:
        if self._turn >= 0:
            posix.close(self._turn)
            self._turn = -1

    def _give_up(self, _number: int, _frame: object) -> None:
        from cni_bridge.ledger import file_errors

        raise file_errors.locked(self.path, self._patience_s)

    def _run(self, sql: str, values: tuple[object, ...]) -> "tuple[list[Row], int]":
        try:
            cursor = self._connection.execute(sql, values)
            return cursor.fetchall(), cursor.rowcount
        except csqlite.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> errors.CniError:
        from cni_bridge.ledger import file_errors  # only where there is any

        return file_errors.failure(error, self.path, self._patience_s)


def opened(state_dir: str, patience_s: float) -> Database | None:
    """The database in a state directory, or None if there is none or nothing is in it yet."""
    path = f"{state_dir}/{FILE_NAME}"
    found = state_directory.status(path)
    if found is None:
        return None
    if not S_ISREG(found.st_mode) or found.st_mode & state_directory.WRITABLE_BY_OTHERS:
        from cni_bridge.ledger import file_errors

        raise file_errors.no_ledger(path, found.st_mode)
    database = Database(path, patience_s)
    try:
        if not database.select("select 1 from sqlite_master where name = 'ledger'"):
            database.close()
            return None
        _configure(database)
    except BaseException:
        database.close()  # or what it has locked would stay so: errors are kept for the report
        raise
    return database


def created(state_dir: str, patience_s: float) -> Database:
    """Make the database; harmless if another process is making it too."""
    from cni_bridge.ledger.schema import SCHEMA  # needed once in a ledger's life

    path = f"{state_dir}/{FILE_NAME}"
    _touch(path)
    database = Database(path, patience_s)
    try:
        database.run_script(f"begin immediate;\n{SCHEMA}")
        database.change(
            "insert into ledger values (1, ?, ?, 0) on conflict do nothing",
            SCHEMA_VERSION,
            state_directory.survives_reboot(state_dir),
        )
        database.commit()
        _configure(database)
    except BaseException:
        database.close()
        raise
    return database


def _configure(database: Database) -> None:
    # An asterisk, as an older one has fewer columns.
    ((_, version, is_durable, *more),) = database.select("select * from ledger")
    if version != SCHEMA_VERSION:
        _migrate(database, version)  # once in a ledger's life
    database.is_whole = more != [0]
    database.change("pragma foreign_keys = on")
    if not is_durable:
        # Still safe against SIGKILL: the rollback journal is written, only not waited for.
        database.change("pragma synchronous = off")


def _migrate(database: Database, version: int) -> None:
    """Bring an older ledger to our schema, in one transaction; refuse a newer one."""
    if version > SCHEMA_VERSION:
        from cni_bridge.ledger import file_errors

        raise file_errors.foreign(database.path, version, SCHEMA_VERSION)
    from cni_bridge.ledger.schema import CHANGES, SCHEMA

    def work() -> None:
        ((current,),) = database.select("select schema_version from ledger")
        for each in range(current + 1, SCHEMA_VERSION + 1):
            for statement in CHANGES.get(each, ()):
                database.change(statement)
        for statement in SCHEMA.split(";\n"):  # a script would begin with a commit
            database.change(statement)
        database.change("update ledger set schema_version = max(schema_version, ?)", SCHEMA_VERSION)

    database.locked(work)


def _touch(path: str) -> None:
    """Make the file ours alone; SQLite would let others read it.

    Before SQLite opens it: closing any descriptor of a file drops all locks that the process has.
    """
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        posix.close(posix.open(path, flags, 0o600))
    except OSError as error:
        raise errors.LedgerUnusable(f"cannot create the ledger {path}: {error.strerror}") from error
