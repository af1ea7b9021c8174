"""Keeps pages with what they depend on, and tells the store what was written.

`isgware.backends.dependents` has the theory. Here is what a process adds: the shapes that it knows,
what it owes to a store that is away, and that a page which the store did not take is never fresh.
"""

from __future__ import annotations

import atexit
import logging
import secrets
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Final

from ..backends.base import Row
from ..backends.breaker import Breaker
from ..backends.dependents import (
    MAX_INTENTS,
    Begun,
    Dependents,
    Depending,
    Intent,
    Kept,
    KnownShapes,
    Lagging,
    Teller,
    Told,
)
from ..core.database_reads import DatabaseReads, Writes
from ..core.depended import CHANGED, MAYBE, Depended, compressed
from ..core.dependencies import EverythingChanged, Shape, TableChanged, Write
from ..core.dependency_labels import Labels, labels_as_shapes, labels_in
from ..core.dependency_names import EVERY, any_name, names_of_writes
from ..core.dependency_texts import said_of
from ..core.freshness import Changes
from ..core.stored_page import Entry
from ..errors import BackendUnavailable, ConfigurationError
from ..settings import Settings
from .dependency_state import late

log: Final = logging.getLogger("isgware")
#: More names of one commit become those of their tables.
_MAX_NAMES: Final = 10_000
#: Shapes of questions, and names of tables, in a store. Each process has them all, and an app may
#: make ever more tables as it runs.
_MAX_SHAPES: Final = 20_000
#: Tables whose changes wait for a store that is away.
_MAX_TABLES: Final = 1_000
#: Tables that are named to people.
_MAX_SAID: Final = 20
#: Of more, tables are announced.
_MAX_ANNOUNCED: Final = 1_000
#: Attempts with newer shapes; they grow seldom.
_TRIES: Final = 10
_NO_SHAPES: Final = KnownShapes()


@dataclass(frozen=True, slots=True)
class RenderBegun:
    """What a render has taken before its first read, and when. ``begun`` is `None` if the store was
    away."""

    begun: Begun | None
    shapes: KnownShapes
    at: float


