"""What a compiled query looks at: columns of its tables, equalities, and how the tables are joined.

Works on the resolved expressions of a `Query` after its SQL was made. What it does not know makes
the tables of the query count as a whole (`Terms.whole`), and SQL of the app's own that selects from
other tables everything (`Terms.raw`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Final

from django.db.models.expressions import Col, OrderBy, RawSQL, ResolvedOuterRef, Value
from django.db.models.fields.related import ForeignKey
from django.db.models.fields.reverse_related import ForeignObjectRel
from django.db.models.functions import Now
from django.db.models.lookups import Exact, In, IsNull, Lookup
from django.db.models.sql.constants import INNER
from django.db.models.sql.datastructures import BaseTable, Join
from django.db.models.sql.query import Query
from django.db.models.sql.where import ExtraWhere, WhereNode

from ..core.sql_functions import is_known
from .equalities import Equality, Path, lookups_in, values_of
from .tables import by_value

#: What prefetches of many-to-many relations select with ``extra``: columns of the joined table.
PREFETCHED: Final = "_prefetch_related_val_"
_OTHER_TABLES: Final = re.compile(r"\b(select|from|join|table)\b", re.IGNORECASE)
#: ``EXTRACT(DOW FROM %(expressions)s)`` selects from nothing.
_FROM_OF_FUNCTIONS: Final = re.compile(r"\bfrom\s+%\(expressions\)s", re.IGNORECASE)
_PLACEHOLDERS: Final = re.compile(r"%\(\w+\)s")
_WORDS: Final = re.compile(r"\w+")

AliasColumn = tuple[str, str]


class Terms:
    """Of one query. ``columns`` decide membership and order, by alias; which ones is not known of
    those in ``unknown``. ``equals``: what rows of an alias have that can matter; ``fixed``:
    columns, of any type, for which one value is asked. ``anchored``: aliases whose rows come to
    matter only by the foreign keys of others. ``inner``: its subqueries. ``times``: pairs of a
    column, as far as it is known, and a date or time that it is compared with; `None`: with now.
    ``functions``: names of those that the app's database may have of its own."""

    def __init__(self, query: Any, aliases: Iterable[str], outer: Terms | None = None) -> None:
        self.query = query
        self.outer = outer
        self.inner: list[Terms] = []
        self.times: list[tuple[Any, Any]] = []
        self.functions: list[str] = []
        self.aliases = [alias for alias in aliases if alias in query.alias_map]
        self.columns: dict[str, set[str]] = {alias: set() for alias in self.aliases}
        self.unknown: set[str] = set()
        self.equals: dict[AliasColumn, Equality] = {}
        self.fixed: set[AliasColumn] = set()
        self.anchored: set[str] = set()
        #: Columns by which rows are only led to others that are shown, by alias.
        self.leading: dict[str, set[str]] = {}
        self._forward: list[tuple[str, str, str, str]] = []
        self.whole = False
        #: Whether an equality of a value that can be told apart has one that cannot, as a text.
        self.open = False
        self.raw = ""
        self._into = self.columns

    def table(self, alias: str) -> str:
        return str(self.query.alias_map[alias].table_name)

    # What expressions look at.

    def walk(self, expression: Any) -> None:
        stack = [expression]
        while stack:
            item = stack.pop()
            kind: Any = type(item)
            role = _role(kind)
            if role == _NOTHING:
                continue
            if role == _COLUMN:
                self._note(item.alias, str(item.target.column))
            elif role == _NODE:
                stack.extend(item.children)
            elif role == _LOOKUP:
                rhs = item.rhs
                stack += (item.lhs, rhs)
                if isinstance(rhs, date | Value) or (type(rhs) in (list, tuple) and rhs):
                    self._compare(item)
            elif role == _ORDER:
                stack.append(item.expression)
            elif isinstance(item, Query):
                self._enter(item)
            elif isinstance(item, list | tuple | set | frozenset):
                stack.extend(each for each in item if hasattr(each, "as_sql"))
            elif isinstance(item, RawSQL):
                self._raw(item.sql)
            elif isinstance(item, ExtraWhere):
                self._raw(" ".join(item.sqls))
            elif isinstance(item, ResolvedOuterRef):
                self.whole = True  # not resolved, which it is in a query that runs
            elif isinstance(getattr(item, "query", None), Query):
                self._enter(item.query)
                stack.extend(item.get_source_expressions())
            elif hasattr(item, "children"):
                stack.extend(item.children)
            elif hasattr(item, "get_source_expressions"):
                self._look(item)
                stack.extend(item.get_source_expressions())
                stack.append(getattr(item, "rhs", None))
            elif hasattr(item, "query_object"):
                self._enter(item.query_object)
            elif hasattr(item, "as_sql"):
                self.whole = True

    def _look(self, item: Any) -> None:
        """An expression of the app's own that writes its own SQL may read what it does not say."""
        kind = type(item)
        if kind is Now:
            self.times.append((None, None))
        elif getattr(item, "rhs", None) is not None:
            self._compare(item)
        extra = getattr(item, "extra", None) or {}
        django = kind.__module__.startswith("django.")
        if not django or "function" in extra:  # ``Func(…, function=…)``
            name = extra.get("function", getattr(item, "function", None))
            if isinstance(name, str) and not is_known(name):
                self.functions.append(name)
        if not django:
            if any(name.startswith("as_") for name in vars(kind)):
                self.whole = True
            self._template(getattr(item, "template", None))
        for given in extra.values():  # ``Func(…, template=…)``
            self._template(given)

    def _template(self, sql: Any) -> None:
        """SQL of the app's own around other expressions; it may name columns and tables itself."""
        if not isinstance(sql, str):
            return
        if _OTHER_TABLES.search(_FROM_OF_FUNCTIONS.sub("", sql)):
            self._raw(sql)
        elif self.query.model is not None:
            fields = self.query.get_meta().concrete_fields
            columns = {field.column.casefold() for field in fields}
            words = _WORDS.findall(_PLACEHOLDERS.sub("", sql).casefold())
            self.whole = self.whole or not columns.isdisjoint(words)

    def _compare(self, lookup: Any) -> None:
        rhs = lookup.rhs
        for value in rhs[-2:] if isinstance(rhs, list | tuple) else (rhs,):  # a range has two
            value = value.value if isinstance(value, Value) else value
            if isinstance(value, date):
                self.times.append((lookup.lhs, value))

    def _note(self, alias: str, column: str) -> None:
        terms: Terms | None = self
        while terms is not None:
            if alias in terms.query.alias_map:
                into = terms._into if terms is self else terms.columns
                into.setdefault(alias, set()).add(column)
                if alias not in terms.columns:
                    terms.columns[alias] = set()
                if alias not in terms.aliases:
                    terms.aliases.append(alias)
                return
            terms = terms.outer
        self.whole = True

    def _raw(self, sql: str) -> None:
        self.whole = True
        if _OTHER_TABLES.search(sql):
            self.raw = self.raw or sql

    def _enter(self, query: Any) -> None:
        self.inner.append(of_subquery(query, self))

    def into(self, columns: dict[str, set[str]]) -> None:
        """What is walked from now on is noted in ``columns``."""
        self._into = columns

    # The parts of a query.

    def joins(self) -> None:
        """Join conditions, and which alias is anchored by another."""
        for alias in list(self.aliases):
            join = self.query.alias_map[alias]
            if isinstance(join, BaseTable):
                continue
            if not isinstance(join, Join):
                self.unknown.add(alias)  # a table of ``extra(tables=…)``
                continue
            self._join(alias, join)

    def _join(self, alias: str, join: Any) -> None:
        pairs = join_columns(join)
        field: Any = join.join_field
        leads = isinstance(field, ForeignKey) and (join.join_type != INNER or not field.null)
        for here, there in pairs:
            if leads and len(pairs) == 1:
                self._forward.append((join.parent_alias, here, alias, there))
                continue
            self._note(join.parent_alias, here)
            self._note(alias, there)
        filtered = getattr(join, "filtered_relation", None)
        if filtered is not None:
            condition = getattr(filtered, "resolved_condition", None)
            if condition is None:
                self.unknown.add(alias)
            self.walk(condition)
        if isinstance(field, ForeignKey):
            if getattr(field, "db_constraint", False) and len(pairs) == 1:
                self.anchored.add(alias)
        elif isinstance(field, ForeignObjectRel) and isinstance(field.field, ForeignKey):
            key: Any = field.field
            if join.join_type == INNER and key.db_constraint and len(pairs) == 1:
                self.anchored.add(join.parent_alias)
        else:  # a generic relation, or a relation of the app's own, with conditions of its own
            self.unknown.add(alias)

    def settle(self) -> None:
        """Once all is walked: a foreign key that leads to a row decides which rows there are only
        if something of that row does."""
        for parent, here, alias, there in reversed(self._forward):
            if self.columns.get(alias) or alias in self.unknown:
                self._note(parent, here)
                self._note(alias, there)
            else:
                self.leading.setdefault(parent, set()).add(here)

    def conjunction(self, where: Any) -> None:
        """Equalities that every row has to meet."""
        for path, lookup in lookups_in(where):
            self._equality(path, lookup)

    def _equality(self, path: Path, lookup: Any) -> None:
        column = getattr(lookup, "lhs", None)
        if not isinstance(column, Col) or column.alias not in self.query.alias_map:
            return
        place = (column.alias, str(column.target.column))
        if isinstance(lookup, Exact) and type(lookup).__module__.startswith("django."):
            if not hasattr(lookup.rhs, "as_sql") and not isinstance(lookup.rhs, Query):
                self.fixed.add(place)
        elif isinstance(lookup, IsNull):
            join = self.query.alias_map[column.alias]
            if isinstance(join, Join) and join.join_type != INNER:
                return  # that there is no row at all
        values = values_of(lookup) if by_value(column.target) else None
        if values is None and isinstance(lookup, Exact | In) and by_value(column.target):
            self.open = True
        known = self.equals.get(place)
        if values and (known is None or len(values) < len(known.values)):
            self.equals[place] = Equality(path, type(lookup), column.alias, column.target, values)

    def spread(self) -> None:
        """Equalities hold on both sides of a join."""
        if not self.equals or len(self.aliases) < 2:
            return
        for _ in range(2):
            for alias in self.aliases:
                join = self.query.alias_map[alias]
                if not isinstance(join, Join):
                    continue
                for here, there in join_columns(join):
                    one, other = (join.parent_alias, here), (alias, there)
                    for known, unknown in ((one, other), (other, one)):
                        found = self.equals.get(known)
                        if found and unknown not in self.equals and None not in found.values:
                            self.equals[unknown] = found

    def all(self) -> Iterator[Terms]:
        yield self
        for each in self.inner:
            yield from each.all()


