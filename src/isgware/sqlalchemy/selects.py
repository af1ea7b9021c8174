"""What a compiled SELECT asks, and of which tables: made once per compiled statement.

A statement is a set of SELECTs (`compilers`). Each asks a question of each table that it names in
FROM; of columns that decide it, all those of the statement count. A column that is put out as it
is, beside the key of its row, decides nothing: there the row is the dependency (`Shown`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, Final

from sqlalchemy.sql.elements import BindParameter, ColumnClause, TextClause
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import (
    AliasedReturnsRows,
    Exists,
    FromClause,
    FromGrouping,
    Join,
    Select,
    SelectBase,
    TableClause,
    TextualSelect,
    Values,
)

from .columns import (
    key_columns,
    origin,
    own,
    roots,
    table_name,
    table_of,
    trackable,
    unlabelled,
)
from .compilers import Selected, selects_of
from .equalities import Equalities, Given, joined
from .questions import Asked, Question, prepared
from .rows import Shown
from .tables import named_in
from .times import Time, times_in
from .unique_rows import UniqueRow, UniqueValues, unique_values

_PLAN: Final = "_isgware_plan"
#: Text in a query that names no column.
_CONSTANT: Final = re.compile(r"\s*(\d+|'[^']*'|null|true|false)\s*\Z", re.IGNORECASE | re.ASCII)
_COMMENTS: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_MORE_TABLES: Final = re.compile(r"\b(select|from|table|join)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Plan:
    """``unique``: see `unique_rows`. ``whole``: tables that are asked nobody knows what.
    ``unknown``: why nobody knows even the tables. ``times``: see `times`. ``alone``: there is
    nothing beside SELECTs in it."""

    questions: tuple[Question, ...] = ()
    shown: tuple[Shown, ...] = ()
    whole: frozenset[str] = frozenset()
    unknown: str = ""
    times: tuple[Time, ...] = ()
    alone: bool = False
    unique: tuple[UniqueRow, ...] = ()


def known_plan(compiled: Any) -> Plan | None:
    """That of a statement that was read before."""
    found: Plan | None = getattr(compiled, _PLAN, None)
    return found


def plan_of(compiled: Any) -> Plan:
    """Raises whatever a statement of an unknown kind leads to."""
    plan = known_plan(compiled)
    if plan is None:
        plan = _Analysis(compiled).plan()
        setattr(compiled, _PLAN, plan)
    return plan


class _Analysis:
    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._names = compiled.bind_names  # those of the statement that is executed
        self._deciding: dict[str, set[str]] = {}
        self._all_decide: set[str] = set()
        self._asked: list[tuple[Any, dict[str, Given]]] = []
        self._shown: list[Shown] = []
        self._shown_at: dict[Any, int] = {}  # by element of the outermost SELECT
        self._unique: dict[int, tuple[int, UniqueValues]] = {}  # by number of what is asked
        self._all = self._whole = False
        self._exist: set[int] = set()  # SELECTs of which only counts whether there are rows
        self._unknown = ""
        self._times: list[Time] = []

    def plan(self) -> Plan:
        selects = selects_of(self._compiled)
        if selects is None:  # compiled before anybody took note
            statement = self._compiled.statement
            self._compiled = statement.compile(dialect=self._compiled.dialect)
            selects = selects_of(self._compiled) or []
        ctes = getattr(self._compiled, "ctes", None) or ()
        for cte in ctes:
            self._from(cte)
        if isinstance(self._compiled.statement, TextualSelect | TextClause) or not selects:
            self._unknown = self._unknown or "text()"
        for selected in selects:
            self._select(selected)
        if self._unknown:
            return Plan(unknown=self._unknown)
        tables = {table_name(table_of(element)) for element, _ in self._asked}
        if self._whole:  # what writes its own SQL may select from tables that nobody has said
            named = named_in(self._compiled.string, [str(cte.name) for cte in ctes])
            if named is None:
                return Plan(unknown="an expression of an unknown kind")
            return Plan(
                whole=frozenset(tables | named), times=tuple(self._times), alone=not ctes
            )  # fmt: skip
        asked: dict[Asked, None] = {}
        unique = []
        for number, (element, given) in enumerate(self._asked):
            question = self._question(element, given)
            if number in self._unique and question.columns is not None:
                unique.append(self._unique_row(question, *self._unique[number]))
            else:
                asked[question] = None
        return Plan(
            tuple(prepared(each, self._names) for each in asked), tuple(self._shown),
            times=tuple(self._times), alone=not ctes, unique=tuple(unique),
        )  # fmt: skip

    def _question(self, element: Any, given: dict[str, Given]) -> Asked:
        name = table_name(table := table_of(element))
        every = self._all or name in self._all_decide
        columns = None if every else frozenset(self._deciding.get(name, ()))
        equals = tuple((table.c[column], value) for column, value in sorted(given.items(), key=_by))
        return Asked(name, columns, equals, key_columns(table))

    def _unique_row(self, asked: Asked, at: int, given: UniqueValues) -> UniqueRow:
        shown = self._shown[at]
        if shown.columns is not None:  # what decides of it has to stay as it is
            shown = replace(shown, columns=shown.columns.union(asked.columns or ()))
            self._shown[at] = shown
        return UniqueRow(shown, prepared(asked, self._names), given)

    def _select(self, selected: Selected) -> None:
        select = selected.select
        equalities = Equalities()
        elements = [leaf for each in selected.froms for leaf in joined(each, equalities)]
        equalities.learn(select._where_criteria, None)
        equalities.spread()
        for each in selected.froms:
            self._from(each)
        first = len(self._asked)
        for element in elements:
            if table_of(element) is not None:
                self._asked.append((element, equalities.given.get(element, {})))
        outputs = set(map(id, select._raw_columns))
        for part in select.get_children():
            if id(part) not in outputs and not isinstance(part, FromClause):
                self._expression(part)
        self._added(select)
        self._outputs(selected)
        if selected.outermost and not _picks(select):
            for number, (element, given) in enumerate(self._asked[first:], first):
                equal = {**given, **equalities.texts.get(element, {})}
                values = unique_values(table_of(element), equal)
                if values and element in self._shown_at:
                    self._unique[number] = self._shown_at[element], values

    def _added(self, select: Any) -> None:
        """Text that is put around a SELECT."""
        for text, _ in getattr(select, "_suffixes", ()):
            if written := _COMMENTS.sub("", str(text)).strip():
                self._text(written)
        prefixes = (str(text) for text, _ in getattr(select, "_prefixes", ()))
        hints = (text for _, text in getattr(select, "_statement_hints", ()))
        for each in (*prefixes, *hints):
            self._selecting(_COMMENTS.sub("", each))

    # What is put out.

    def _outputs(self, selected: Selected) -> None:
        if selected.outermost and len(self._compiled._result_columns or ()):
            outputs = [entry.objects[0] for entry in self._compiled._result_columns]
            known = bool(self._compiled._ordered_columns)
        else:
            outputs, known = list(selected.select.inner_columns), False
        plain: dict[tuple[Any, Any], dict[str, int]] = {}
        for position, output in enumerate(outputs):
            column = unlabelled(output)
            if getattr(column, "is_literal", False) and column.name.strip() == "*":
                self._star(selected)
                continue
            base = origin(column)
            if base is not None and trackable(base) and (known or selected.nested):
                found = plain.setdefault((column.table, base.table), {})
                found.setdefault(base.name, position)
            else:
                self._expression(column)
        for (element, source), columns in plain.items():
            if known:
                self._row(selected.select, element, source, columns)
            elif _picks(selected.select):
                self._decides(table_of(source), columns)

    def _row(self, select: Any, element: Any, source: Any, columns: dict[str, int]) -> None:
        table = table_of(source)
        key = key_columns(table)
        has_key = bool(key) and set(key) <= set(columns)
        if not has_key or (_picks(select) and not set(key) <= _told_apart(select, element)):
            self._decides(table, columns)
        if has_key:
            if element is source:
                self._shown_at[element] = len(self._shown)
            every = {column.name for column in table.columns} <= set(columns)
            positions = tuple(columns[name] for name in key)
            self._shown.append(
                Shown(
                    table_name(table), itemgetter(*positions), len(key) > 1,
                    None if every else frozenset(columns),
                )
            )  # fmt: skip

    def _star(self, selected: Selected) -> None:
        if id(selected.statement) not in self._exist:
            self._whole = True

    # FROM.

    def _from(self, element: Any) -> None:
        if isinstance(element, Join):
            self._from(element.left)
            self._from(element.right)
            self._expression(element.onclause)
        elif isinstance(element, FromGrouping):
            self._from(element.element)
        elif isinstance(element, AliasedReturnsRows):
            self._source(element.element)
        elif not isinstance(element, TableClause):
            self._source(element)

    def _source(self, inner: Any) -> None:
        if isinstance(inner, TextualSelect | TextClause):
            self._unknown = self._unknown or "text()"
        elif isinstance(inner, SelectBase | Values | TableClause):
            pass  # it is noted by itself, or the table is
        elif isinstance(inner, AliasedReturnsRows | Join | FromGrouping):
            self._from(inner)
        elif isinstance(inner, FunctionElement) and _known(inner):
            self._times += times_in(inner)
            for child in inner.get_children():
                self._expression(child)
        else:
            self._unknown = self._unknown or f"a {type(inner).__name__}"

    # Expressions.

    def _expression(self, expression: Any) -> None:
        todo = [expression]
        while todo:
            part = todo.pop()
            self._times += times_in(part)
            if isinstance(part, SelectBase):
                if isinstance(part, TextualSelect):
                    self._unknown = self._unknown or "text()"
            elif isinstance(part, ColumnClause):
                self._column(part)
            elif isinstance(part, TextClause):
                self._text(part.text)
            elif isinstance(part, TableClause):
                self._all_decide.add(table_name(part))
            elif isinstance(part, BindParameter):
                pass
            elif not _known(part):
                self._whole = True
            elif part.__visit_name__ == "textual_label_reference":  # order_by("name")
                self._all = True
            elif isinstance(part, Exists):
                self._exists(part)
            elif isinstance(part, FromClause) and not isinstance(part, FunctionElement):
                self._whole = True
            else:
                self._selecting(getattr(getattr(part, "operator", None), "opstring", ""))
                todo += part.get_children()

    def _exists(self, part: Any) -> None:
        inner = part.element
        while inner is not None and not isinstance(inner, SelectBase):
            inner = getattr(inner, "element", None)
        if isinstance(inner, TextualSelect):
            self._unknown = self._unknown or "text()"
        self._exist.add(id(inner))

    def _column(self, column: Any) -> None:
        if getattr(column, "is_literal", False):
            if column.name.strip() != "*":  # count(*)
                self._text(column.name)
        elif column.table is None:
            self._whole = True
        else:
            for root in roots(column):
                self._deciding.setdefault(table_name(root.table), set()).add(root.name)

    def _text(self, text: str) -> None:
        if not self._selecting(text) and not _CONSTANT.match(text):
            self._whole = True

    def _selecting(self, text: str) -> bool:
        """Whether a text of the app's own may select from other tables."""
        found = _MORE_TABLES.search(text) is not None
        if found:
            self._unknown = self._unknown or "text()"
        return found

    def _decides(self, table: Any, columns: Iterable[str]) -> None:
        self._deciding.setdefault(table_name(table), set()).update(columns)


def _known(part: Any) -> bool:
    """Whether an element is SQLAlchemy's own: what others render, nobody knows."""
    return own(part.__class__)


def _picks(select: Any) -> bool:
    """Whether it puts out something else than the rows it finds, so that what it puts out decides
    which rows those are."""
    return not isinstance(select, Select) or bool(
        select._group_by_clauses or select._distinct or select._having_criteria
    )


def _told_apart(select: Any, element: Any) -> set[str]:
    """The columns of ``element`` by which what it puts out is told apart."""
    clauses = select._group_by_clauses
    if select._distinct and not select._distinct_on and not clauses:
        clauses = select.inner_columns
    columns = (unlabelled(getattr(clause, "element", clause)) for clause in clauses)
    return {
        column.name
        for column in columns
        if isinstance(column, ColumnClause) and column.table is not None and column.table == element
    }


def _by(pair: tuple[str, Any]) -> str:
    return pair[0]