class Dependencies:
    """``soft``: a change makes pages stale; else it purges them. ``durable``: commits are
    announced. ``lag``: seconds by which replicas of the database may lag."""

    def __init__(
        self, store: Breaker, now: Callable[[], float], *, soft: bool = False,
        durable: bool = False, lag: float = 0.0,
    ) -> None:  # fmt: skip
        self.soft = soft
        self.durable = durable
        self._lag = lag
        self._looked = False
        self._now = now
        self._store = store
        self._shapes = _NO_SHAPES
        self._owed = Writes()
        #: Of what is owed.
        self._owed_intents: list[str] = []
        self._leaving = False
        #: What people call tables, as far as this process knows.
        self.labels: Labels = {}
        self._labelled: tuple[KnownShapes, Labels, frozenset[Shape]] = _NO_SHAPES, {}, frozenset()
        #: Tables that do not count here, while they may for another ISG of this process.
        self.ignores: Callable[[str], bool] | None = None
        self._lock = threading.Lock()

    @property
    def _backend(self) -> Dependents:
        backend: Any = self._store.backend
        return backend  # type: ignore[no-any-return]

    # What a render depends on.

    def begin(self) -> RenderBegun:
        """Call it before the first read of a render."""
        at = self._now()
        try:
            for _ in range(3):
                shapes = self._shapes
                begun = self._store.call(self._backend.begun, returns=Begun)
                if (begun.nonce, begun.version) == (shapes.nonce, shapes.version):
                    return RenderBegun(begun, shapes, at)
                self._shapes = self._store.call(self._backend.shapes, returns=KnownShapes)
            return RenderBegun(begun, _NO_SHAPES, at)  # all of its shapes count as new
        except BackendUnavailable:
            return RenderBegun(None, _NO_SHAPES, at)

    def finish(self, reads: DatabaseReads, began: RenderBegun) -> tuple[Depended, Depending | None]:
        """What the page keeps, and what the store is told with it."""
        if self.ignores is not None:
            reads.leave_out(self.ignores)
        full = len(began.shapes.shapes) >= _MAX_SHAPES
        found = reads.finished(began.shapes.by_table, full=full)
        depended = Depended(found.names, compressed(found.texts), self.soft)
        if began.begun is None:
            return replace(depended, late=MAYBE), None
        new = found.shapes if full else found.shapes | self._new_labels(began.shapes)
        lagging = None
        if self._lag:
            asked = b"".join(map(any_name, sorted(found.asked)))
            lagging = Lagging(found.names, asked, reads.page, self._lag, began.at)
        return depended, Depending(found.names, began.begun, new, lagging)

    def _new_labels(self, known: KnownShapes) -> frozenset[Shape]:
        """Those that the store does not know, looked for again if it or the labels are others."""
        labels = dict(self.labels.items())
        if self._labelled[0] is not known or self._labelled[1] != labels:
            self._labelled = known, labels, labels_as_shapes(labels) - known.shapes
        return self._labelled[2]

    def past_own_writes(
        self, depending: Depending, told: tuple[int, int], counter: Callable[[], int],
        generation: int,
    ) -> tuple[Depending, int]:  # fmt: skip
        """As if a render that has itself written had begun after that: what it writes renews other
        pages, not its own. Only if nothing else happened in the store meanwhile; ``told`` is how
        many commits were its own, and how many of those moved the counter."""
        now, before = self.begin().begun, depending.begun
        if now is None or (now.nonce, now.writes) != (before.nonce, before.writes + told[0]):
            return depending, generation
        if counter() != generation + told[1]:
            return depending, generation
        begun = before._replace(writes=now.writes)
        return replace(depending, begun=begun), generation + told[1]

    def met(self, entry: Entry, depending: Depending | None) -> Entry:
        """Tell the store what a page depends on that is about to be stored. Returns the page as it
        counts: as one that was never fresh, if something of it was changed meanwhile, or if the
        store cannot tell; as one to be renewed soon, if that was shortly before."""
        if depending is None:
            return entry
        try:
            kept = self._store.call(
                self._backend.depend, depending, entry.nonce, entry.generation,
                returns=Kept, kind="pages",
            )  # fmt: skip
            if kept is Kept.AS_IT_WAS:
                return self._limited(entry, depending.lagging)
        except BackendUnavailable:
            kept = Kept.MAYBE
        return late(entry, CHANGED if kept is Kept.CHANGED else MAYBE)

    def _limited(self, entry: Entry, lagging: Lagging | None) -> Entry:
        """Raises `BackendUnavailable`."""
        if lagging is None or entry.depended is None:
            return entry
        left = self._store.call(
            self._backend.seconds_left, lagging, self._now(), returns=float | NoneType,
            kind="pages",
        )  # fmt: skip
        if left is None:
            return entry
        return replace(entry, depended=replace(entry.depended, due=self._now() + left))

    def counted(self, writes: Iterable[Write]) -> list[Write]:
        """Those of ``writes`` that count here."""
        ignores = self.ignores
        return [
            write
            for write in writes
            if ignores is None or isinstance(write, EverythingChanged) or not ignores(write.table)
        ]

    # What is about to be written.

    def announce(self, writes: Iterable[Write]) -> str:
        """Before their commit. Returns the token of an intent, empty if the store has too many.
        Raises `BackendUnavailable`."""
        batch, shapes = list(writes), self._shapes
        names = _names(batch, shapes)
        tables = _names(_coarse(batch), shapes)
        short = names if len(names) <= _MAX_ANNOUNCED else tables
        said = f"a writer ended while it committed: {next(iter(names.values()))}"
        intent = Intent(secrets.token_hex(8), b"".join(short), b"".join(tables), said)
        taken = self._store.apart(
            self._backend.announce, intent, shapes.version, self._now(), returns=bool,
            kind="invalidate",
        )  # fmt: skip
        if not taken:
            log.warning("So many writers were killed that this commit is not announced.")
        return intent.token if taken else ""

    def look_first(self) -> None:
        """What was overdue before this process began is told before its first visit."""
        if not self._looked:
            self._looked = True
            self.tell_overdue()

    def tell_overdue(self) -> int:
        """Tell what others have announced and never told. Raises `BackendUnavailable`."""
        if not self.durable:
            return 0
        return self._store.apart(
            self._backend.tell_overdue, self._now(), returns=int, kind="invalidate"
        )

    # What was written.

    def tell(
        self, writes: Iterable[Write], intents: Iterable[str] = (), page: bytes = b""
    ) -> Changes:
        """Tell the store what a commit has changed, which ``intents`` have announced. ``page``:
        whose render has written. Returns what that added to the table of invalidations: all of what
        is new to who knew it up to the counter before. Raises `BackendUnavailable`."""
        batch = list(writes)
        teller = Teller(self._now(), page, tuple(intents))
        shapes = self._shapes
        for _ in range(_TRIES):
            found = self._tell(_names(batch, shapes), shapes, teller)
            if isinstance(found, Changes):
                if any(isinstance(write, EverythingChanged) and write.tables for write in batch):
                    self.forget()  # every page is renewed: questions of the old tables can go
                return found
            self._shapes = shapes = found
        # Whatever the shapes are: this name is in none.
        shapes = self._store.apart(self._backend.shapes, returns=KnownShapes)
        found = self._tell({EVERY: "questions changed all the time"}, shapes, teller)
        if not isinstance(found, Changes):
            raise BackendUnavailable("The store's questions change all the time.")
        return found

    def _tell(
        self, names: dict[bytes, str], shapes: KnownShapes, teller: Teller
    ) -> Changes | KnownShapes:
        found = self._store.apart(
            self._backend.tell, names, shapes.nonce, shapes.version, teller,
            returns=Told | KnownShapes, kind="invalidate",
        )  # fmt: skip
        if isinstance(found, KnownShapes):
            return found
        told = tuple((name, found.counter, names[name]) for name in found.heard)
        return Changes(shapes.nonce, found.counter, told=told, told_floor=found.floor)

    def owe(self, writes: Iterable[Write], intents: Iterable[str] = ()) -> None:
        """To be told when the store is back. Bounded: more of one table become the table, more
        tables become everything."""
        if not self._leaving:
            self._leaving = True
            atexit.register(_last_try, weakref.ref(self))
        with self._lock:
            self._owed_intents = [*self._owed_intents, *intents][-MAX_INTENTS:]
            for write in writes:
                self._owed.add(write)
            self._bound()

    def _bound(self) -> None:
        if self._owed.tables > _MAX_TABLES:
            self._owed = Writes(EverythingChanged("more was changed than could wait for the store"))

    def pay(self) -> None:
        """Tell what is owed, if the store takes it."""
        if not self._owed:
            return
        with self._lock:
            owed, self._owed = self._owed, Writes()
            intents, self._owed_intents = self._owed_intents, []
        try:
            self.tell(owed, intents)
        except BackendUnavailable:
            with self._lock:
                owed.join(self._owed)
                self._owed = owed
                self._bound()
                self._owed_intents = [*intents, *self._owed_intents][-MAX_INTENTS:]

    def last_try(self) -> None:
        """The process ends, such as a command: nobody else knows what it has changed."""
        if self._owed and self._store.probe():
            self.pay()
        if not self._owed:
            return
        tables = sorted(
            {write.table for write in self._owed if not isinstance(write, EverythingChanged)}
        )
        some = self._owed.everything is None and len(tables) <= _MAX_SAID
        remedy = "touched STORE " + " ".join(f"'{table}[*]'" for table in tables)
        log.error(
            "This process ends and could not tell the store what it has changed. Pages that show "
            "it are renewed by: isgware %s",
            remedy if some else "purge STORE --all",
        )

    def all_labels(self) -> Labels:
        """With those that the store knows. Raises `BackendUnavailable`."""
        if self.labels:
            return self.labels
        return labels_in(self._store.apart(self._backend.shapes, returns=KnownShapes).shapes)

    def affected(self, writes: Iterable[Write]) -> Iterator[Row]:
        """The pages that such a change would renew. Raises `BackendUnavailable`."""
        shapes = self._store.apart(self._backend.shapes, returns=KnownShapes)
        wanted = set(names_of_writes(writes, shapes.by_table))
        rows = self._store.apart(self._backend.affected, wanted)
        while (row := self._store.apart(_next, rows)) is not None:
            yield row

    def forget(self) -> None:
        """Make every page with dependencies stale, and begin anew. Raises `BackendUnavailable`."""
        self._store.apart(self._backend.forget, returns=int, kind="invalidate")


