"""The questions of a compiled statement, with the values of one of its executions.

Most ask for integers, and nothing else of an execution decides what kind of question it is: that is
found out once per compiled statement (`prepared`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.sql.elements import BindParameter

from ..core.database_reads import DatabaseReads, Kind, Values, kind_of
from ..core.dependencies import KEY
from .columns import comparable_value
from .equalities import Given, several
from .parameters import listed_names, value_of, values_of
from .tables import ignored

#: Questions that an ``IN`` of so many values becomes at most; of more, its column decides.
_MOST_VALUES: Final = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: ``columns`` decide it (`None`: all), ``equals`` are pairs of a column and its
    value, or the `BindParameter` that is the name of it. ``key``: the columns of the key."""

    table: str
    columns: frozenset[str] | None
    equals: tuple[tuple[Any, Given], ...]
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """``kind``: that of ``asked`` if the parameters that it compares with are integers; `None` if
    more decides it. ``names`` are theirs in its order, but for ``listed``, that of an ``IN``, which
    is the one ``at`` that place."""

    table: str
    asked: Asked
    kind: Kind | None = None
    names: tuple[str, ...] = ()
    listed: str = ""
    at: int = 0


def prepared(asked: Asked, names: Mapping[Any, str]) -> Question:
    """``names``: those of the statement's parameters."""
    given = {column.name: value for column, value in asked.equals}
    if len(asked.key) == 1 and asked.key[0] in given:
        given[KEY] = given.pop(asked.key[0])
    whole_key = len(asked.key) > 1 and set(asked.key) <= set(given)
    lists = [name for name, value in given.items() if several(value)]
    bound = all(isinstance(value, BindParameter) and value in names for value in given.values())
    if whole_key or not bound or len(lists) > 1 or (asked.columns is None and not given):
        return Question(asked.table, asked)
    kind = kind_of(asked.columns, tuple(sorted(given)), False)
    one_each = tuple(names[given[name]] for name in kind[1] if name not in lists)
    if not lists:
        return Question(asked.table, asked, kind, one_each)
    listed = names[given[lists[0]]]
    return Question(asked.table, asked, kind, one_each, listed, kind[1].index(lists[0]))


def ask(reads: DatabaseReads, questions: Iterable[Question], context: Any) -> None:
    for question in questions:
        table, kind = question.table, question.kind
        if ignored(table):
            continue
        values = _integers(question, context) if kind is not None else None
        if values is None or kind is None:
            asked = question.asked
            reads.questions(table, asked.columns, _equals(asked, context))
        else:
            reads.ask(table, kind, values)


def asked_later(question: Question, context: Any) -> Callable[[DatabaseReads], None]:
    """The same question, with the values of this execution."""
    table, columns = question.table, question.asked.columns
    several_equals = list(_equals(question.asked, context))
    return lambda reads: reads.questions(table, columns, several_equals)


def _integers(question: Question, context: Any) -> Iterable[Values] | None:
    """The values of a question; `None` if they are not all integers, or too many."""
    parameters, texts = values_of(context), []
    for name in question.names:
        value = parameters.get(name)
        if type(value) is not int:
            return None
        texts.append(str(value))
    if not question.listed:
        return (tuple(texts),)
    names = listed_names(context, question.listed) or ()
    values = [parameters[name] for name in names]
    if not 0 < len(values) <= _MOST_VALUES or {*map(type, values)} != {int}:
        return None
    before, after = texts[: question.at], texts[question.at :]
    return [(*before, text, *after) for text in map(str, values)]


def _equals(asked: Asked, context: Any) -> Iterator[dict[str, Any]]:
    """The equalities of a question; of an ``IN`` a question for each of its values."""
    equals: dict[str, Any] = {}
    listed: tuple[str, list[Any]] | None = None
    for column, given in asked.equals:
        value = value_of(context, given) if isinstance(given, BindParameter) else given
        if isinstance(value, list | tuple | set | frozenset):
            values = list(value)
            fits = all(comparable_value(each, column) for each in values)
            if listed is None and fits and 0 < len(values) <= _MOST_VALUES:
                listed = (column.name, values)
        elif comparable_value(value, column):
            equals[column.name] = value
    for more in [{}] if listed is None else [{listed[0]: each} for each in listed[1]]:
        yield _by_key({**equals, **more}, asked.key)


def _by_key(equals: dict[str, Any], key: tuple[str, ...]) -> dict[str, Any]:
    """The columns of a key that is asked for as a whole are the key."""
    if not key or not set(key) <= set(equals):
        return equals
    values = tuple(equals.pop(name) for name in key)
    return {**equals, KEY: values[0] if len(values) == 1 else values}
