"""Which tables count, and how people call them: by name, or by the name of a mapped class.

There may be several ISGs in a process: a table that counts for none of them is not recorded, and
each leaves out what does not count for itself.
"""

from __future__ import annotations

import logging
import re
import weakref
from collections.abc import ItemsView, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, Final

from sqlalchemy.orm.mapper import _all_registries

from ..core.dependencies import EverythingChanged, TableChanged, Write
from ..core.dependency_labels import MadeOf, unknown, with_derived

log: Final = logging.getLogger("isgware")

#: Bookkeeping of libraries, by the modules of their classes: no page shows it.
_LIBRARIES: Final = ("flask_session.", "celery.backends.database")
_WORDS: Final = re.compile(r"\w+")
#: What is selected from, as far as it is named there; a subquery in parentheses has its own.
_FROM: Final = re.compile(r"\b(?:from|join)\b([^()]*)")
_BEHIND_FROM: Final = re.compile(
    r"\b(?:where|on|using|group|order|having|limit|union|except|intersect|window|returning"
    r"|join|left|right|full|inner|cross|natural|for)\b"
)
_MIGRATIONS: Final = frozenset({"alembic_version"})


class Tables:
    """What one ISG was told: ``untracked`` tables or classes, and what is ``derived`` from what;
    see `isgware.settings.Settings`."""

    def __init__(
        self, untracked: Iterable[str] = (), derived: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        self._untracked = frozenset(untracked)
        self._derived = {name: tuple(sources) for name, sources in (derived or {}).items()}
        self.labels: Final = Labels(
            self._untracked.union(self._derived, *self._derived.values()),
            partial(_made_of, self._derived),
        )

    def ignores(self, table: str) -> bool:
        if table in _MIGRATIONS or table in self._untracked:
            return True
        return any(
            name in self._untracked or module.startswith(_LIBRARIES)
            for name, module in _classes_of(table)
        )

    def made_of(self, table: str) -> Iterator[str]:
        """The tables that are derived from ``table``."""
        return _made_of(self._derived, table)


def _made_of(derived: Mapping[str, Iterable[str]], table: str) -> Iterator[str]:
    called = {table, *(name for name, _ in _classes_of(table))} if derived else {table}
    for made, sources in derived.items():
        if not called.isdisjoint(sources):
            yield table_named(made)


_known: Final[list[weakref.ref[Tables]]] = []
#: Tables that were read or written; there may be no class for them. An app may make ever more: of
#: so many, further ones have no name for people.
_met: Final[set[str]] = set()
_MOST_MET: Final = 10_000


def add(tables: Tables) -> None:
    """Have ``tables`` count as long as somebody holds them."""
    _known[:] = [each for each in _known if each() is not None]
    _known.append(weakref.ref(tables))
    ignored.cache_clear()


@lru_cache(maxsize=10_000)
def ignored(table: str) -> bool:
    """Whether neither reads nor writes of it are recorded."""
    if len(_met) < _MOST_MET:
        _met.add(table)
    known = [tables for each in _known if (tables := each()) is not None] or [Tables()]
    return all(tables.ignores(table) for tables in known)


def told(writes: Iterable[Write]) -> Iterator[Write]:
    """What is to be told of ``writes``: with what the database makes of them, by itself."""
    changed = set()
    for write in writes:
        yield write
        if not isinstance(write, EverythingChanged):
            changed.add(write.table)
    todo, seen = list(changed), set(changed)
    while todo:
        source = todo.pop()
        for tables in [each() for each in _known]:
            for made in tables.made_of(source) if tables is not None else ():
                if made not in seen:
                    seen.add(made)
                    todo.append(made)
                    yield TableChanged(made)


class Labels(Mapping[str, tuple[str, ...]]):
    """What people call tables, see `isgware.core.dependency_labels`: as classes are mapped.
    ``said``: names in options, which are logged if they are none of them. ``made_of``: what is
    derived from a table."""

    def __init__(self, said: Iterable[str] = (), made_of: MadeOf | None = None) -> None:
        self._made_of = made_of or (lambda table: ())
        self._size = -1
        self._found: dict[str, tuple[str, ...]] = {}
        self._unchecked = frozenset(said)

    def _now(self) -> dict[str, tuple[str, ...]]:
        size = sum(len(registry._managers) for registry in _all_registries()) + len(_met)
        if size != self._size:
            found = {label: with_derived(tables, self._made_of) for label, tables in _labels()}
            self._found, self._size = found, size
        return self._found

    def __getitem__(self, label: str) -> tuple[str, ...]:
        return self._now()[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def items(self) -> ItemsView[str, tuple[str, ...]]:  # else each item is looked up by itself
        found = self._now()
        # Asked for after a render, when the app's classes are there; no sooner can it be checked.
        said, self._unchecked = self._unchecked, frozenset()
        for name in sorted(said.difference(found)):
            log.warning(
                "The options untracked= and derived= are of no effect for %r. %s",
                name, unknown(name, found),
            )  # fmt: skip
        return found.items()


def _labels() -> Iterator[tuple[str, tuple[str, ...]]]:
    by_class: dict[str, tuple[str, ...]] = {}
    tables = _met.copy()
    for registry in list(_all_registries()):
        for mapper in list(registry.mappers):
            reached: tuple[Any, ...] = (mapper.local_table, *mapper.tables)
            found = [table for table in reached if getattr(table, "metadata", None) is not None]
            names = dict.fromkeys(str(table.name) for table in found)
            name = mapper.class_.__name__
            by_class[name] = tuple(dict.fromkeys((*by_class.get(name, ()), *names)))
            for table in found:
                tables.update(str(each.name) for each in table.metadata.tables.values())
    yield from by_class.items()
    # Last, so that tables are shown as what they are called in the database.
    yield from ((table, (table,)) for table in sorted(tables))


def named_in(sql: str, ctes: Iterable[str] = ()) -> set[str] | None:
    """The known tables whose names are among the words of a statement; `None` if it may select
    from one that is not known, and is none of the statement's ``ctes``."""
    if len(_met) >= _MOST_MET:
        return None
    folded = sql.casefold()
    words = set(_WORDS.findall(folded))
    known = {name: name.casefold() for _, names in _labels() for name in names}
    if not set(_selected_from(folded)) <= {*known.values(), *map(str.casefold, ctes)}:
        return None
    return {
        name
        for name, lower in known.items()
        if (lower in words if name.isidentifier() else lower in folded)
    }


def _selected_from(sql: str) -> Iterator[str]:
    for found in _FROM.findall(sql):
        for source in _BEHIND_FROM.split(found, maxsplit=1)[0].split(","):
            if name := re.match(r"""[\w.$"`\[\]]+""", source.strip()):
                yield name[0].rpartition(".")[2].strip('"`[]')


def table_named(name: str) -> str:
    """The table that is meant by the name of a table or of a mapped class."""
    for table, called, _ in _mapped():
        if called == name:
            return table
    return name


def _classes_of(table: str) -> Iterator[tuple[str, str]]:
    return ((name, module) for each, name, module in _mapped() if each == table)


def _mapped() -> Iterator[tuple[str, str, str]]:
    """Table, name and module of each mapped class."""
    for registry in list(_all_registries()):
        for mapper in list(registry.mappers):
            name = getattr(mapper.local_table, "name", None)
            if name is not None:
                yield str(name), mapper.class_.__name__, mapper.class_.__module__
