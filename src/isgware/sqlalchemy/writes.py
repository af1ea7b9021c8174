"""What a compiled INSERT, UPDATE or DELETE changes: made once per compiled statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import TIMESTAMP, Table
from sqlalchemy.sql import operators
from sqlalchemy.sql.dml import Delete, Insert, Update, UpdateBase
from sqlalchemy.sql.elements import BindParameter, BooleanClauseList, ColumnClause

from .cascades import tables_below
from .columns import comparable, key_columns, standard, table_name, table_of

_CHANGE: Final = "_isgware_change"


@dataclass(frozen=True, slots=True)
class Change:
    """``kind``: `Insert`, `Update` or `Delete`. ``columns`` that an UPDATE sets. ``bound``: by
    column, the name of the parameter that it is set to, where it is set to one; `None` if the rows
    are not those of the parameters. ``key``: likewise
    for the row that WHERE names, empty unless it names one by its key. ``where``: its conditions.
    ``conflict``: what an upsert changes of rows that are there; its ``key`` is what it finds them
    by. ``whole``: tables that are changed nobody knows how."""

    kind: type
    table: Any
    columns: frozenset[str] = frozenset()
    bound: Mapping[str, str] | None = None
    key: Mapping[str, str] | None = None
    where: tuple[Any, ...] = ()
    conflict: Change | None = None
    whole: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return table_name(self.table)


def changes_of(compiled: Any) -> tuple[Change, ...]:
    """Empty for a SELECT. Raises whatever a statement of an unknown kind leads to."""
    found: tuple[Change, ...] | None = compiled.__dict__.get(_CHANGE)
    if found is None:
        found = tuple(_changes(compiled))
        compiled.__dict__[_CHANGE] = found
    return found


def _changes(compiled: Any) -> Iterator[Change]:
    for cte in getattr(compiled, "ctes", None) or ():
        inner = getattr(cte, "element", None)
        if isinstance(inner, UpdateBase):
            yield _whole(type(inner), inner.table)
    if isinstance(compiled.statement, UpdateBase):
        yield _change(compiled, compiled.compile_state)


def _whole(kind: type, *tables: Any) -> Change:
    found = [table_of(table) for table in tables]
    names = frozenset(table_name(table) for table in found if table is not None)
    return Change(kind, found[0], whole=names)


def _change(compiled: Any, state: Any) -> Change:
    statement = state.statement
    table = table_of(statement.table)
    kind = next(kind for kind in (Insert, Update, Delete) if isinstance(statement, kind))
    others = getattr(state, "_extra_froms", ())
    if others or statement._prefixes or not isinstance(table, Table) or _replaces(statement, table):
        return _whole(kind, statement.table, *others)
    if kind is Delete:
        key = _key(compiled, statement, table)
        return Change(kind, table, key=key, where=statement._where_criteria)
    bound, columns = _values(compiled, state, table)
    if kind is Insert:
        clause = getattr(statement, "_post_values_clause", None)
        if clause is None or type(clause).__name__ == "OnConflictDoNothing":
            return Change(kind, table, bound=bound)
        conflict = _conflict(clause, table, bound or {})
        if conflict is None:
            return _whole(kind, statement.table)
        return Change(kind, table, bound=bound, conflict=conflict, whole=conflict.whole)
    key = _key(compiled, statement, table)
    whole = frozenset(tables_below(table, columns))
    return Change(kind, table, columns, bound, key, statement._where_criteria, whole=whole)


def _replaces(statement: Any, table: Any) -> bool:
    """Whether it may change rows that it does not name."""
    return isinstance(statement, Insert | Update) and any(
        "REPLACE" in str(value).upper()
        for part in (*table.columns, *table.constraints)
        for name, value in part.dialect_kwargs.items()
        if "on_conflict" in name
    )


def _conflict(clause: Any, table: Any, bound: Mapping[str, str]) -> Change | None:
    """What ``ON CONFLICT … DO UPDATE`` changes; `None` if it finds rows by something else than
    columns that are set to parameters, or changes their key."""
    targets = getattr(clause, "inferred_target_elements", None) or ()
    names = [getattr(target, "key", target) for target in targets]
    where = getattr(clause, "inferred_target_whereclause", None)
    if not names or where is not None or not all(name in table.columns for name in names):
        return None
    found = [table.columns[name].name for name in names]
    said = dict(clause.update_values_to_set)
    keys = {getattr(key, "key", key): value for key, value in said.items()}
    if not set(found) <= set(bound) or not all(key in table.columns for key in keys):
        return None
    columns = {table.columns[key].name for key in keys}
    columns |= {
        column.name
        for column in table.columns
        if column.computed is not None or column.server_onupdate is not None
    }
    if columns & set(key_columns(table)):
        return None
    new = {
        table.columns[key].name: bound[value.name]
        for key, value in keys.items()
        if isinstance(value, ColumnClause) and value.name in bound
        and getattr(value.table, "name", "") == "excluded"
    }  # fmt: skip
    whole = frozenset(tables_below(table, columns))
    by = {name: bound[name] for name in found}
    return Change(Update, table, frozenset(columns), new, by, whole=whole)


def _values(compiled: Any, state: Any, table: Any) -> tuple[dict[str, str] | None, frozenset[str]]:
    statement = state.statement
    if getattr(statement, "select", None) is not None or statement._multi_values:
        return None, frozenset()
    said = {
        getattr(key, "key", key): value for key, value in (state._dict_parameters or {}).items()
    }
    given = set(compiled.column_keys or ())
    later = {*(compiled.postfetch or ()), *compiled.update_prefetch}
    bound, columns = {}, set()
    # They change with their row, unless the table or the server says otherwise.
    stamps = compiled.dialect.name in ("mysql", "mariadb")
    for column in table.columns:
        value = said.pop(column.key, None)
        if value is None and column.key in said:
            value = True
        name = None
        if isinstance(value, BindParameter) and not _stored_alike(value.type, column.type):
            pass  # if it is the key, SQLAlchemy does not know that either
        elif isinstance(value, BindParameter) and value in compiled.bind_names:
            name = compiled.bind_names[value]
        elif column.key in compiled.binds and (
            value is None or isinstance(value, BindParameter) or not hasattr(value, "get_children")
        ):
            name = column.key
        if name is not None:
            bound[column.name] = name
        if (
            value is not None or column.key in given or column in later
            or column.computed is not None or column.onupdate is not None
            or column.server_onupdate is not None
            or (stamps and isinstance(column.type, TIMESTAMP))
        ):  # fmt: skip
            columns.add(column.name)
    if said:  # columns of another table, or called otherwise
        columns.update(column.name for column in table.columns)
        bound.clear()
    return bound, frozenset(columns)


def _stored_alike(given: Any, type_: Any) -> bool:
    """Whether a column of ``type_`` holds a parameter's value as one of its own type makes it."""
    return given is type_ or given._isnull or (standard(given) and standard(type_))


def _key(compiled: Any, statement: Any, table: Any) -> Mapping[str, str] | None:
    """The parameters that WHERE compares the key with; `None` if it does not."""
    found = {}
    for part in _parts(statement._where_criteria):
        if getattr(part, "operator", None) is operators.eq:
            column, value = part.left, part.right
            if (
                isinstance(column, ColumnClause) and isinstance(value, BindParameter)
                and column.table is not None and table_of(column.table) == table
                and comparable(column) and standard(value.type) and value in compiled.bind_names
            ):  # fmt: skip
                found[column.name] = compiled.bind_names[value]
    key = key_columns(table)
    return {name: found[name] for name in key} if key and set(key) <= set(found) else None


def _parts(conditions: Iterable[Any]) -> Iterator[Any]:
    for each in conditions:
        if isinstance(each, BooleanClauseList) and each.operator is operators.and_:
            yield from _parts(each.clauses)
        else:
            yield each
