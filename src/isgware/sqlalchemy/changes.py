"""`revalidate_on_change` for SQLAlchemy: what a session commits renews the pages that show it.

How it works. Before a flush writes an object, a mapper event collects the invalidations of the row
as it is; after the write, those of the object are added. They belong to the innermost savepoint. A
released savepoint passes them to the transaction around it, one that is rolled back drops them, and
the commit of the outermost transaction fires them. Statements that change rows without objects,
``session.execute(update(Post)…)``, are seen, too, but not which rows they change: see `_statement`.
"""

from __future__ import annotations

import inspect as python_inspect
import logging
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Final

from sqlalchemy import event, inspect
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapper, ORMExecuteState, Session, SessionTransaction

from ..errors import ConfigurationError
from ..management.operations import Invalidations
from ..management.record_changes import Hook, Invalidation, fire, is_on, made_hook

log: Final = logging.getLogger("isgware")
_PROPERTIES: Final = (property, cached_property, hybrid_property)
_REMEDY: Final = "Name a column, or give a callable: tags=lambda record: [...]."
_KEY: Final = "isgware"

Source = Invalidations | Callable[[], Invalidations]


def revalidate_on_change(
    model: Any, isg: Source, *, tags: Any = (), paths: Any = (), mode: str = "purge"
) -> None:
    """Renew the pages that show a record of ``model`` when a session commits a change of it.

    Holds for every session of this process. ``isg`` is an `ISG`, a `Connection`, or a callable
    that returns one and is asked at each commit. ``tags`` and ``paths`` are texts with ``{column}``
    placeholders, or a callable from a record to such names. The row as it was before counts, too.

    Raises `ConfigurationError` for a placeholder that is no column. A store that is away does not
    break a commit: it is told when it is back. ``mode`` is ``"purge"`` or ``"revalidate"``.
    """
    mapper: Any = inspect(model, raiseerr=False) if isinstance(model, type) else None
    if not isinstance(mapper, Mapper):
        raise ConfigurationError(f"revalidate_on_change takes a mapped class, not {model!r}.")
    given: Any = isg
    if not (isinstance(given, Invalidations) or callable(given)):
        raise ConfigurationError(
            f"isg={isg!r}: give an ISG, isgware.connect(store), or a callable that returns one."
        )
    hook = made_hook(
        model.__name__, tags, paths, mode, lambda name: _has(model, mapper, name), _REMEDY
    )
    known = [(watcher.model, watcher.source, watcher.hook) for watcher in _watchers]
    if (model, isg, hook) not in known:
        _listen_to_sessions()
        _watchers.append(Watcher(model, mapper, isg, hook))


def _has(model: type, mapper: Mapper[Any], name: str) -> bool:
    # Not mapper.attrs, which would configure all mappers, before all models are imported.
    found = python_inspect.getattr_static(model, name, None)
    return name in mapper.columns or isinstance(found, _PROPERTIES)


class Watcher:
    """One hook on one model and its subclasses."""

    def __init__(self, model: type, mapper: Mapper[Any], source: Source, hook: Hook) -> None:
        self.model = model
        self.mapper = mapper
        self.source = source
        self.hook = hook
        self._looks = hook.asks or not all(name in mapper.columns for name in hook.fields)
        self._warned = False
        self.handlers = {
            "before_insert": self._inserting,
            "before_update": self._updating,
            "before_delete": self._deleting,
        }
        for name, handler in self.handlers.items():
            event.listen(model, name, handler, propagate=True)

    @property
    def isg(self) -> Invalidations:
        source = self.source
        return source if isinstance(source, Invalidations) else source()

    def switched_on(self) -> bool:
        try:
            return is_on(self.isg)
        except Exception:
            return True  # what is wrong is said when it is fired

    def invalidations(self, record: Any) -> list[Invalidation]:
        return self.hook.invalidations(record, getattr)

    # What mappers call, in the middle of a flush.

    def _inserting(self, mapper: Mapper[Any], connection: Any, target: Any) -> None:
        self._written(target)

    def _updating(self, mapper: Mapper[Any], connection: Any, target: Any) -> None:
        state = inspect(target)
        if not self.switched_on() or not state.session.is_modified(target):
            return
        # Unless one of their columns changes, the invalidations of the row are those of the object.
        if self._looks or any(state.attrs[name].history.has_changes() for name in self.hook.fields):
            self._before(mapper, connection, state)
        self._written(target)

    def _deleting(self, mapper: Mapper[Any], connection: Any, target: Any) -> None:
        if not self.switched_on():
            return
        state = inspect(target)
        fields = self.hook.fields
        if self._looks or not fields <= set(state.dict) or state.modified:
            self._before(mapper, connection, state)
        else:
            pending_of(state.session).add(state.session, self, self.invalidations(target))

    def related(self, session: Session, state: Any) -> None:
        """A many-to-many relation of it is about to change, from the other end."""
        if self._looks and state.persistent:
            connection = session.connection(bind_arguments={"mapper": state.mapper})
            self._before(state.mapper, connection, state)
        self._written(state.obj())

    def _written(self, target: Any) -> None:
        pending_of(inspect(target).session).written.append((self, target))

    def _before(self, mapper: Mapper[Any], connection: Any, state: Any) -> None:
        """Look the row up in the same transaction, in a session apart: this one knows better."""
        with Session(connection, join_transaction_mode="rollback_only", autoflush=False) as apart:
            row = apart.get(mapper.class_, state.identity)
            if row is not None:
                pending_of(state.session).add(state.session, self, self.invalidations(row))

    def bulk(self, session: Session) -> None:
        """A statement has changed some rows, nobody knows which."""
        if not self.switched_on():
            return
        invalidations = self.hook.constant_invalidations()
        pending_of(session).add(session, self, invalidations)
        if not invalidations and not self._warned:
            self._warned = True
            log.warning(
                "A statement changed rows of %s; which pages show them is not known. Add a tag "
                "without placeholders to its revalidate_on_change, or call purge_tag yourself.",
                self.hook.model,
            )


