"""What pages depend on, which pages depend on something, and saying that something was changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from ..core.dependency_labels import Labels, labelled, writes_named
from ..core.dependency_texts import TOO_MANY
from ..core.stored_page import Entry
from ..core.unseen import notes_in, without_notes
from ..errors import BackendUnavailable, ConfigurationError
from ..storage.catalogue import Catalogue, PageInfo
from ..storage.dependencies import Dependencies, need_dependents
from ..storage.page_store import PageStore
from ..storage.told_writes import tell_now

#: More pages are not counted.
MAX_COUNTED: Final = 1_000


def dependencies_in(page_store: PageStore) -> Dependencies:
    """Raises `ConfigurationError` if the option ``dependencies`` is off or the store keeps none."""
    need_dependents(page_store.backend)
    found = page_store.dependencies
    if found is None:
        raise ConfigurationError("No page knows what it depends on: set dependencies=True.")
    return found


def lines_of(entry: Entry | None, labels: Labels) -> list[str]:
    """What a stored page depends on, a name for each."""
    return [line.removesuffix(TOO_MANY) for line in explained_lines_of(entry, labels)]


def explained_lines_of(entry: Entry | None, labels: Labels) -> list[str]:
    """The same, with why it is a table where there were too many rows."""
    if entry is None or entry.depended is None:
        return []
    return labelled(without_notes(entry.depended.lines()), labels)


def unseen_by(entry: Entry | None) -> list[str]:
    """What the render of a stored page looked at that no change tells of: time, and caches."""
    return notes_in(entry.depended.lines()) if entry is not None and entry.depended else []


def depends(catalogue: Catalogue, page_store: PageStore, path: str) -> list[str]:
    """What the stored pages of ``path`` depend on, each once."""
    labels = dependencies_in(page_store).all_labels()
    found: dict[str, None] = {}
    for _, entry in catalogue.stored(path):
        found.update(dict.fromkeys(lines_of(entry, labels)))
    return list(found)


def affected(catalogue: Catalogue, page_store: PageStore, name: str) -> Iterator[PageInfo]:
    """The stored pages that a change of ``name`` would renew."""
    dependencies = dependencies_in(page_store)
    writes = writes_named([name], dependencies.all_labels())
    yield from catalogue.infos(dependencies.affected(writes))


def count_affected(page_store: PageStore, names: Iterable[str]) -> int | None:
    """How many stored pages a change of ``names`` renews, up to `MAX_COUNTED`; ``None`` if the
    store cannot tell."""
    dependencies = dependencies_in(page_store)
    try:
        writes = writes_named(names, dependencies.all_labels())
        return sum(1 for _ in islice(dependencies.affected(writes), MAX_COUNTED))
    except BackendUnavailable:
        return None


def check_name(page_store: PageStore, name: str) -> None:
    """Raises `ConfigurationError` if ``name`` is no row and no table of the app's."""
    writes_named([name], dependencies_in(page_store).all_labels())


def touched(page_store: PageStore, names: Iterable[str]) -> None:
    """Renew what depends on ``names``. Raises `BackendUnavailable` if the store did not take it."""
    dependencies = dependencies_in(page_store)
    tell_now(page_store, dependencies, writes_named(names, dependencies.all_labels()))
