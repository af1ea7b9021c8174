"""Rows as the database holds them just before a query of the ORM changes them.

They are asked for in its own transaction, locked: which they are, and the values by which questions
are told apart. A loaded object's word is not enough: another process may have changed its row.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from contextvars import ContextVar
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import OperationalError, transaction
from django.db.models import Func
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now, Random
from django.db.models.sql.constants import MULTI
from django.db.models.sql.query import Query
from django.db.models.sql.where import ExtraWhere

from ..core.database_reads import MAX_WRITES
from ..core.dependencies import KEY
from .field_values import compared_raw
from .tables import by_value, key_column, unique_columns

#: What runs: SQL of the app's own, that of a query of the ORM, or what is asked before a write.
within: Final[ContextVar[int]] = ContextVar("isgware_within_query", default=0)
THE_ORM: Final = 1
OUR_OWN: Final = 2
#: On the connection of a driver.
_BEGUN: Final = "_isgware_begun"


def never(compiler: Any) -> bool:
    """Whether no row can meet the condition, such as ``pk__in=[]``: Django sends nothing then, and
    nothing may be locked for it."""
    try:
        compiler.compile(compiler.query.where)
    except EmptyResultSet:
        return True
    except Exception:  # the statement itself says what is wrong, or needs no condition at all
        return False
    return False


def can_begin(connection: Any) -> bool:
    """Whether there is no transaction. An app may have begun one in plain words (``BEGIN
    IMMEDIATE``), of which Django knows nothing."""
    if not connection.get_autocommit() or connection.in_atomic_block:
        return False
    driver = connection.connection
    if connection.vendor == "postgresql":
        return int(driver.info.transaction_status) == 0
    return not getattr(driver, "in_transaction", False) and not getattr(driver, _BEGUN, False)


def note_begun(connection: Any, word: str, sql: str) -> None:
    """``sql`` of the app's own is executed, which begins with ``word``. The drivers of MySQL do not
    say whether there is a transaction, and to begin another commits it."""
    if connection.vendor == "mysql" and connection.connection is not None:
        begins = word in ("begin", "start")
        if begins or word == "commit" or (word == "rollback" and " to " not in sql.lower()):
            with contextlib.suppress(AttributeError):  # a driver's own class may take none
                setattr(connection.connection, _BEGUN, begins)


@contextlib.contextmanager
def locked(compiler: Any, table: str) -> Iterator[bool]:
    """A transaction in which nobody else writes the rows that are about to be read. False of a view
    of SQLite: its rows are changed by triggers, and cannot be locked."""
    connection = compiler.connection
    opened = transaction.atomic(connection.alias, savepoint=False)
    with opened if can_begin(connection) else contextlib.nullcontext():
        held = True
        if connection.vendor == "sqlite":
            token = within.set(OUR_OWN)
            try:
                # Takes the one lock for writing before anything is read, and changes nothing.
                quote = connection.ops.quote_name
                with connection.cursor() as cursor:
                    cursor.execute(f"DELETE FROM {quote(table)} WHERE 0 = 1")
            except OperationalError as error:
                if "view" not in str(error):
                    raise
                held = False
            finally:
                within.reset(token)
        yield held


def rows_before(
    compiler: Any, model: Any, fields: list[Any], changed: Collection[str] | None
) -> list[dict[str, Any]] | None:
    """The rows as they are, with ``fields``, and with `KEY`, their key as the driver gives it, as
    it gives values of fields that are to be `compared_raw`; `None` if there are too many, or which
    they are cannot be asked. ``changed``: columns that are about to be; `None`: rows are to go."""
    features = compiler.connection.features
    if features.has_select_for_update and compiler.connection.get_autocommit():
        return None  # Django knows of no transaction, and so locks nothing
    query = compiler.query.chain(klass=Query)
    several = sum(count > 0 for count in query.alias_refcount.values()) > 1
    unlocked = several and compiler.connection.vendor != "sqlite"  # whose lock is of all tables
    if unlocked or query.group_by is not None or _asks(query.where):
        return None  # they may be others when the statement itself asks
    query.clear_ordering(force=True)
    query.extra, query.select_related, query.distinct = {}, False, False
    query.clear_select_clause()
    wanted = {
        field.attname: field
        for field in model._meta.local_concrete_fields
        if field.primary_key or by_value(field) or field in fields
    }
    query.add_fields(list(wanted), allow_m2m=False)
    if features.has_select_for_update:
        query.select_for_update = True
        # As the UPDATE itself: rows that refer to these may come meanwhile.
        query.select_for_no_key_update = (
            features.has_select_for_no_key_update
            and changed is not None
            and not any(columns & set(changed) for columns in unique_columns(model))
        )
    if not query.select_for_update or features.supports_select_for_update_with_limit:
        query.set_limits(high=MAX_WRITES + 1)
    token = within.set(OUR_OWN)
    try:
        asked = query.get_compiler(connection=compiler.connection)
        raw = [row for chunk in asked.execute_sql(MULTI) or () for row in chunk]
        rows = list(asked.results_iter(results=[raw]))
    except EmptyResultSet:
        return []
    finally:
        within.reset(token)
    if len(rows) > MAX_WRITES:
        return None
    columns = [field.column for field in wanted.values()]
    at = columns.index(key_column(model))
    as_held = [(number, f.column) for number, f in enumerate(wanted.values()) if compared_raw(f)]
    found = [
        {**dict(zip(columns, row, strict=False)), KEY: held[at]}
        for row, held in zip(rows, raw, strict=True)
    ]
    for values, held in zip(found, raw, strict=True) if as_held else ():
        values.update((column, held[number]) for number, column in as_held)
    return list({row[KEY]: row for row in found}.values()) if several else found


def _asks(where: Any) -> bool:
    """Whether other tables decide, which are not locked, or functions that change their mind."""
    return any(
        getattr(child, "contains_subquery", False)
        or isinstance(getattr(child, "rhs", None), Query)
        or hasattr(child, "query_object")
        or (_asks(child) if hasattr(child, "children") else not _settled(child))
        for child in where.children
    )


def _settled(condition: Any) -> bool:
    """Whether it gives the same for the same row, whenever it is asked. Of SQL of the app's own
    nobody knows."""
    if not hasattr(condition, "flatten"):
        return not isinstance(condition, ExtraWhere)
    return all(
        type(part).__module__.startswith(
            "django.db.models." if isinstance(part, Func) else "django."
        )
        and type(part) is not Func
        and not isinstance(part, RawSQL | Now | Random)
        for part in condition.flatten()
    )
