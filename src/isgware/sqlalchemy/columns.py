"""Tables and columns of a statement, as the database names them, and types whose values compare."""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Boolean, Column, Integer, String, Table, UniqueConstraint, Uuid
from sqlalchemy.orm.mapper import _all_registries
from sqlalchemy.sql.elements import ColumnClause, Label
from sqlalchemy.sql.selectable import TableClause

from ..core.dependencies import UNKNOWN, canonical

_OWN: Final = frozenset({"sqlalchemy", "builtins", "typing", "abc"})


def table_of(element: Any) -> Any:
    """The table that a FROM element is, or is an alias of; `None` if it is something else."""
    while element is not None and not isinstance(element, TableClause):
        if element.__visit_name__ not in ("alias", "tablesample"):
            return None
        element = getattr(element, "element", None)
    return element


def roots(column: Any) -> list[Any]:
    """The tables' columns that ``column`` passes on: itself, or those below aliases and subqueries.
    What a subquery computes is none."""
    return [
        base
        for base in column.base_columns
        if isinstance(base, ColumnClause) and isinstance(base.table, TableClause)
    ]


def origin(column: Any) -> Any:
    """The column of a table, or of an alias of one, that ``column`` puts out as it is, through any
    number of subqueries; `None` if it is something else, or one of several."""
    while isinstance(column, ColumnClause) and column.table is not None:
        if table_of(column.table) is not None:
            return column
        below = {hash(each): each for each in map(unlabelled, column._proxies)}
        if len(below) != 1:
            return None
        (column,) = below.values()
    return None


def unlabelled(output: Any) -> Any:
    """What a column of a result is, below its labels."""
    while isinstance(output, Label) or type(output).__name__ == "_CompileLabel":
        output = output.element
    return output


def table_name(table: Any) -> str:
    """Without its schema: the same table may be written with and without one."""
    return str(table.name)


def key_columns(table: Any) -> tuple[str, ...]:
    """The columns of its primary key; none if it has none that is known, or if another `Table` of
    the name has another: its rows are then called by no key at all."""
    if not isinstance(table, Table):
        return ()
    own = tuple(column.name for column in table.primary_key)
    if own:
        known = keys_of(table_name(table))
        known.add(own)
        return own if len(known) == 1 else ()
    return own


@lru_cache(maxsize=10_000)
def keys_of(name: str) -> set[tuple[str, ...]]:
    """The keys of all tables of that name that the app's classes are mapped to, or lie beside.
    Every process has to come to the same, whichever it meets first."""
    classes = [mapper for registry in list(_all_registries()) for mapper in list(registry.mappers)]
    known: set[Any] = {getattr(mapper.local_table, "metadata", None) for mapper in classes}
    tables = [table for each in known - {None} for table in list(each.tables.values())]
    keys = (tuple(c.name for c in each.primary_key) for each in tables if each.name == name)
    return {key for key in keys if key}


def column_of(table: Any, name: str) -> Any:
    """A column by its name in the database, which its key need not be."""
    return next(column for column in table.columns if column.name == name)


def stored(dialect: Any, column: Any, value: Any) -> Any:
    """A value of ``column`` as the database holds it; `UNKNOWN` if only the database knows."""
    if column.type._has_bind_expression:
        return UNKNOWN
    processor = column.type.dialect_impl(dialect).bind_processor(dialect)
    return value if processor is None else processor(value)


def comparable(column: Any) -> bool:
    """Whether equality of its values can be told without the database: integers, booleans, UUIDs,
    of SQLAlchemy's own types, since others may hold anything in them."""
    return isinstance(column.type, Integer | Boolean | Uuid) and standard(column.type)


def standard(type_: Any) -> bool:
    """Whether a type is SQLAlchemy's own in every database. Others may store what they like."""
    kinds: list[Any] = [type(each) for each in (type_, *type_._variant_mapping.values())]
    return all(map(own, kinds))


def is_text(column: Any) -> bool:
    """Whether it is a column of a table, or of an alias of one, with texts of SQLAlchemy's type."""
    if not isinstance(column, ColumnClause) or table_of(column.table) is None:
        return False
    kind: Any = type(column.type)
    return isinstance(column.type, String) and own(kind)


def unique_columns(table: Any) -> tuple[frozenset[str], ...]:
    """Sets of columns whose values no two rows have in common, as the app has declared them, but
    for the primary key."""
    if not isinstance(table, Table):
        return ()
    declared = [
        constraint.columns
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint) and not constraint.deferrable
    ]
    declared += [
        index.columns
        for index in table.indexes
        if index.unique
        and not index.dialect_kwargs
        and all(isinstance(each, Column) for each in index.expressions)
    ]
    return tuple(frozenset(column.name for column in columns) for columns in declared if columns)


def trackable(column: Any) -> bool:
    """Whether a result has the values of ``column`` as the database holds them."""
    return not column.type._has_column_expression


def comparable_value(value: Any, column: Any) -> bool:
    """Whether ``value`` is of the kind that ``column``, which is comparable, holds."""
    if isinstance(value, str):
        return isinstance(column.type, Uuid) and canonical(value) is not None
    return isinstance(value, int | uuid.UUID)


@lru_cache(maxsize=4_096)
def own(kind: Any) -> bool:
    """Whether a class is SQLAlchemy's, and derived from no other."""
    return all(base.__module__.partition(".")[0] in _OWN for base in kind.__mro__)
