"""Names as people write them: ``blog.Post:5`` is a row, ``blog.Post[*]`` the table.

``labels`` maps what people call a table to the tables that are meant: a model that inherits from
another has a row in both, and what the database makes of a table changes as a whole (`WHOLE`). Of
several names of one table the last is shown. A store knows them as
shapes without a table, so that who has only the store understands and shows them, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from ..errors import ConfigurationError
from .dependencies import Shape, TableChanged, Updated, Write
from .dependency_texts import parsed

Labels = Mapping[str, tuple[str, ...]]
MadeOf = Callable[[str], Iterable[str]]
#: Behind the name of a table of which nobody knows which rows change.
WHOLE: Final = "[*]"
#: Beside a name that is understood, and not shown.
_ALSO: Final = ""


def derived_from(tables: Iterable[str], made_of: MadeOf) -> tuple[str, ...]:
    """What the database makes of ``tables``, of that, and so on. ``made_of`` says it of one."""
    found: dict[str, None] = {}
    todo = list(tables)
    while todo:
        new = [made for made in made_of(todo.pop()) if made not in found]
        found.update(dict.fromkeys(new))
        todo += new
    return tuple(found)


def with_derived(tables: Iterable[str], made_of: MadeOf) -> tuple[str, ...]:
    """``tables``, and those that are `derived_from` them, as a label has them."""
    return (*tables, *(made + WHOLE for made in derived_from(tables, made_of)))


def labels_as_shapes(labels: Labels) -> frozenset[Shape]:
    return _as_shapes(tuple(labels.items()))


@lru_cache(maxsize=8)  # each render asks for them
def _as_shapes(labels: tuple[tuple[str, tuple[str, ...]], ...]) -> frozenset[Shape]:
    shown = set({tables[0]: label for label, tables in labels if tables}.values())
    return frozenset(
        Shape("", (label,) if label in shown else (label, _ALSO), tables)
        for label, tables in labels
    )


def labels_in(shapes: Iterable[Shape]) -> dict[str, tuple[str, ...]]:
    found = sorted((shape for shape in shapes if not shape.table), key=_order)
    return {shape.columns[0]: shape.equals for shape in found}


def _order(shape: Shape) -> tuple[bool, Shape]:
    return _ALSO not in shape.columns, shape


def writes_named(names: Iterable[str], labels: Labels) -> list[Write]:
    """What ``touched`` says by ``names``. Raises `ConfigurationError` for what is no name, or
    names no table, of those that are known."""
    writes: list[Write] = []
    for name in names:
        found = parsed(name) if isinstance(name, str) else None
        if found is None:
            raise ConfigurationError(
                f"{name!r} names no row and no table: write 'blog.Post:5' or 'blog.Post[*]', with "
                "SQLAlchemy 'post:5' or 'post[*]'."
            )
        label, key = found
        for table in _tables(label, labels):
            whole = key is None or table.endswith(WHOLE)
            table = table.removesuffix(WHOLE)
            writes.append(TableChanged(table) if whole else Updated(table, key, None))
    return writes


def _tables(label: str, labels: Labels) -> tuple[str, ...]:
    folded = label.casefold()
    for known, tables in labels.items():
        if known.casefold() == folded:
            return tables
    own = {tables[0]: tables for tables in labels.values() if tables}
    if label in own or not labels:
        return (label, *(table for table in own.get(label, ()) if table.endswith(WHOLE)))
    raise ConfigurationError(unknown(label, [*labels, *own]))


def unknown(label: str, known: Iterable[str]) -> str:
    """That no table is called ``label``, and what of those that are ``known`` may be meant."""
    known, folded = list(known), label.casefold()
    close = [each for each in known if each.casefold().endswith("." + folded)]
    close = close or get_close_matches(label, known, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"Nobody knows a table {label!r}.{hint}"


def labelled(lines: Iterable[str], labels: Labels) -> list[str]:
    """Texts with what people call the tables that they begin with."""
    names = {tables[0]: label for label, tables in labels.items() if tables}
    return [_labelled(line, names) for line in lines]


def labelled_text(text: str, labels: Labels) -> str:
    """A sentence that has such names among its words."""
    return " ".join(labelled(text.split(" "), labels))


def _labelled(line: str, names: Mapping[str, str]) -> str:
    for at, character in enumerate(line):
        if character in ":[ ":
            return names.get(line[:at], line[:at]) + line[at:]
    return line
