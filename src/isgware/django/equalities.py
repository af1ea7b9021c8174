"""Equalities in the condition of a query: columns of which each row that can matter has one value,
or one of a few.

Which they are is decided by the query's structure, so it is worked out once (`query_plans`); the
values are taken from where they stand in the condition of each query that is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models.expressions import Col
from django.db.models.lookups import Exact, In, IsNull

from ..core.dependencies import canonical

_TOLD_APART: Final = frozenset({int, bool, UUID, type(None)})
#: Values of one ``IN`` that are told apart.
_MAX_VALUES: Final = 100

#: Alternatives of one column's value; `None` stands for NULL.
Values = list[Any]
Texts = list[str]
#: Where a lookup stands in a condition: which child of the condition, which child of that, …
Path = tuple[int, ...]


class Equality(NamedTuple):
    """A lookup of class ``lookup`` at ``path`` in a condition, on ``field`` of ``alias``, and the
    ``values`` that it had in the query that was looked at."""

    path: Path
    lookup: type
    alias: str
    field: Any
    values: Values

    def texts_in(self, where: Any) -> Texts | None:
        """Of its values in the condition of another query; `None` if no such lookup stands there,
        or one of other values."""
        for index in self.path:
            if not is_conjunction(where) or index >= len(where.children):
                return None
            where = where.children[index]
        column = getattr(where, "lhs", None) if type(where) is self.lookup else None
        if type(column) is not Col or column.alias != self.alias:
            return None
        values = values_of(where) if column.target is self.field else None
        return None if values is None else texts_of(values)


def is_conjunction(where: Any) -> bool:
    """Whether a row has to meet all of its children."""
    return hasattr(where, "children") and not where.negated and where.connector == "AND"


def lookups_in(where: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Those that every row has to meet, and where they stand."""
    if not is_conjunction(where):
        return
    for index, child in enumerate(where.children):
        if hasattr(child, "children"):
            yield from lookups_in(child, (*path, index))
        else:
            yield (*path, index), child


def values_of(lookup: Any) -> Values | None:
    """The values that a lookup leaves of a column by whose values questions are told apart."""
    if isinstance(lookup, Exact) and type(lookup).__module__.startswith("django."):
        values = [lookup.rhs]
    elif isinstance(lookup, In) and isinstance(lookup.rhs, list | tuple | set | frozenset):
        values = [value for value in lookup.rhs if value is not None]
    elif isinstance(lookup, IsNull) and lookup.rhs is True:
        values = [None]
    else:
        return None
    if 0 < len(values) <= _MAX_VALUES and _TOLD_APART.issuperset(map(type, values)):
        return values
    return None


def texts_of(values: Values) -> Texts:
    """Canonical ones, of integers, booleans, UUIDs and `None`, of which each has one."""
    return [str(canonical(value)) for value in values]
