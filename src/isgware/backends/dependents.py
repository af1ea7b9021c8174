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

**Intents** (``dependencies_durable``). Who is killed between its commit and ``tell`` would tell
nobody. So before the commit an *intent* is stored: the names that will be told. ``tell`` ends it in
the same step. One that nobody ends is told by whoever comes first, `INTENT_SECONDS` after it was
stored; and again, each time when it is twice as old, until it is `INTENT_LAST` old: a database may
commit after its client was killed, and a page that was rendered between a telling and that commit
shows what was before. So any page that shows what was before is stale `INTENT_SECONDS` after the
commit, or after as long as the commit took. If there are other shapes by then, whole tables are
told. Who commits is never refused: where no intent can be stored, the commit goes on without.

**Replicas** (``dependencies_lag``). Of names that are told the store keeps when, once a page was
stored with a lag. A page that was rendered less than a lag after one of its names was told may show
what a replica had before; it is fresh until a lag after the telling, and no longer. A render after
that is not limited by the same change. Of what was forgotten, and of the time before the first
page with a lag, it is assumed that it concerns every page. Shapes that came less than a lag before
a render were in no name of an earlier change, so then any change of the table counts. What renders
of a page write does not limit that page itself, or each of its renders would call for another.

Both go by the store's own clock where it has one, else by that of its processes, which share a
host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Final, NamedTuple, Protocol, runtime_checkable

from ..core.dependencies import Shape
from .base import Row

#: Pairs of a write and a name that are remembered for renders under way.
MAX_UNHEARD: Final = 10_000
#: Names that pages have depended on; beyond it all pages with dependencies become stale.
MAX_KNOWN: Final = 5_000_000


#: Seconds after which an intent that nobody has ended is told, and until which it is told again.
INTENT_SECONDS: Final = 10.0
INTENT_LAST: Final = 600.0
#: Intents at a time; further commits are not announced.
MAX_INTENTS: Final = 1_000
#: Names whose last telling is remembered, for replicas.
MAX_TIMES: Final = 10_000


class Kept(Enum):
    """What became of what a page shows while it was rendered. ``CHANGED``: something was written.
    ``MAYBE``: so much was, or the store is another, that nobody knows."""

    AS_IT_WAS = "as it was"
    CHANGED = "changed"
    MAYBE = "maybe"


class Begun(NamedTuple):
    """What a render takes before its first read. ``version``: of the shapes."""

    nonce: str
    writes: int
    version: int


@dataclass(frozen=True, slots=True)
class Depending:
    """What a page that is to be put depends on. ``begun``: taken before the first read of its
    render. ``shapes``: those of its questions that it did not know of then. ``lagging``: if the
    database has replicas; asked for afterwards, see `Dependents.seconds_left`."""

    names: bytes
    begun: Begun
    shapes: frozenset[Shape] = frozenset()
    lagging: Lagging | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be committed. ``names``: as they would be told; ``tables``: those of their
    tables as a whole. ``said``: of what, for people."""

    token: str
    names: bytes
    tables: bytes
    said: str


@dataclass(frozen=True, slots=True)
class Teller:
    """Who tells. ``page``: whose render it is that has written, if one did. ``intents``: tokens of
    those that end with it."""

    now: float
    page: bytes = b""
    intents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What came of telling. ``heard``: the names that pages have depended on; if there are any, the
    ``counter`` is one more than before. ``floor``: the highest counter of a telling that the store
    has forgotten."""

    counter: int
    heard: tuple[bytes, ...] = ()
    floor: int = 0


@dataclass(frozen=True, slots=True)
class Lagging:
    """A page whose render began at ``began``, and read from replicas that may lag by ``lag``
    seconds. ``asked``: the names that any change of a table has of which it asks questions."""

    names: bytes
    asked: bytes
    page: bytes
    lag: float
    began: float


def due_after(born: float, now: float) -> float | None:
    """When an intent that is told at ``now`` is to be told again, if it is."""
    age = now - born
    if not 0 <= age < INTENT_LAST:  # or the clock was put back
        return None
    return now + max(age, INTENT_SECONDS)


@dataclass(frozen=True)
class KnownShapes:
    """All the shapes of one version."""

    nonce: str = ""
    version: int = -1
    shapes: frozenset[Shape] = frozenset()

    @cached_property
    def by_table(self) -> Mapping[str, set[Shape]]:
        tables: dict[str, set[Shape]] = {}
        for shape in self.shapes:
            tables.setdefault(shape.table, set()).add(shape)
        return tables


@runtime_checkable
class Dependents(Protocol):
    """What a backend has besides, for pages that are renewed when what they show is changed.

    ``tell`` takes names with what each stands for, and the nonce and version of the shapes by which
    they were found: if there are others by now, it does nothing and returns those. What it returns
    else spares who told a look at the table of invalidations. ``depend`` makes names known of a
    page whose render knew the table of invalidations ``nonce`` up to ``generation``. ``affected``:
    the pages that have any of ``names``, in no order. ``forget`` empties ``known`` and the shapes:
    every page with dependencies is stale then. What was told stays, so that what is gone stays
    gone. ``announce`` stores an intent, whose names were found by the shapes of ``version``, for
    ``seconds``; false if there are too many. ``tell_overdue`` tells those that nobody has ended,
    and says how many. ``seconds_left``: after which a page is to be renewed, less than 0 if at
    once, `None` if nothing of it was told lately.
    """

    def begun(self) -> Begun: ...
    def shapes(self) -> KnownShapes: ...
    def tell(
        self, names: Mapping[bytes, str], nonce: str, version: int, teller: Teller | None = None
    ) -> Told | KnownShapes: ...
    def announce(
        self, intent: Intent, version: int, now: float, seconds: float = INTENT_SECONDS
    ) -> bool: ...
    def tell_overdue(self, now: float) -> int: ...
    def seconds_left(self, page: Lagging, now: float) -> float | None: ...
    def depend(self, depending: Depending, nonce: str, generation: int) -> Kept: ...
    def affected(self, names: Iterable[bytes]) -> Iterator[Row]: ...
    def forget(self) -> int: ...
