"""The value that a bound parameter has in one execution of a compiled statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.types import TupleType

#: There is no such parameter, or what it holds is not known.
MISSING: Final = object()


def value_of(names: Mapping[Any, str], values: Mapping[str, Any], given: Any) -> Any:
    """``names``: those of the statement's parameters, ``values``: by name, as the context has them.
    Of an ``IN`` it is a list, which the context has as one parameter for each value."""
    name = names.get(given)
    if name is None:
        return MISSING
    if name in values or not given.expanding:
        return values.get(name, MISSING)
    if isinstance(given.type, TupleType):
        return MISSING
    found: list[Any] = []
    while (each := f"{name}_{len(found) + 1}") in values:
        found.append(values[each])
    return found
