"""Records what is written through Django's ORM: inserts, updates, deletes, of whatever call.

Rows that a statement changes by a condition are asked for before: see `old_rows`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from django.db import connections, transaction
from django.db.models.sql import constants

from ..core.database_reads import Writes
from ..core.dependencies import (
    KEY,
    UNKNOWN,
    Deleted,
    EverythingChanged,
    Inserted,
    RowsChanged,
    RowWrite,
    TableChanged,
    Updated,
    Write,
)
from ..management.record_writes import Announced, announce, announcing, tell, withdraw
from .bulk_updates import value_of_row
from .commits import Waiting, last_waiting, when_committed
from .field_values import is_converted, is_same, prepared
from .old_rows import can_begin, locked, never, rows_before
from .tables import Tables, by_value, key_column

#: Of the results of a query: how many rows it changed. Before Django 5.2 its cursor tells.
_COUNT: Final[Any] = getattr(constants, "ROW_COUNT", constants.CURSOR)
#: That are logged in a process.
_MOST_FAILURES: Final = 10
log: Final = logging.getLogger("isgware")
_failures: Final[set[str]] = set()


def _see_to(made: Callable[[], object]) -> None:
    """A save does not fail because there can be no ISG, such as for a user who may not write the
    store. But nothing else will ever say that its pages were not renewed."""
    try:
        made()
    except Exception as error:
        if str(error) not in _failures and len(_failures) < _MOST_FAILURES:
            _failures.add(str(error))
            log.error(
                "dependencies=: what this process writes to the database renews no pages: %s", error
            )


class Told(Waiting):
    """The writes of one transaction, or of one savepoint of it."""

    first = True

    def __init__(self, made: Callable[[], object], announces: Callable[[], bool]) -> None:
        self.writes = Writes()
        super().__init__(self._tell)
        self._made = made
        self._announces = announces
        self._announced: Announced = {}

    def before_commit(self) -> None:
        if self._announces():
            announce(self.writes, self._announced)

    def withdraw(self) -> None:
        withdraw(self._announced)

    def _tell(self) -> None:
        _see_to(self._made)
        tell(self.writes, self._announced)


class QueryWrites:
    """Of one project. ``made``: sees to it that there is an ISG, also in commands and tasks.
    ``durable``: it will want to know of commits beforehand."""

    def __init__(self, tables: Tables, made: Callable[[], object], durable: bool) -> None:
        self._tables = tables
        self._made = made
        self._durable = durable

    def _announces(self) -> bool:
        if self._durable and not announcing():  # nothing has been told yet in this process
            _see_to(self._made)
        return announcing()

    def note(self, write: Write, using: str) -> None:
        """Tell once the open transaction of ``using`` is committed; at once if there is none."""
        found = [write]
        if not isinstance(write, EverythingChanged):
            found += map(TableChanged, self._tables.made_of.get(write.table, ()))
        last = last_waiting(using)
        told = last if isinstance(last, Told) else Told(self._made, self._announces)
        for each in found:
            told.writes.add(each)
        if told is not last:
            when_committed(told, using)

    def _note_row(self, write: Write, model: Any, using: str) -> None:
        """``write`` names a row by the key of ``model``, which may be another than its table's."""
        if isinstance(write, RowWrite) and not self._tables.has_key_of_rows(model):
            write = dataclasses.replace(write, key=UNKNOWN)
        self.note(write, using)

    @contextlib.contextmanager
    def committed(self, connection: Any) -> Iterator[None]:
        """A transaction around a statement that would be committed by itself, if commits are
        announced: what it has written is known only afterwards."""
        alone = self._announces() and can_begin(connection)
        opened = transaction.atomic(connection.alias, savepoint=False)
        with opened if alone else contextlib.nullcontext():
            yield

    @contextlib.contextmanager
    def everything(self, why: str, using: str, *, commits: bool = False) -> Iterator[None]:
        """Around SQL that may write anything, and may have if it raised. It may not run within a
        transaction, so it is announced itself if it is committed by itself. ``commits``: it may end
        a transaction that Django takes for open."""
        told, connection = self._all(why), connections[using]
        alone = _alone(connection)
        if alone or commits:
            told.before_commit()
        try:
            yield
        finally:
            still = alone and _alone(connection)
            if still or commits:
                told()
            if not still:
                self.note(EverythingChanged(why), using)

    @contextlib.contextmanager
    def released(self, why: str, driver: Any) -> Iterator[None]:
        """Around the RELEASE of a savepoint on SQLite: that of an outermost one commits."""
        told = self._all(why)
        told.before_commit()
        try:
            yield
        finally:
            if driver.in_transaction:
                told.withdraw()
            else:
                told()

    def _all(self, why: str) -> Told:
        told = Told(self._made, self._announces)
        told.writes.add(EverythingChanged(why))
        return told

    def counts(self, table: str) -> bool:
        return table not in self._tables.ignored

    # Inserts

    def insert(self, compiler: Any, execute: Callable[[], Any], returning: Any) -> Any:
        query, using = compiler.query, compiler.connection.alias
        table = query.get_meta().db_table
        if not self.counts(table):
            return execute()
        with self.committed(compiler.connection):
            try:
                rows = execute()
            except BaseException:
                # Without a transaction some of several statements may have been committed.
                self.note(RowsChanged(table, None), using)
                raise
            for write in self._inserted(compiler, rows, returning):
                self._note_row(write, query.get_meta().concrete_model, using)
        return rows

    def _inserted(self, compiler: Any, rows: Any, returning: Any) -> Iterator[Write]:
        query = compiler.query
        meta = query.get_meta()
        model = meta.concrete_model
        column = key_column(model)
        returned = [field.column for field in returning or ()]
        at = returned.index(column) if column in returned else -1
        listed = list(rows or ())
        updates = {field.column for field in query.update_fields}
        by = {field.column for field in query.unique_fields}
        told = at >= 0 and len(listed) == len(query.objs)
        converted = bool(column) and is_converted(meta.pk)
        if updates and not told and by != {column}:  # which rows were there nobody knows
            yield RowsChanged(meta.db_table, updates | self._tables.generated(model))
        for number, instance in enumerate(query.objs):
            values = {}
            for field in query.fields:
                value = instance.__dict__.get(field.attname, _NOT_SAID)
                if by_value(field) and not hasattr(value, "resolve_expression"):
                    values[field.column] = prepared(field, value)
            key = values.get(column, UNKNOWN)
            if told:
                key = listed[number][at]
            elif column and key in (UNKNOWN, None):
                given = {field.column: field for field in query.fields}.get(column)
                value = instance.__dict__.get(given.attname) if given is not None else None
                key = UNKNOWN if value is None or hasattr(value, "as_sql") else value
            if converted:
                key = UNKNOWN
            if key is not UNKNOWN:
                values[column] = key
            if updates and (told or by == {column}):
                # Of a row that was there the other columns stay as they are, whatever those were.
                yield Updated(meta.db_table, key, updates | self._tables.generated(model))
            yield Inserted(meta.db_table, key, values)

    # Updates

    def update(self, compiler: Any, execute: Callable[[Any], Any], result_type: Any) -> Any:
        query, using = compiler.query, compiler.connection.alias
        meta = query.get_meta()
        table, model = meta.db_table, meta.concrete_model
        if not self.counts(table) or not query.values or never(compiler):
            return execute(result_type)
        columns = {field.column: (field, value) for field, _, value in query.values}
        changed = frozenset(columns) | self._tables.generated(model)
        counting = _COUNT if result_type in (None, constants.NO_RESULTS) else result_type
        key = key_column(model)
        if not key or key in columns:
            with self.committed(compiler.connection):
                try:
                    return execute(result_type)
                finally:
                    self.note(RowsChanged(table, None), using)
        with locked(compiler, table) as held:
            fields = [field for field, _ in columns.values()]
            rows = rows_before(compiler, model, fields, changed) if held else None
            with self._failing(table, changed, using):
                count = execute(counting)
            if rows is None or _counted(count) not in (None, len(rows)):
                self.note(RowsChanged(table, changed), using)
            for row in rows or ():
                generated = self._tables.generated(model)
                write = _updated(table, model, row, columns, generated, compiler.connection)
                if write is not None:
                    self._note_row(write, model, using)
        return count

    # Deletes

    def delete(self, compiler: Any, execute: Callable[[Any], Any], result_type: Any) -> Any:
        using = compiler.connection.alias
        meta = compiler.query.get_meta()
        # Not `base_table`: it keeps what it says before there is any, and Django needs it later.
        table = next(iter(compiler.query.alias_map), meta.db_table)
        model = meta.concrete_model
        if not self.counts(table) or never(compiler):
            return execute(result_type)
        if table != meta.db_table or not key_column(model):
            with self.committed(compiler.connection):
                with self._failing(table, None, using):
                    count = execute(result_type)
                for other in (table, *self._tables.cascaded(model)):
                    if self.counts(other):
                        self.note(RowsChanged(other, None), using)
            return count
        with locked(compiler, table) as held:
            rows = rows_before(compiler, model, [], None) if held else None
            with self._failing(table, None, using):
                count = execute(result_type)
            if rows is None or _counted(count) not in (None, len(rows)):
                self.note(RowsChanged(table, None), using)
            for row in rows or ():
                self._note_row(Deleted(table, row[KEY], _by_value(model, row)), model, using)
            if rows != []:
                for other in self._tables.cascaded(
                    model
                ):  # Django sends no statement for what goes along
                    if self.counts(other):
                        self.note(RowsChanged(other, None), using)
        return count

    @contextlib.contextmanager
    def _failing(self, table: str, columns: Any, using: str) -> Iterator[None]:
        """What a statement did that raised is not known."""
        try:
            yield
        except BaseException:
            self.note(RowsChanged(table, columns), using)
            raise