def dependencies_of(store: Breaker, settings: Settings, now: Callable[[], float]) -> Dependencies:
    """Raises `ConfigurationError` for a store that cannot tell what pages depend on."""
    need_dependents(store)
    return Dependencies(
        store, now, soft=settings.dependencies == "soft", durable=settings.dependencies_durable,
        lag=settings.dependencies_lag,
    )  # fmt: skip


def need_dependents(store: Breaker) -> None:
    """Raises `ConfigurationError` for a store that keeps no dependencies."""
    if not isinstance(store.backend, Dependents):
        raise ConfigurationError(
            "dependencies= needs a store that keeps them: file:, memory: or redis://, or file: or "
            "redis:// as coordinator= beside a cachelib cache or Memcached. A backend of your own "
            "needs the methods of isgware.backends.dependents.Dependents."
        )


def _next(rows: Iterator[Row]) -> Row | None:
    return next(rows, None)


def _names(batch: Sequence[Write], shapes: KnownShapes) -> dict[bytes, str]:
    names = names_of_writes(batch, shapes.by_table)
    if len(names) > _MAX_NAMES:
        names = names_of_writes(_coarse(batch), shapes.by_table)
    return {name: said_of(write) for name, write in names.items()}


def _coarse(batch: Iterable[Write]) -> list[Write]:
    """The tables of what was written."""
    coarse = (
        write if isinstance(write, EverythingChanged) else TableChanged(write.table)
        for write in batch
    )
    return list(dict.fromkeys(coarse))


def _last_try(found: weakref.ref[Dependencies]) -> None:
    dependencies = found()
    if dependencies is not None:
        dependencies.last_try()
