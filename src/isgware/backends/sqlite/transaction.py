"""What a connection to the store's file is asked: one transaction, whether the tables are ours, and
whether an error means that they are beyond reading."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")
APPLICATION_ID: Final = 0x49534757  # "ISGW"
VERSION: Final = 1
_UNUSABLE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}


class Damaged(sqlite3.DatabaseError):
    """The database opens, but does not hold what was written to it."""


def transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    return result


def is_ours(connection: sqlite3.Connection) -> bool:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    return (version, application) == (VERSION, APPLICATION_ID)


def of_the_store(error: BaseException) -> sqlite3.Error | UnicodeDecodeError | None:
    """What SQLite said, also where another error was raised from it. That of a damaged schema holds
    a piece of that, which need not be text."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, sqlite3.Error | UnicodeDecodeError):
        found = found.__cause__
    return found


def unusable(error: sqlite3.Error | UnicodeDecodeError) -> bool:
    """Whether no later attempt can find what this one did not find. Our statements are sound, so
    an SQL error means tables of another kind, and a constraint that fails a damaged index."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    return (
        isinstance(error, Damaged | UnicodeDecodeError)
        or code & 0xFF in _UNUSABLE
        or code in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_IOERR_SHORT_READ)
        or str(error).startswith("Could not decode to UTF-8")
    )
