"""Open, create and query the ledger's SQLite file, and translate SQLite's errors.

Knows the table that holds the schema version; what the other tables mean is in `store`.
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
    from collections.abc import Iterable
    from typing import Any

    Row = tuple[Any, ...]

SCHEMA_VERSION = 7
FILE_NAME = "ledger.sqlite"
PATIENCE_S = 10.0  # an ADD or DEL holds the lock for less than a millisecond


class Database:
    """An open ledger file. Raises LedgerUnusable and TryAgainLater instead of SQLite's errors."""

    def __init__(self, path: str, patience_s: float) -> None:
        self.path = path
        self.is_whole = True
        self._patience_s = patience_s
        self._turn = -1  # descriptor of the directory, locked while this process writes
        self._depth = 0  # of nested transactions
        try:
            # isolation_level None: transactions begin only where this class begins them.
            self._connection = csqlite.connect(path, timeout=patience_s, isolation_level=None)
        except csqlite.Error as error:
            raise self._failure(error) from error

    def select(self, sql: str, *values: object) -> "list[Row]":
        """Return all rows of a query."""
        return self._run(sql, values)[0]

    def change(self, sql: str, *values: object) -> int:
        """Run a statement; return how many rows it changed."""
        return self._run(sql, values)[1]

    def change_all(self, sql: str, rows: "Iterable[Row]") -> int:
        """Run a statement for each row of values; return how many rows were changed in all."""
        try:
            return self._connection.executemany(sql, rows).rowcount
        except csqlite.Error as error:
            raise self._failure(error) from error

    def transaction(self) -> "Database":
        """Return the context of a write transaction: `with database.transaction():`.

        No other process writes meanwhile. The end of the block commits; an error that leaves it
        undoes the changes. A block inside another one is part of that one.
        """
        return self  # no class of its own: making one would cost every run more than a commit

    def __enter__(self) -> "Database":
        """Begin the transaction, unless this block is inside another one."""
        if not self._depth:
            try:
                self.begin()
            except BaseException:
                self.rollback()
                raise
        else:
            self._depth += 1
        return self

    def __exit__(self, kind: object, _error: object, _traceback: object) -> None:
        """Commit, or undo what was changed if an error leaves the outermost block."""
        self._depth -= 1
        if self._depth > 0:
            return
        try:
            if kind is None:
                self.commit()
        finally:
            self.rollback()

    def begin(self) -> None:
        """Begin a write transaction at once: a read lock could not always be upgraded later."""
        self._wait_for_turn()
        self.change("begin immediate")
        self._depth = 1

    def commit(self) -> None:
        """Commit the transaction."""
        self.change("commit")
        self._end_turn()

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        self._depth = 0
        try:
            if self._connection.in_transaction:
                self.change("rollback")
        finally:
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
        """Wait in line for the directory's lock.

        SQLite's own waiting polls after 1, 2, 5, 10 ms and so on: of many processes, some would
        sleep while none writes.
        """
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
        from cni_bridge.ledger import messages

        raise messages.locked(self.path, self._patience_s)

    def _run(self, sql: str, values: tuple[object, ...]) -> "tuple[list[Row], int]":
        try:
            cursor = self._connection.execute(sql, values)
            return cursor.fetchall(), cursor.rowcount
        except csqlite.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> errors.CniError:
        from cni_bridge.ledger import messages  # only for failures

        return messages.failure(error, self.path, self._patience_s)


def opened(state_dir: str, patience_s: float) -> Database | None:
    """Return the database of a state directory, or None if there is none or it is empty."""
    path = f"{state_dir}/{FILE_NAME}"
    found = state_directory.status(path)
    if found is None:
        return None
    if not S_ISREG(found.st_mode) or found.st_mode & state_directory.WRITABLE_BY_OTHERS:
        from cni_bridge.ledger import messages

        raise messages.untrusted_file(path, found.st_mode)
    database = Database(path, patience_s)
    try:
        if not database.select("select 1 from sqlite_master where name = 'ledger'"):
            database.close()
            return None
        _configure(database)
    except BaseException:
        database.close()  # the error is kept for the report, and would keep the file locked
        raise
    return database


def created(state_dir: str, patience_s: float) -> Database:
    """Create the database; safe if another process creates it at the same time."""
    from cni_bridge.ledger.schema import SCHEMA  # used once in a ledger's life

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
    # An asterisk, because an older schema has fewer columns.
    ((_, version, is_durable, *more),) = database.select("select * from ledger")
    if version != SCHEMA_VERSION:
        _migrate(database, version)  # once in a ledger's life
    database.is_whole = more != [0]
    database.change("pragma foreign_keys = on")
    if not is_durable:
        # Still safe against SIGKILL: the rollback journal is written, but not synced.
        database.change("pragma synchronous = off")


def _migrate(database: Database, version: int) -> None:
    """Migrate an older ledger to this schema, in one transaction; refuse a newer one."""
    if version > SCHEMA_VERSION:
        from cni_bridge.ledger import messages

        raise messages.unknown_schema(database.path, version, SCHEMA_VERSION)
    from cni_bridge.ledger.schema import CHANGES, SCHEMA

    with database.transaction():
        ((current,),) = database.select("select schema_version from ledger")
        for each in range(current + 1, SCHEMA_VERSION + 1):
            for statement in CHANGES.get(each, ()):
                database.change(statement)
        for statement in SCHEMA.split(";\n"):  # a script would begin with a commit
            database.change(statement)
        database.change("update ledger set schema_version = max(schema_version, ?)", SCHEMA_VERSION)


def _touch(path: str) -> None:
    """Create the file with mode 0600; SQLite would let other users read it.

    Must precede SQLite's open: closing any descriptor of a file drops all of the process's locks.
    """
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        posix.close(posix.open(path, flags, 0o600))
    except OSError as error:
        raise errors.LedgerUnusable(f"cannot create the ledger {path}: {error.strerror}") from error
