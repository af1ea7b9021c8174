"""The value that a bound parameter has in one execution of a compiled statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.types import TupleType

#: There is no such parameter, or what it holds is not known.
MISSING: Final = object()
#: What a context calls the names of the parameters that each ``IN`` has become.
EXPANDED: Final = "_expanded_parameters"


def value_of(context: Any, given: Any) -> Any:
    """``given`` is a `BindParameter` of the statement. Of an ``IN`` it is a list, which the context
    has as one parameter for each value."""
    name = context.compiled.bind_names.get(given)
    values = values_of(context)
    if name is None:
        return MISSING
    if not given.expanding:
        return values.get(name, MISSING)
    listed = listed_names(context, name)
    if listed is None or isinstance(given.type, TupleType):
        return MISSING
    return [values[each] for each in listed]


def values_of(context: Any) -> Mapping[str, Any]:
    """By their names, the parameters of an execution that has one set of them."""
    found: Mapping[str, Any] = context.compiled_parameters[0] if context.compiled_parameters else {}
    return found


def listed_names(context: Any, name: str) -> list[str] | None:
    """The names of the parameters that an ``IN`` has become; `None` if it has become none.
    SQLAlchemy chooses them so that they are no other parameter's."""
    found: list[str] | None = getattr(context, EXPANDED).get(name)
    return found