def _alone(connection: Any) -> bool:
    """Whether a statement is committed by itself."""
    return bool(connection.get_autocommit()) and not connection.in_atomic_block


def _counted(found: Any) -> int | None:
    """How many rows were changed, as far as the database tells."""
    count = len(found) if isinstance(found, list) else getattr(found, "rowcount", found)
    return count if isinstance(count, int) and count >= 0 else None


#: No value of any column.
_NOT_SAID: Final = object()


def _by_value(model: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    fields = model._meta.local_concrete_fields
    return {f.column: row[f.column] for f in fields if by_value(f) and f.column in row}


def _updated(
    table: str, model: Any, row: Mapping[str, Any], columns: Mapping[str, tuple[Any, Any]],
    generated: frozenset[str], connection: Any,
) -> RowWrite | None:  # fmt: skip
    old = _by_value(model, row)
    new, changed = dict(old), set[str]()
    for column, (field, given) in columns.items():
        value = value_of_row(given, row[key_column(model)])
        new.pop(column, None)
        if hasattr(value, "resolve_expression"):
            changed.add(column)
            continue
        if by_value(field):
            new[column] = prepared(field, value)
        if not is_same(field, row.get(column, UNKNOWN), value, connection):
            changed.add(column)
    if not changed:
        return None
    for column in generated:
        new.pop(column, None)
    return Updated(table, row[KEY], frozenset(changed) | generated, old, new)
