"""What the queries of one text depend on, worked out once: where in their rows the keys are, what
is asked of which table, and where in their conditions the values of equalities stand.

Two queries of one text and one model, joined by the same fields, read the same columns of the same
tables, whatever their expressions are called: the database is told nothing else. Parameters do not
decide what is read, only which rows are; the values that tell questions apart are taken from the
condition of the query at hand, and if there is no such lookup in it, it is looked at anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from operator import itemgetter
from typing import Any, Final, NamedTuple

from ..core.database_reads import DatabaseReads, Kind
from .equalities import Equality, Texts

#: Combinations of values for which one query is several questions.
_MAX_QUESTIONS: Final = 100
#: Texts that are remembered, and the length of one.
_MAX_PLANS: Final = 500
_MAX_TEXT: Final = 20_000
_NO_VALUES: Final[tuple[tuple[str, ...]]] = ((),)

Rows = Sequence[Any]


class Shown(NamedTuple):
    """Rows of a table whose key is the column ``at`` of the result; ``columns`` of them, or all."""

    table: str
    at: int
    columns: frozenset[str] | None


class Asked(NamedTuple):
    """A question. ``equals``: names of columns, and which equality of the plan has the values.
    ``kind``: with all of them, `None` for the whole table. ``answered``: which of the rows that are
    shown answer it if there are any, so that it is none then."""

    table: str
    columns: frozenset[str] | None
    equals: tuple[tuple[str, int], ...]
    updates_only: bool
    kind: Kind | None
    answered: int | None


class Plan(NamedTuple):
    """``joined_by``: see there. ``repeats``: whether it holds for other queries of the same text.
    Not if there are values in its subqueries, which are not looked for, nor if a subquery has a
    table of several models, which may say different things about it, nor where times, or SQL of
    the app's own, are to be noted each time; and not if a value cannot be told, lest all others of
    the text not be told either."""

    shown: tuple[Shown, ...]
    asked: tuple[Asked, ...]
    equalities: tuple[Equality, ...]
    joined_by: tuple[Any, ...]
    repeats: bool

    def note(self, reads: DatabaseReads, texts: list[Texts], rows: Rows) -> None:
        """Note the rows that came, and what was asked."""
        found = [_note(reads, shown, rows) for shown in self.shown]
        for asked in self.asked:
            if asked.answered is not None and found[asked.answered]:
                continue
            if asked.kind is None:
                reads.table(asked.table)
            elif asked.equals:
                _ask(reads, asked, [texts[at] for _, at in asked.equals])
            else:
                reads.ask(asked.table, asked.kind, _NO_VALUES)

    def passing(self, reads: DatabaseReads, chunks: Iterable[Rows]) -> Iterator[Rows]:
        """Note rows as they come."""
        for chunk in chunks:
            for shown in self.shown:
                _note(reads, shown, chunk)
            yield chunk

    def texts_in(self, query: Any) -> list[Texts] | None:
        """The values of the equalities in a query; `None` if it is not as that of the plan."""
        if self.joined_by != joined_by(query):
            return None
        texts: list[Texts] = []
        for equality in self.equalities:
            found = equality.texts_in(query.where)
            if found is None:
                return None
            texts.append(found)
        return texts


class Plans:
    """Those of one project."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Plan] = {}

    def find(self, text: str | None, compiler: Any) -> tuple[Plan, list[Texts]] | None:
        plan = self._known.get(_key(text, compiler)) if text else None
        texts = plan.texts_in(compiler.query) if plan is not None else None
        return None if plan is None or texts is None else (plan, texts)

    def keep(self, text: str | None, compiler: Any, plan: Plan) -> None:
        if not text or len(text) > _MAX_TEXT or not plan.repeats:
            return
        if len(self._known) >= _MAX_PLANS:
            self._known.clear()
        self._known[_key(text, compiler)] = plan


def _key(text: str | None, compiler: Any) -> tuple[object, ...]:
    return text, compiler.query.model, type(compiler), compiler.using


def joined_by(query: Any) -> tuple[Any, ...]:
    """The fields by which the tables of a query are joined; they say what a join may change."""
    return tuple([getattr(join, "join_field", None) for join in query.alias_map.values()])


def _note(reads: DatabaseReads, shown: Shown, rows: Rows) -> bool:
    keys = list(map(itemgetter(shown.at), rows))
    if None in keys:
        keys = [key for key in keys if key is not None]
    if keys:
        reads.rows(shown.table, keys, shown.columns)
    return bool(keys)


def _ask(reads: DatabaseReads, asked: Asked, several: list[Texts]) -> None:
    count = 1
    for texts in several:
        count *= len(texts)
    if asked.kind is not None and count <= _MAX_QUESTIONS:
        reads.ask(asked.table, asked.kind, product(*several))
        return
    named = {name: texts for (name, _), texts in zip(asked.equals, several, strict=True)}
    reads.questions(
        asked.table, asked.columns, _combinations(named), updates_only=asked.updates_only
    )


def _combinations(values: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    """Without those of the most values, if there are too many."""
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
