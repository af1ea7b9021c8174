"""Records what the queries of a clean-room render read.

The compiler that runs a query is watched while it makes its SQL, since the joins that it adds count
only then. Rows whose key is selected are noted as they come, and what decides which rows those
are is a question: see `isgware.core.dependencies`. What was worked out for one query holds for all
of the same text, as far as `query_plans` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, Final

from django.db.models.expressions import Col
from django.db.models.sql.constants import MULTI, SINGLE

from ..core.database_reads import DatabaseReads, kind_of
from ..core.dependencies import KEY
from .equalities import Equality, Texts, texts_of
from .query_plans import Asked, Plan, Plans, Shown, joined_by
from .query_terms import PREFETCHED, Terms, base_terms, of_subquery
from .tables import Tables, columns_of, key_column, unique_columns
from .unseen import note_function, note_time

_WORDS: Final = re.compile(r"\w+")


class WatchedCompiler:
    """What a compiler knows only while it makes its SQL: which joins are used, the order, and the
    text. ``text`` is `None` if that was not made, or not once."""

    def __init__(self, compiler: Any) -> None:
        self.text: str | None = None
        self._made = 0
        self._counts: dict[str, int] | None = None
        self._ordering: list[Any] = []
        self._compiler = compiler

    def __enter__(self) -> WatchedCompiler:
        compiler = self._compiler
        setup, from_clause = compiler.pre_sql_setup, compiler.get_from_clause
        make_sql = compiler.as_sql

        def as_sql(*given: Any, **named: Any) -> Any:
            found = make_sql(*given, **named)
            self._made += 1
            self.text = found[0] if self._made == 1 else None
            return found

        def pre_sql_setup(*given: Any, **named: Any) -> Any:
            found = setup(*given, **named)
            if isinstance(found, tuple) and len(found) == 3:
                self._ordering = found[1]
            return found

        def get_from_clause(*given: Any, **named: Any) -> Any:
            self._counts = compiler.query.alias_refcount.copy()
            return from_clause(*given, **named)

        compiler.pre_sql_setup, compiler.get_from_clause = pre_sql_setup, get_from_clause
        compiler.as_sql = as_sql
        return self

    @property
    def ran(self) -> bool:
        """False of a condition that is never true, whatever the database holds (``none()``,
        ``pk__in=[]``): Django makes no text of it, and asks nothing."""
        return self._made > 0 and self.text != ""

    @property
    def aliases(self) -> list[str] | None:
        """`None` of a union, and of an aggregate of a subquery."""
        counts = self._counts
        if counts is None:
            return None
        return [alias for alias in self._compiler.query.alias_map if counts.get(alias)]

    @property
    def order_by(self) -> list[Any]:
        return [entry[0] for entry in self._ordering]

    def __exit__(self, *_: object) -> None:
        compiler = self._compiler
        del compiler.pre_sql_setup, compiler.get_from_clause, compiler.as_sql


class QueryReads:
    """Of one project."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._plans = Plans()

    def run(
        self, reads: DatabaseReads, compiler: Any, execute: Callable[[], Any], result_type: Any
    ) -> Any:
        """Run a query, and record it."""
        with WatchedCompiler(compiler) as watched:
            result = execute()
        if not watched.ran:
            return result
        plan, texts = self._plans.find(watched.text, compiler) or self._plan(
            reads, compiler, watched
        )
        if result_type == SINGLE:
            plan.note(reads, texts, [result] if result else ())
        elif result_type != MULTI:
            plan.note(reads, texts, ())
        elif isinstance(result, list):
            plan.note(reads, texts, list(chain.from_iterable(result)))
        else:
            plan.note(reads, texts, ())
            return plan.passing(reads, result)
        return result

    def _plan(
        self, reads: DatabaseReads, compiler: Any, watched: WatchedCompiler
    ) -> tuple[Plan, list[Texts]]:
        query = _Query(self._tables, compiler, watched)
        query.note_odd(reads)
        plan = query.plan()
        self._plans.keep(watched.text, compiler, plan)
        return plan, [texts_of(equality.values) for equality in plan.equalities]


