"""What a backend offers for dependencies; see `isgware.core.dependency_names` for the names.

Theory. "Tell only names that somebody depends on" is wrong if it is done naively: a page that is
being rendered depends on nothing yet. So a store keeps, under its nonce:

- ``writes``: how many commits were told. It moves nobody's version.
- ``known``: the names that pages have depended on. It only grows, and is emptied as a whole.
- ``unheard``: names that were told and that nobody depended on, with the number of the write.
- ``shapes``: the questions that pages ask, with a version: who tells has to have used them all.
- ``told``: known names that were told, with the counter's value: the table of a page's state.

A render takes ``writes`` before its first read. Who commits calls ``tell`` afterwards: names that
are known are told, which moves the version, the others are unheard. Before a page is put, its names
become known; if one of them is unheard since its render began, the page is *late*, and was never
fresh. Each is one step. The put itself is another: once a name is known, whoever tells it later
moves the counter, and the page's generation is older than that.

A question of a new shape is in no name of a commit before. So where a page brings one, any change
of the table since its render began makes it late.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Final, Protocol, runtime_checkable

from ..core.dependencies import Shape
from .base import Row

#: Pairs of a write and a name that are remembered for renders under way.
MAX_UNHEARD: Final = 10_000
#: Names that pages have depended on; beyond it all pages with dependencies become stale.
MAX_KNOWN: Final = 5_000_000


class Kept(Enum):
    """What became of what a page shows while it was rendered. ``CHANGED``: something was written.
    ``MAYBE``: so much was, or the store is another, that nobody knows."""

    AS_IT_WAS = "as it was"
    CHANGED = "changed"
    MAYBE = "maybe"


@dataclass(frozen=True, slots=True)
class Begun:
    """What a render takes before its first read. ``version``: of the shapes."""

    nonce: str
    writes: int
    version: int


@dataclass(frozen=True, slots=True)
class Depending:
    """What a page that is to be put depends on. ``begun``: taken before the first read of its
    render. ``shapes``: those of its questions that it did not know of then."""

    names: bytes
    begun: Begun
    shapes: frozenset[Shape] = frozenset()


@dataclass(frozen=True)
class KnownShapes:
    """All the shapes of one version."""

    nonce: str = ""
    version: int = -1
    shapes: frozenset[Shape] = frozenset()

    @cached_property
    def by_table(self) -> Mapping[str, list[Shape]]:
        tables: dict[str, list[Shape]] = {}
        for shape in self.shapes:
            tables.setdefault(shape.table, []).append(shape)
        return tables


@runtime_checkable
class Dependents(Protocol):
    """What a backend has besides, for pages that are renewed when what they show is changed.

    ``tell`` takes names with what each stands for, and the nonce and version of the shapes by which
    they were found: if there are others by now, it does nothing and returns those; else the
    counter. ``depend`` makes names known of a page whose render knew the table of invalidations
    ``nonce`` up to ``generation``. ``affected``: the pages
    that have any of ``names``, in no order. ``forget`` empties ``known`` and the shapes: every page
    with dependencies is stale then. What was told stays, so that what is gone stays gone.
    """

    def begun(self) -> Begun: ...
    def shapes(self) -> KnownShapes: ...
    def tell(self, names: Mapping[bytes, str], nonce: str, version: int) -> int | KnownShapes: ...
    def depend(self, depending: Depending, nonce: str, generation: int) -> Kept: ...
    def affected(self, names: Iterable[bytes]) -> Iterator[Row]: ...
    def forget(self) -> int: ...
