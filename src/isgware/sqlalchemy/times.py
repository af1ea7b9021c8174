"""What a query looks at and no change tells of: the time, and functions of the app's database."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Date, DateTime
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, ColumnClause
from sqlalchemy.sql.functions import Function, FunctionElement

from ..core.database_reads import DatabaseReads
from ..core.sql_functions import is_known
from ..core.unseen import called, compared, near
from .named import place
from .parameters import value_of

_CLOCKS: Final = frozenset({
    "clock_timestamp", "curdate", "current_date", "current_time", "current_timestamp", "getdate",
    "localtime", "localtimestamp", "now", "statement_timestamp", "sysdate", "transaction_timestamp",
    "unixepoch", "utc_date", "utc_timestamp",
})  # fmt: skip
#: A column, and the parameter that it is compared with; `None`: the database's own clock. Or a
#: function, and `_CALLED`.
Time = tuple[str, Any]
_CALLED: Final = object()


def times_in(part: Any) -> Iterator[Time]:
    """Those of one element of a condition, but for what is below it."""
    if isinstance(part, FunctionElement):
        name = str(getattr(part, "name", ""))
        if name.lower() in _CLOCKS:
            yield "something", None
        elif type(part) is Function and not is_known(name):
            yield name, _CALLED
    elif isinstance(part, BinaryExpression):
        for one, other in ((part.left, part.right), (part.right, part.left)):
            for bound in (other, *getattr(other, "clauses", ())):  # BETWEEN has two
                if isinstance(bound, BindParameter) and _is_of_time(bound.type):
                    yield _name(one), bound


def _is_of_time(kind: Any) -> bool:
    return isinstance(getattr(kind, "impl_instance", kind), Date | DateTime)


def _name(element: Any) -> str:
    if isinstance(element, ColumnClause) and element.table is not None:
        return f"{getattr(element.table, 'name', '')}.{element.name}"
    return "something"


def note_times(reads: DatabaseReads, times: Iterable[Time], context: Any) -> None:
    for column, bound in times:
        if bound is _CALLED:
            reads.note(f"function {column}", lambda name=column: called(name, place()))  # type: ignore[misc]
        elif bound is None or near(value_of(context, bound), time.time()):
            reads.note(f"time {column}", lambda name=column: compared(name, place()))  # type: ignore[misc]