class _Query:
    """One query that has run."""

    def __init__(self, tables: Tables, compiler: Any, watched: WatchedCompiler) -> None:
        self._tables = tables
        self._compiler = compiler
        query = compiler.query
        #: Of each alias whose key is selected: where in a row it is, and which columns are shown.
        self._keys: dict[str, tuple[int, frozenset[str] | None]] = {}
        aliases = watched.aliases
        if aliases is None:
            self._terms = of_subquery(query, None)
            return
        self._terms = terms = base_terms(query, aliases)
        terms.walk(watched.order_by)
        if query.distinct_fields:
            terms.unknown |= set(terms.aliases)
        self._selected(compiler.select or ())
        terms.settle()

    def _selected(self, select: Iterable[Any]) -> None:
        terms = self._terms
        plain: dict[str, dict[str, int]] = {}
        shown: dict[str, set[str]] = {}
        positions = True
        for at, (expression, _, name) in enumerate(select):
            if name and name.startswith(PREFETCHED):
                continue
            if isinstance(expression, Col):
                plain.setdefault(expression.alias, {})[str(expression.target.column)] = at
                continue
            if len(getattr(expression, "targets", ())) > 1:  # a key of several columns
                positions = False
            aggregate = getattr(expression, "contains_aggregate", False)
            window = getattr(expression, "contains_over_clause", False)
            terms.into(terms.columns if aggregate or window else shown)
            terms.walk(expression)
            terms.into(terms.columns)
        group_by = terms.query.group_by
        terms.into(shown)
        terms.walk(list(group_by) if isinstance(group_by, tuple) else [])
        terms.into(terms.columns)
        for alias in {*plain, *shown}:
            if alias not in terms.query.alias_map:
                continue
            columns = plain.get(alias, {})
            model = self._tables.models.get(terms.table(alias))
            key = key_column(model) if model is not None else ""
            if positions and key and key in columns:
                whole = columns_of(model) <= columns.keys()
                seen = None if whole else frozenset({*columns, *shown.get(alias, ())})
                self._keys[alias] = columns[key], seen
            else:
                terms.columns.setdefault(alias, set()).update(columns, shown.get(alias, ()))

    def note_odd(self, reads: DatabaseReads) -> None:
        """What is noted of each execution: times, and SQL of the app's own."""
        for terms in self._terms.all():
            for column, value in terms.times:
                note_time(reads, column, value)
            for name in terms.functions:
                note_function(reads, name)
            if terms.raw:
                reads.everything(f"SQL within a query: {terms.raw[:80]}")
        if any(terms.whole for terms in self._terms.all()):
            self._note_what_it_names(reads)

    def _note_what_it_names(self, reads: DatabaseReads) -> None:
        """What writes its own SQL may select from tables that nobody has said."""
        try:
            sql = str(self._compiler.as_sql()[0]).casefold()
        except Exception:  # it is made once more; that it cannot be says nothing
            reads.everything("an expression that writes its own SQL")
            return
        words = set(_WORDS.findall(sql))
        for table in self._tables.models.keys() - self._tables.ignored:
            folded = table.casefold()
            if folded in words if folded.isidentifier() else folded in sql:
                reads.table(table)

    def plan(self) -> Plan:
        """What the query depends on beside."""
        own = self._terms
        listed = list(own.all())
        shown: dict[str, Shown] = {}
        for alias, (at, columns) in self._keys.items():
            if columns is not None:  # of a row that is shown in part, what decides is shown, too
                more = own.columns.get(alias, set()) | own.leading.get(alias, set())
                self._keys[alias] = at, columns | more
            if own.table(alias) not in self._tables.ignored:
                shown[alias] = Shown(own.table(alias), *self._keys[alias])
        equalities: list[Equality] = []
        asked = [
            found
            for terms in listed
            for alias in terms.aliases
            if (found := self._asked(terms, alias, list(shown), equalities)) is not None
        ]
        odd = any(terms.whole or terms.raw or terms.times or terms.functions for terms in listed)
        odd = odd or own.open
        within = any(terms.equals for terms in listed[1:])
        tables = {terms.table(alias) for terms in listed[1:] for alias in terms.aliases}
        repeats = not (odd or within) and tables.isdisjoint(self._tables.shared)
        return Plan(
            tuple(shown.values()), tuple(asked), tuple(equalities), joined_by(own.query), repeats
        )

    def _answered(self, alias: str) -> bool:
        """Whether the question is for the one row with some unique value. If that is found, no
        other can take its place as long as it stays as it is."""
        terms = self._terms
        if terms.whole or alias in terms.unknown:
            return False
        model = self._tables.models.get(terms.table(alias))
        fixed = {column for name, column in terms.fixed if name == alias}
        return model is not None and any(unique <= fixed for unique in unique_columns(model))

    def _asked(
        self, terms: Terms, alias: str, shown: list[str], equalities: list[Equality]
    ) -> Asked | None:
        """What is asked of a table. The values are put to ``equalities``."""
        table, own = terms.table(alias), terms is self._terms
        if table in self._tables.ignored:
            return None
        answered = shown.index(alias) if own and alias in shown and self._answered(alias) else None
        model = self._tables.models.get(table)
        if terms.whole or model is None:
            return Asked(table, None, (), False, None, answered)
        columns = None if alias in terms.unknown else frozenset(terms.columns.get(alias, ()))
        if columns is not None and (alias not in self._keys or not own):
            columns = columns | terms.leading.get(alias, set())
        key = key_column(model)
        anchored = alias in terms.anchored and columns is not None
        if anchored and columns is not None and columns <= {key}:
            return None  # its row is known by those that refer to it
        values = {
            KEY if column == key else column: found
            for (name, column), found in terms.equals.items()
            if name == alias
        }
        equals = tuple([(name, len(equalities) + at) for at, name in enumerate(sorted(values))])
        equalities += [values[name] for name, _ in equals]
        kind = None
        if columns is not None or equals:
            kind = kind_of(columns, tuple([name for name, _ in equals]), anchored)
        return Asked(table, columns, equals, anchored, kind, answered)
