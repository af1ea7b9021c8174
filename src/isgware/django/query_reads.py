"""Records what the queries of a clean-room render read.

The compiler that runs a query is watched while it makes its SQL, since the joins that it adds count
only then. Rows whose key is selected are noted as they come, and what decides which rows those
are is a question: see `isgware.core.dependencies`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any, Final

from django.db.models.expressions import Col
from django.db.models.sql.constants import MULTI, SINGLE

from ..core.database_reads import DatabaseReads
from ..core.dependencies import KEY
from .old_rows import never
from .query_terms import PREFETCHED, Terms, base_terms, of_subquery
from .tables import Tables, columns_of, key_column, unique_columns
from .unseen import note_time

_WORDS: Final = re.compile(r"\w+")
#: Combinations of values for which one query is several questions.
_MAX_QUESTIONS: Final = 100


class WatchedCompiler:
    """What a compiler knows only while it makes its SQL: which joins are used, and the order."""

    def __init__(self, compiler: Any) -> None:
        self.aliases: list[str] | None = None
        self.order_by: list[Any] = []
        self._compiler = compiler

    def __enter__(self) -> WatchedCompiler:
        compiler = self._compiler
        setup, from_clause = compiler.pre_sql_setup, compiler.get_from_clause

        def pre_sql_setup(*given: Any, **named: Any) -> Any:
            found = setup(*given, **named)
            if isinstance(found, tuple) and len(found) == 3:
                self.order_by = [entry[0] for entry in found[1]]
            return found

        def get_from_clause(*given: Any, **named: Any) -> Any:
            counts = compiler.query.alias_refcount
            self.aliases = [alias for alias in compiler.query.alias_map if counts.get(alias)]
            return from_clause(*given, **named)

        compiler.pre_sql_setup, compiler.get_from_clause = pre_sql_setup, get_from_clause
        return self

    def __exit__(self, *_: object) -> None:
        del self._compiler.pre_sql_setup, self._compiler.get_from_clause


class QueryReads:
    """Of one project."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def run(
        self, reads: DatabaseReads, compiler: Any, execute: Callable[[], Any], result_type: Any
    ) -> Any:
        """Run a query, and record it."""
        with WatchedCompiler(compiler) as watched:
            result = execute()
        if _not_run(compiler, result, result_type):
            return result
        query = _Query(self._tables, reads, compiler, watched)
        if result_type == SINGLE:
            query.rows([result] if result else [])
        elif result_type != MULTI:
            query.rows(None)
        elif isinstance(result, list):
            query.rows(row for chunk in result for row in chunk)
        else:
            query.rows(None)
            return query.passing(result)
        return result


#: What Django gives in place of rows if it has asked for none.
_NO_ROWS: Final[type] = type(iter([]))


def _not_run(compiler: Any, result: Any, result_type: Any) -> bool:
    """Whether the condition is never true, whatever the database holds (``none()``,
    ``pk__in=[]``), so that nothing was asked."""
    if result_type == MULTI:
        return isinstance(result, _NO_ROWS)
    return result is None and never(compiler)


class _Query:
    """One query that has run."""

    def __init__(
        self, tables: Tables, reads: DatabaseReads, compiler: Any, watched: WatchedCompiler
    ) -> None:
        self._tables = tables
        self._reads = reads
        self._compiler = compiler
        query = compiler.query
        #: Of each alias whose key is selected: where in a row it is, and which columns are shown.
        self._keys: dict[str, tuple[int, frozenset[str] | None]] = {}
        if watched.aliases is None:  # a union, or an aggregate of a subquery
            self._terms = of_subquery(query, None)
            return
        self._terms = terms = base_terms(query, watched.aliases)
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

    def rows(self, rows: Iterable[Any] | None) -> None:
        """Note the rows that came, and what was asked. `None`: they are still to come."""
        found = dict.fromkeys(self._keys, 0)
        for alias, (at, seen) in self._keys.items():
            if seen is not None:  # of a row that is shown in part, what decides is shown, too
                terms = self._terms
                more = terms.columns.get(alias, set()) | terms.leading.get(alias, set())
                self._keys[alias] = at, seen | more
        if rows is not None and self._keys:
            listed = list(rows)
            for alias, (at, columns) in self._keys.items():
                keys = [row[at] for row in listed if row[at] is not None]
                found[alias] = len(keys)
                self._note_rows(alias, keys, columns)
        for terms in self._terms.all():
            for column, value in terms.times:
                note_time(self._reads, column, value)
            if terms.raw:
                self._reads.everything(f"SQL within a query: {terms.raw[:80]}")
            for alias in terms.aliases:
                if terms is not self._terms or not self._is_found(alias, found.get(alias, 0)):
                    self._ask(terms, alias)
        if any(terms.whole for terms in self._terms.all()):
            self._ask_what_it_names()

    def _ask_what_it_names(self) -> None:
        """What writes its own SQL may select from tables that nobody has said."""
        try:
            sql = str(self._compiler.as_sql()[0]).casefold()
        except Exception:  # it is made once more; that it cannot be says nothing
            self._reads.everything("an expression that writes its own SQL")
            return
        words = set(_WORDS.findall(sql))
        for table in self._tables.models.keys() - self._tables.ignored:
            folded = table.casefold()
            if folded in words if folded.isidentifier() else folded in sql:
                self._reads.table(table)

    def passing(self, chunks: Iterable[Any]) -> Iterator[Any]:
        for chunk in chunks:
            for alias, (at, columns) in self._keys.items():
                self._note_rows(alias, [row[at] for row in chunk if row[at] is not None], columns)
            yield chunk

    def _note_rows(self, alias: str, keys: list[Any], columns: frozenset[str] | None) -> None:
        table = self._terms.table(alias)
        if table not in self._tables.ignored:
            self._reads.rows(table, keys, columns)

    def _is_found(self, alias: str, rows: int) -> bool:
        """Whether the question was for the one row with some unique value, and that was found: as
        long as it stays as it is, no other can take its place."""
        terms = self._terms
        if not rows or terms.whole or alias in terms.unknown:
            return False
        model = self._tables.models.get(terms.table(alias))
        fixed = {column for name, column in terms.fixed if name == alias}
        return model is not None and any(unique <= fixed for unique in unique_columns(model))

    def _ask(self, terms: Terms, alias: str) -> None:
        table, reads = terms.table(alias), self._reads
        if table in self._tables.ignored:
            return
        model = self._tables.models.get(table)
        if terms.whole or model is None:
            reads.table(table)
            return
        columns = None if alias in terms.unknown else terms.columns.get(alias, set())
        if columns is not None and (alias not in self._keys or terms is not self._terms):
            columns = columns | terms.leading.get(alias, set())
        key = key_column(model)
        anchored = alias in terms.anchored and columns is not None
        if anchored and columns is not None and columns <= {key}:
            return  # its row is known by those that refer to it
        values = {
            KEY if column == key else column: found
            for (name, column), found in terms.equals.items()
            if name == alias
        }
        reads.questions(table, columns, _combinations(values), updates_only=anchored)


def _combinations(values: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    while True:
        count = 1
        for found in values.values():
            count *= len(found)
        if count <= _MAX_QUESTIONS:
            break
        widest = max(values, key=lambda name: len(values[name]))
        values = {name: found for name, found in values.items() if name != widest}
    for chosen in product(*values.values()):
        yield dict(zip(values, chosen, strict=True))
