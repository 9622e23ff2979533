"""Open, create and query the ledger's SQLite file, and translate SQLite's errors.

Knows the table that holds the schema version; what the other tables mean is in `store`.
"""

import posix
import time
from _stat import S_ISREG
from fcntl import LOCK_EX, LOCK_NB, flock

from cni_bridge import errors
from cni_bridge.kernel import signals
from cni_bridge.lean.csqlite import csqlite
from cni_bridge.ledger import state_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    T = TypeVar("T")
    Row = tuple[Any, ...]

SCHEMA_VERSION = 9
FILE_NAME = "ledger.sqlite"
PATIENCE_S = 10.0  # for one holder of the lock: an ADD or DEL has it for less than a millisecond
_COMMIT = "commit"
KEYS_AT_ONCE = 1000  # SQLite takes 32766 values
READERS_PATIENCE_S = 0.2  # then a reader is left the old file, and a new one takes its place


class Database:
    """An open ledger file. Raises LedgerUnusable and TryAgainLater instead of SQLite's errors."""

    def __init__(self, path: str, patience_s: float) -> None:
        self.path = path
        self.is_whole = True
        self._patience_s = patience_s
        self._turn = -1  # descriptor of the directory, locked while this process writes
        self._turns_before = 0  # what the directory said of it when this process last looked
        self._depth = 0  # of nested transactions
        self._pragmas: tuple[str, ...] = ()
        self._ended: errors.CniError | None = None  # why SQLite has ended the transaction
        self._connect()

    def select(self, sql: str, *values: object) -> "list[Row]":
        """Return all rows of a query."""
        return self._run(sql, values)[0]

    def select_of(self, sql: str, keys: "Sequence[Row]") -> "list[Row]":
        """Return all rows of a query about attachments: their networks, containers and ifnames."""
        rows: list[Row] = []
        for start in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[start : start + KEYS_AT_ONCE]
            among = "network = ? and container = ? and ifname = ?"
            if len(some) > 1:
                places = ", ".join(["(?, ?, ?)"] * len(some))
                among = f"(network, container, ifname) in (values {places})"
            values = [value for key in some for value in key]
            rows += self.select(f"{sql} where {among}", *values)
        return rows

    def change(self, sql: str, *values: object) -> int:
        """Run a statement; return how many rows it changed."""
        return self._run(sql, values)[1]

    def change_all(self, sql: str, rows: "Sequence[Row]") -> int:
        """Run a statement for each row of values; return how many rows were changed in all."""
        if self._ended:
            raise self._ended
        if not rows:
            return 0
        try:
            return self._connection.executemany(sql, rows).rowcount
        except csqlite.Error as error:
            raise self._failure(error) from error

    def set(self, *pragmas: str) -> None:
        """Run pragmas, now and whenever the file is opened again."""
        self._pragmas = pragmas
        for pragma in pragmas:
            self.change(pragma)

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
        if self._inode != _inode(self.path) != 0:
            self._reconnect()  # another process has replaced the file
        self.change("begin immediate")
        self._depth = 1

    def commit(self) -> None:
        """Commit the transaction. A process that reads the file can't prevent it."""
        try:
            self.change(_COMMIT)
        except errors.TryAgainLater as error:  # a signal raises it, too
            if self._turn < 0 or not _is_busy(error.__cause__):
                raise
            self._replace_file()
        self._end_turn()

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        self._depth, self._ended = 0, None
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
        self._patiently(lambda: self._connection.executescript(sql))

    def damaged(self, why: object) -> errors.LedgerUnusable:
        """Return the error for contents that can't be understood."""
        from cni_bridge.ledger import messages

        return messages.damaged(self.path, why)

    def _connect(self) -> None:
        self._inode = _inode(self.path)
        try:
            # isolation_level None: transactions begin only where this class begins them.
            self._connection = csqlite.connect(
                self.path, timeout=min(self._patience_s, READERS_PATIENCE_S), isolation_level=None
            )
        except csqlite.Error as error:
            raise self._failure(error) from error

    def _reconnect(self) -> None:
        self._connection.close()
        self._connect()
        self.set(*self._pragmas)

    def _replace_file(self) -> None:
        """Write the transaction's outcome to a new file, which takes the ledger's place.

        A process that reads the old file keeps a lock on it, and what it has read. Those that write
        wait in line meanwhile, and open the new file afterwards. The journal goes before: SQLite
        would apply it to the new file.
        """
        content = self._connection.serialize()
        self._connection.execute("rollback")
        new = f"{self.path}.new"
        try:
            flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_NOFOLLOW
            file = posix.open(new, flags | posix.O_CLOEXEC, 0o600)
            rest = memoryview(content)
            while rest:
                rest = rest[posix.write(file, rest) :]
            posix.fsync(file)
            posix.close(file)
            posix.rename(new, self.path)
        except OSError as error:
            raise errors.LedgerUnusable(f"cannot write {new}: {error.strerror}") from error
        self._reconnect()

    def _wait_for_turn(self) -> None:
        """Wait in line for the directory's lock, as long as others come and go.

        SQLite's own waiting polls after 1, 2, 5, 10 ms and so on: of many processes, some would
        sleep while none writes. The directory's time says that a process has come.
        """
        directory = self.path.rpartition("/")[0]
        try:
            self._turn = posix.open(directory, posix.O_RDONLY | posix.O_CLOEXEC)
            try:
                flock(self._turn, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                self._turns_before = posix.fstat(self._turn).st_mtime_ns
                signals.limit(self._patience_s, self._give_up)
                flock(self._turn, LOCK_EX)
                signals.limit(0, self._give_up)
        except OSError as error:
            raise errors.LedgerUnusable(
                f"cannot lock the ledger's directory {directory}: {error.strerror}"
            ) from error

        try:
            posix.utime(self._turn)
        except OSError:
            pass  # on a read-only file system no process has a turn for long

    def _end_turn(self) -> None:
        if self._turn >= 0:
            try:
                posix.close(self._turn)
            except OSError:  # a commit stands
                posix.closerange(self._turn, self._turn + 1)  # raises nothing
            self._turn = -1

    def _give_up(self, _number: int, _frame: object) -> None:
        """Raise TryAgainLater unless another process has had its turn in the meantime."""
        turns = posix.fstat(self._turn).st_mtime_ns
        if turns != self._turns_before:
            self._turns_before = turns
            signals.limit(self._patience_s, self._give_up)
            return
        from cni_bridge.ledger import messages

        raise messages.locked(self.path, self._patience_s)

    def _run(self, sql: str, values: tuple[object, ...]) -> "tuple[list[Row], int]":
        if self._ended:  # what follows would not be part of the transaction
            raise self._ended
        try:
            cursor = self._connection.execute(sql, values)
            return cursor.fetchall(), cursor.rowcount
        except csqlite.Error as error:
            if not _is_busy(error) or sql == _COMMIT:
                raise self._failure(error) from error
        except (ImportError, UnicodeError) as error:  # text that is no UTF-8: there are no codecs
            raise self._failure(error) from error
        cursor = self._patiently(lambda: self._connection.execute(sql, values))
        return cursor.fetchall(), cursor.rowcount

    def _patiently(self, statement: "Callable[[], T]") -> "T":
        """Return what a statement returns; repeat it while a process that is not in line writes."""
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return statement()
            except csqlite.Error as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise self._failure(error) from error

    def _failure(self, error: Exception) -> errors.CniError:
        from cni_bridge.ledger import messages  # only for failures

        failure = messages.failure(error, self.path, self._patience_s)
        if self._depth and not self._connection.in_transaction:
            self._ended = failure
        return failure


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
    rows = database.select("select * from ledger")
    if len(rows) != 1 or len(rows[0]) < 3 or not isinstance(rows[0][1], int) or rows[0][1] < 1:
        raise database.damaged(f"expected one row in table ledger, got {rows!r:.100}")
    _, version, is_durable, *more = rows[0]
    if version != SCHEMA_VERSION:
        _migrate(database, version)  # once in a ledger's life
    database.is_whole = more != [0]
    # On tmpfs still safe against SIGKILL: the rollback journal is written, but not synced.
    pragmas = () if is_durable else ("pragma synchronous = off",)
    database.set("pragma foreign_keys = on", *pragmas)


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


def _is_busy(error: BaseException | None) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (5, 6)  # SQLITE_BUSY, SQLITE_LOCKED


def _inode(path: str) -> int:
    """Return the inode of a file, 0 if there is none."""
    try:
        return posix.stat(path).st_ino
    except OSError:
        return 0


def _touch(path: str) -> None:
    """Create the file with mode 0600; SQLite would let other users read it.

    Must precede SQLite's open: closing any descriptor of a file drops all of the process's locks.
    """
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        posix.close(posix.open(path, flags, 0o600))
    except OSError as error:
        raise errors.LedgerUnusable(f"cannot create the ledger {path}: {error.strerror}") from error
