"""Tells every ISG of this process that depends on it what a transaction has written.

Recorders (`isgware.django`, `isgware.sqlalchemy`) call `announce` before a commit and `tell` after
it; each ISG with ``dependencies=`` listens.
"""

from __future__ import annotations

import importlib
import logging
import sys
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol, cast

from ..core.dependencies import Write
from ..core.dependency_texts import said_of
from ..errors import BackendUnavailable, ConfigurationError
from ..render_context import database
from ..rendering.callers import where
from ..settings import Settings
from ..storage import told_writes
from ..storage.page_store import PageStore

log: Final = logging.getLogger("isgware")
Listener = Callable[[list[Write]], object]
#: What each listener calls what was announced to it.
Announced = dict["Announcing", list[str]]
_listeners: Final[list[Listener]] = []


def listen(listener: Listener) -> None:
    """Have ``listener`` told of every batch of writes from now on. It must not raise for a store
    that is away: the writes are committed."""
    if listener not in _listeners:
        _listeners.append(listener)


def unlisten(listener: Listener) -> None:
    if listener in _listeners:
        _listeners.remove(listener)


class PagesOf:
    """Listens for one store's pages, as long as somebody uses them. ``mode``: whether isgware is
    "off", as under test: then nobody listens."""

    def __init__(self, page_store: PageStore, mode: Callable[[], str]) -> None:
        self._page_store = weakref.ref(page_store)
        self._mode = mode

    def __call__(self, writes: list[Write], intents: Iterable[str] = ()) -> None:
        page_store = self._page_store()
        if page_store is None:
            unlisten(self)
        elif self.listens:
            told_writes.tell(page_store, writes, intents)

    @property
    def listens(self) -> bool:
        return self._mode() != "off"

    @property
    def announces(self) -> bool:
        page_store = self._page_store()
        dependencies = page_store.dependencies if page_store is not None else None
        return dependencies is not None and dependencies.durable and self.listens

    def announce(self, writes: list[Write]) -> str:
        page_store = self._page_store()
        return told_writes.announce(page_store, writes) if page_store is not None else ""


def _say_that_a_render_writes(write: Write) -> None:
    place = where(sys._getframe(2))
    if place not in _told and len(_told) < 1_000:
        _told.add(place)
        log.warning(
            "%s writes to the database while a page is rendered (%s): that renews other pages, "
            "each time, and happens only when the page is rendered, not at each visit.",
            place or "A view", said_of(write),
        )  # fmt: skip


_told: Final[set[str]] = set()


def said_by(isg: Toucher, instead_of: Toucher | None = None) -> None:
    """Have `touched` say it to ``isg``, too, as long as somebody uses that."""
    known = [ref for ref in _touchers if ref() not in (None, isg, instead_of)]
    _touchers[:] = [*known, weakref.ref(isg)]


def touched(*names: str) -> None:
    """Renew the pages that depend on ``names``, rows (``blog.Post:5``) or tables
    (``blog.Post[*]``), in every ISG of this process that has ``dependencies=`` and knows them; see
    `ISG.touched`.

    Raises `ConfigurationError` for what none of them knows, before anything is renewed, and if
    there is none: `connect` is for processes without the app.
    """
    for made in _makers:
        made()
    told = [isg for isg in (known() for known in _touchers) if isg is not None]
    if not told:
        raise ConfigurationError(
            "No ISG of this process has dependencies=True; elsewhere say it to the store: "
            "isgware.connect(store).touched(…)."
        )
    away: BackendUnavailable | None = None
    for isg, known in _shared_out(names, told):
        try:
            isg.touched(*known)
        except BackendUnavailable as error:  # the others' pages are to be renewed all the same
            away = error
    if away is not None:
        raise away


def _shared_out(names: Iterable[str], isgs: list[Toucher]) -> list[tuple[Toucher, list[str]]]:
    """Which of ``names`` each knows, where apps of several databases are in one process."""
    known: list[list[str]] = [[] for _ in isgs]
    for name in names:
        refused: list[ConfigurationError] = []
        for isg, its in zip(isgs, known, strict=True):
            try:
                isg._check_name(name)
            except ConfigurationError as error:
                refused.append(error)
            else:
                its.append(name)
        if len(refused) == len(isgs):
            raise refused[0]
    return [(isg, its) for isg, its in zip(isgs, known, strict=True) if its]


def made_by(make: Callable[[], object]) -> None:
    """``make`` sees to it that there is an ISG, in processes that serve no pages."""
    if make not in _makers:
        _makers.append(make)


class Announcing(Protocol):
    """A listener that may want to know of a commit beforehand."""

    @property
    def announces(self) -> bool: ...
    def announce(self, writes: list[Write]) -> str: ...
    def __call__(self, writes: list[Write], intents: Iterable[str] = ()) -> None: ...


class Toucher(Protocol):
    def _check_name(self, name: str) -> None: ...
    def touched(self, *names: str) -> None: ...


_touchers: Final[list[weakref.ref[Toucher]]] = []
_makers: Final[list[Callable[[], object]]] = []


def recording(module: str, settings: Settings, page_store: PageStore) -> object:
    """Start a recorder, by the name of its module: it lies above this one. What is returned is to
    be held as long as it is to record. Raises `ConfigurationError` if it cannot."""
    if not module:
        return None
    try:
        recorder = importlib.import_module(module)
    except (ModuleNotFoundError, ConfigurationError):
        raise ConfigurationError(
            "dependencies= records what SQLAlchemy reads and writes, and sqlalchemy is not "
            "installed. pip install 'isgware[sqlalchemy]', or leave dependencies= out."
        ) from None
    held: Any = recorder.install(settings.untracked, settings.derived)
    if page_store.dependencies is not None:
        page_store.dependencies.labels = held.labels
        if settings.untracked:
            page_store.dependencies.ignores = held.ignores
    return held


def listening() -> bool:
    """Whether anybody wants to know: else nothing need be looked up before a write."""
    return any(getattr(each, "listens", True) for each in _listeners)


def announcing() -> bool:
    """Whether anybody wants to know of commits beforehand."""
    return any(getattr(each, "announces", False) for each in _listeners)


def announce(writes: Iterable[Write], before: Announced | None = None) -> Announced:
    """What a transaction has written, just before it is committed. What is returned is for `tell`.
    ``before``: what was announced of the same transaction already. Raises no `Exception`: no commit
    is refused because of pages."""
    batch, announced = list(writes), {} if before is None else before
    for listener in list(_listeners) if batch else ():
        try:
            if getattr(listener, "announces", False):
                wants = cast(Announcing, listener)
                token = wants.announce(batch)
                announced.setdefault(wants, []).extend([token] if token else [])
        except Exception:
            log.exception("A commit could not be announced; it goes on without.")
    return announced


def withdraw(announced: Announced) -> None:
    """What was announced was rolled back. Never raises."""
    for listener, tokens in announced.items():
        if tokens:
            try:
                listener([], tokens)
            except Exception:
                log.exception("What was announced and rolled back renews pages in vain.")


def tell(writes: Iterable[Write], announced: Announced | None = None) -> None:
    """What a transaction has written, once it is committed, or may be. Never raises."""
    batch = list(writes)
    if not batch:
        withdraw(announced or {})
        return
    if database.get() is not None:
        _say_that_a_render_writes(batch[0])
    for listener in list(_listeners):
        try:
            wants = cast(Announcing, listener)
            if announced and (intents := announced.get(wants)):
                wants(batch, intents)
            else:
                listener(batch)
        except Exception:
            log.exception("Records were changed; the pages that show them could not be renewed.")
