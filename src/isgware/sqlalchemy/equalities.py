"""Which values the rows of a SELECT's tables have, each of them that can matter to it.

Equalities in the conjunction of WHERE, and of the ON of joins, hold for every row that counts. The
ON of an outer join says nothing about rows of its outer side. What is not found is no error: the
question is coarser then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Boolean
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BindParameter, BooleanClauseList, ColumnClause, False_, True_
from sqlalchemy.sql.elements import Grouping as Grouped
from sqlalchemy.sql.selectable import FromGrouping, Join

from .columns import comparable, is_text, standard, table_of

#: A bound parameter, of one value or of several (``IN``); or the value itself.
Given = Any
_Where = tuple[Any, str]


@dataclass(slots=True)
class Equalities:
    """``given``: by FROM element, columns and what they are equal to. ``texts``: likewise, what
    columns of texts are equal to, which does not tell questions apart."""

    given: dict[Any, dict[str, Given]] = field(default_factory=dict)
    texts: dict[Any, dict[str, BindParameter[Any]]] = field(default_factory=dict)
    _equal: list[tuple[_Where, _Where]] = field(default_factory=list)

    def learn(self, conditions: Iterable[Any], restricted: frozenset[Any] | None) -> None:
        """Conditions that all hold for rows of ``restricted`` elements, `None`: of all."""
        for condition in conditions:
            for part in _conjunction(condition):
                self._learn(part, restricted)

    def _learn(self, part: Any, restricted: frozenset[Any] | None) -> None:
        operator = getattr(part, "operator", None)
        if operator not in (operators.eq, operators.is_, operators.in_op):
            return
        left, right = getattr(part, "left", None), getattr(part, "right", None)
        if operator is operators.in_op:
            if isinstance(right, BindParameter) and right.expanding:
                self._set(left, right, restricted)
            return
        for one, other in ((left, right), (right, left)):
            if isinstance(other, True_ | False_):
                if operator is operators.is_ and not isinstance(
                    getattr(one, "type", None), Boolean
                ):
                    continue  # in MySQL any number but 0 is true
                self._set(one, isinstance(other, True_), restricted)
            elif isinstance(other, BindParameter) and operator is operators.eq:
                self._set(one, other, restricted)
                self._set_text(one, other, restricted)
            elif operator is operators.eq and (target := _place(one)) and (source := _place(other)):
                if restricted is None or target[0] in restricted:
                    self._equal.append((target, source))

    def _set(self, column: Any, given: Given, restricted: frozenset[Any] | None) -> None:
        if isinstance(given, BindParameter) and not standard(given.type):
            return
        place = _place(column)
        if place is not None and (restricted is None or place[0] in restricted):
            self._put(place, given)

    def _set_text(self, column: Any, given: Given, restricted: frozenset[Any] | None) -> None:
        if is_text(column) and (restricted is None or column.table in restricted):
            self.texts.setdefault(column.table, {})[column.name] = given

    def _put(self, place: _Where, given: Given) -> bool:
        known = self.given.setdefault(place[0], {})
        if place[1] in known and not (several(known[place[1]]) and not several(given)):
            return False
        known[place[1]] = given
        return True

    def spread(self) -> None:
        """Through joins: ``a.b_id = b.id AND b.id = 5``."""
        changed = True
        while changed:
            changed = False
            for target, (element, column) in self._equal:
                value = self.given.get(element, {}).get(column)
                if value is not None and self._put(target, value):
                    changed = True


def several(given: Given) -> bool:
    return isinstance(given, BindParameter) and bool(given.expanding)


def _place(column: Any) -> _Where | None:
    """A column of a table, or of an alias of one, whose values compare."""
    if not isinstance(column, ColumnClause) or table_of(column.table) is None:
        return None
    return (column.table, column.name) if comparable(column) else None


def _conjunction(condition: Any) -> Iterator[Any]:
    if isinstance(condition, Grouped):
        yield from _conjunction(condition.element)
    elif isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
        for part in condition.clauses:
            yield from _conjunction(part)
    elif condition is not None:
        yield condition


def joined(element: Any, equalities: Equalities) -> frozenset[Any]:
    """Learn what the joins below a FROM element say; returns the elements that they join."""
    if isinstance(element, FromGrouping):
        return joined(element.element, equalities)
    if not isinstance(element, Join):
        return frozenset((element,))
    left, right = joined(element.left, equalities), joined(element.right, equalities)
    if not element.full:
        equalities.learn([element.onclause], right if element.isouter else left | right)
    return left | right