#: A dictionary as an ordered set.
_Ordered = dict[tuple[Watcher, Invalidation], None]


class PendingInvalidations:
    """The invalidations of one session, by the savepoint that they belong to; ``None`` stands for
    the outermost transaction, which may not have begun yet.

    It does not refer to its session: a session that is not closed must be collected at once.
    """

    def __init__(self) -> None:
        self._pending: dict[SessionTransaction | None, _Ordered] = {}
        self.written: list[tuple[Watcher, Any]] = []

    def add(self, session: Session, watcher: Watcher, invalidations: list[Invalidation]) -> None:
        held = self._pending.setdefault(session.get_nested_transaction(), {})
        held.update(dict.fromkeys((watcher, each) for each in invalidations))

    def release(self, savepoint: SessionTransaction) -> None:
        outer = savepoint.parent
        while outer is not None and not outer.nested:
            outer = outer.parent
        held = self._pending.pop(savepoint, {})
        self._pending.setdefault(outer, {}).update(held)

    def drop(self, transaction: SessionTransaction) -> None:
        """The transaction has ended: drop what was neither released nor fired."""
        self.written.clear()
        self._pending.pop(transaction if transaction.nested else None, None)

    def take(self) -> Iterator[tuple[Watcher, list[Invalidation]]]:
        by_watcher: dict[Watcher, list[Invalidation]] = {}
        for watcher, each in self._pending.pop(None, {}):
            by_watcher.setdefault(watcher, []).append(each)
        yield from by_watcher.items()


def pending_of(session: Session) -> PendingInvalidations:
    pending: PendingInvalidations = session.info.setdefault(_KEY, PendingInvalidations())
    return pending


# What sessions call.


def _flushing(session: Session, context: Any, instances: Any) -> None:
    """Objects at the far ends of relations need not be written themselves, and no mapper tells of
    them then."""
    for record in (*session.new, *session.dirty):
        state = inspect(record)
        for relation in state.mapper.relationships:
            if relation.secondary is not None and _concerns(relation.mapper.class_):
                added, _, removed = state.attrs[relation.key].history
                for other in (*(added or ()), *(removed or ())):
                    for watcher in list(_watchers):
                        if isinstance(other, watcher.model) and watcher.switched_on():
                            watcher.related(session, inspect(other))


def _concerns(model: type) -> bool:
    return any(
        issubclass(model, watcher.model) or issubclass(watcher.model, model)
        for watcher in _watchers
    )


def _flushed(session: Session, context: Any) -> None:
    """Everything is written: keys and defaults of the database are known."""
    pending = pending_of(session)
    written, pending.written = pending.written, []
    for watcher, target in written:
        if watcher.switched_on():
            pending.add(session, watcher, watcher.invalidations(target))


def _committed(session: Session) -> None:
    pending = pending_of(session)
    savepoint = session.get_nested_transaction()
    if savepoint is not None:
        pending.release(savepoint)
        return
    by_isg: dict[int, tuple[Invalidations, list[Invalidation]]] = {}
    for watcher, invalidations in pending.take():
        try:
            isg = watcher.isg
        except Exception:
            log.exception("A record was changed; there is no ISG to invalidate its pages with.")
        else:
            by_isg.setdefault(id(isg), (isg, []))[1].extend(invalidations)
    for isg, invalidations in by_isg.values():
        fire(isg, invalidations)


def _ended(session: Session, transaction: SessionTransaction) -> None:
    if transaction.nested or transaction.parent is None:
        pending_of(session).drop(transaction)


def _statement(state: ORMExecuteState) -> None:
    """``update``, ``delete`` and ``insert`` through a session, of a class or of its table."""
    if not (state.is_update or state.is_delete or state.is_insert):
        return
    table = getattr(state.statement, "table", None)
    for watcher in list(_watchers):
        if table is not None and any(table in each.tables for each in _family(watcher.mapper)):
            watcher.bulk(state.session)


def _family(mapper: Mapper[Any]) -> Iterator[Mapper[Any]]:
    """With its subclasses: rows of theirs are of it."""
    return iter(mapper.self_and_descendants)


def _listen_to_sessions() -> None:
    for name, function in (
        ("before_flush", _flushing),
        ("after_flush_postexec", _flushed),
        ("after_commit", _committed),
        ("after_transaction_end", _ended),
        ("do_orm_execute", _statement),
    ):
        if not event.contains(Session, name, function):
            event.listen(Session, name, function)


_watchers: Final[list[Watcher]] = []