_OTHER, _NOTHING, _COLUMN, _NODE, _LOOKUP, _ORDER = range(6)


@lru_cache(maxsize=4_096)
def _role(kind: Any) -> int:
    """What the items of a class are, as far as the class alone tells it."""
    if kind in (type(None), Value) or issubclass(kind, str | int | float | bytes):
        return _NOTHING
    if issubclass(kind, Col):
        return _COLUMN
    if kind in (WhereNode, OrderBy):
        return _NODE if kind is WhereNode else _ORDER
    plain = issubclass(kind, Lookup) and kind.__module__ == Lookup.__module__
    return _LOOKUP if plain and not hasattr(kind, "query") else _OTHER


def join_columns(join: Any) -> Sequence[tuple[str, str]]:
    fields = getattr(join, "join_fields", None)
    if fields is not None:
        return [(here.column, there.column) for here, there in fields]
    return list(join.join_cols)


def base_terms(query: Any, aliases: Iterable[str], outer: Terms | None = None) -> Terms:
    """Conditions, joins and what is raw, of any query."""
    terms = Terms(query, aliases, outer)
    terms.walk(query.where)
    terms.joins()
    terms.conjunction(query.where)
    terms.spread()
    if query.extra_tables or getattr(query, "extra_order_by", ()):
        terms.whole = True
    for name, (sql, _) in query.extra.items():
        if not name.startswith(PREFETCHED):
            terms._raw(sql)
    return terms


def of_subquery(query: Any, outer: Terms | None) -> Terms:
    """A query within another: only its own structure is known, so all of its joins count."""
    if not (query.alias_map or query.combined_queries or hasattr(query, "inner_query")):
        query = query.clone()  # as `Exists` does: Django names the table in its own copy alone
        query.get_initial_alias()
    terms = base_terms(query, list(query.alias_map), outer)
    for combined in query.combined_queries or ():
        terms.inner.append(of_subquery(combined, outer))
    inner = getattr(query, "inner_query", None)
    if inner is not None:
        terms.inner.append(of_subquery(inner, outer))
    terms.walk(list(query.select))
    terms.walk(list(query.annotations.values()))
    terms.walk(list(query.group_by) if isinstance(query.group_by, tuple) else [])
    ordered = query.order_by or (query.default_ordering and query.get_meta().ordering)
    if (query.default_cols and not query.select) or ordered or query.distinct_fields:
        terms.unknown |= set(terms.aliases)
    terms.settle()
    return terms
