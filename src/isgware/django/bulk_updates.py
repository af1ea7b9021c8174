"""Which value ``QuerySet.bulk_update`` gives to a row: its one statement has those of all rows, as
``CASE WHEN id = 5 THEN …``.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Case, Value
from django.db.models.expressions import Col
from django.db.models.functions import Cast
from django.db.models.lookups import Exact


def value_of_row(given: Any, key: Any) -> Any:
    """What a column of the row with that key is set to, where ``given`` is of this form; else
    ``given`` itself."""
    expression = given
    if type(expression) is Cast:
        (expression,) = expression.get_source_expressions()
    if type(expression) is not Case:
        return given
    for when in expression.cases:
        known = _key_of(when.condition)
        if known is None or type(known) is not type(key):
            return given
        if known == key:
            return when.result.value if type(when.result) is Value else given
    return given


def _key_of(condition: Any) -> Any:
    """The key that a condition asks for, if it asks for nothing else."""
    children: Any = getattr(condition, "children", ())
    lookup: Any = children[0] if len(children) == 1 and not condition.negated else None
    known = isinstance(lookup, Exact) and type(lookup).__module__.startswith("django.")
    if not known or not isinstance(lookup.lhs, Col):
        return None
    return lookup.rhs if lookup.lhs.target.primary_key else None
