"""`revalidate_on_change`: when a record is saved or deleted, in the admin or elsewhere, the pages
that show it are renewed as soon as its transaction is committed.

Pages that show a record's *old* values are renewed, too: for example the list of an author from
whom a post was taken away. The old values are read from the database before they are overwritten.
The loaded record is not enough: another process may have changed the row since.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Final

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model, signals
from django.db.models.fields.related import lazy_related_operation
from django.utils.functional import cached_property as django_cached_property

from ..errors import ConfigurationError
from ..management.record_changes import Hook, Invalidation, fire, is_on, made_hook
from .commits import Waiting, last_waiting, when_committed

log: Final = logging.getLogger("isgware")
_PROPERTIES: Final = (property, cached_property, django_cached_property)
_REMEDY: Final = "Name a field, or give a callable: tags=lambda record: [...]."
#: Where invalidations wait from pre_save to post_save: a save that fails fires nothing.
_BEFORE: Final = "_isgware_before"
#: Records looked up in one query.
_AT_ONCE: Final = 500


def revalidate_on_change(
    model: Any = None, *, tags: Any = (), paths: Any = (), mode: str = "purge"
) -> Any:
    """Renew the pages that show a record of ``model`` when one is saved or deleted, or a
    many-to-many relation of it changes, as soon as the transaction is committed.

    ``tags`` and ``paths`` are texts with ``{field}`` placeholders, or a callable from a record to
    such names. The record as it was before counts, too, at the cost of a query by primary key if
    that may give other names. Returns ``model``; without one, a decorator of a model class.

    Raises `ConfigurationError` for a placeholder that is not a field. If the store is unavailable,
    the save succeeds, and the store is notified later. ``mode`` is ``"purge"`` or ``"revalidate"``.
    """

    def register(target: Any) -> Any:
        watch(target, tags, paths, mode)
        return target

    return register if model is None else register(model)


def watch(model: Any, tags: Any, paths: Any, mode: str) -> None:
    """See `isgware.django.revalidate_on_change`."""
    if not (isinstance(model, type) and issubclass(model, Model)):
        raise ConfigurationError(f"revalidate_on_change takes a model class, not {model!r}.")
    label = model._meta.label
    hook = made_hook(label, tags, paths, mode, lambda name: _has(model, name), _REMEDY)
    if not any(known.model is model and known.hook == hook for known in _watchers):
        watcher = Watcher(model, hook)
        _watchers.append(watcher)  # signals hold it only weakly
        watcher.start()


def _has(model: type[Model], name: str) -> bool:
    if name == "pk":
        return True
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return isinstance(inspect.getattr_static(model, name, None), _PROPERTIES)
    return bool(field.concrete) and not field.many_to_many


class AfterCommit(Waiting):
    """The invalidations of one transaction, or of one savepoint of it."""

    def __init__(self, invalidations: Iterable[Invalidation]) -> None:
        super().__init__(lambda: _fire(self.invalidations))
        self.invalidations = dict.fromkeys(invalidations)


def after_commit(invalidations: Iterable[Invalidation], using: str) -> None:
    """Fire once the open transaction of ``using`` is committed; at once if there is none."""
    last = last_waiting(using)
    if isinstance(last, AfterCommit):  # one invalidation for a thousand saved records
        last.invalidations.update(dict.fromkeys(invalidations))
    else:
        when_committed(AfterCommit(invalidations), using)


def _fire(invalidations: Iterable[Invalidation]) -> None:
    from .integration import isg

    try:
        current = isg()
    except Exception:
        log.exception("A record was changed; there is no ISG to invalidate its pages with.")
        return
    fire(current, invalidations)


def _switched_on() -> bool:
    from .integration import isg

    try:
        return is_on(isg())
    except Exception:
        return True  # errors are reported when it fires


class Watcher:
    """One hook on one model, its subclasses and proxies, which send their own signals."""

    def __init__(self, model: type[Model], hook: Hook) -> None:
        self.model = model
        self.hook = hook
        key = model._meta.pk
        self._changing = hook.fields - {"pk", key.name if key else "pk"}
        self._relations: dict[Any, Any] = {}

    def start(self) -> None:
        # Strong references: Django's signals hold bound methods weakly by default.
        signals.class_prepared.connect(self.meet, weak=False)
        for model in [model for models in apps.all_models.values() for model in models.values()]:
            self.meet(model)

    def meet(self, sender: Any, **_: Any) -> None:
        """Connect to ``sender`` and to its many-to-many relations, if they concern the model."""
        if sender._meta.apps is not apps:
            return  # the past states of models, in migrations
        if issubclass(sender, self.model):
            signals.pre_save.connect(self.before_save, sender=sender, weak=False)
            signals.post_save.connect(self.after_save, sender=sender, weak=False)
            signals.pre_delete.connect(self.before_delete, sender=sender, weak=False)
        for field in sender._meta.local_many_to_many:
            through = field.remote_field.through
            if through is not None:  # a model that is swapped out has none
                # Each of the three may still be a name, of a model that is not loaded yet.
                ends = (sender, field.remote_field.model, through)
                lazy_related_operation(self.relate, *ends, field=field)

    def relate(self, one: Any, other: Any, through: Any, *, field: Any) -> None:
        if self._is_end(one) or self._is_end(other):
            self._relations[through] = field
            signals.m2m_changed.connect(self.relation_changed, sender=through, weak=False)

    def _is_end(self, model: type[Model]) -> bool:
        return issubclass(model, self.model) or issubclass(self.model, model)

    # What signals call.

    def before_save(self, sender: Any, instance: Any, raw: bool, using: str, **_: Any) -> None:
        if self._may_change(instance, raw) and _switched_on():
            invalidations = list(self._stored_invalidations(sender, [instance.pk], using))
            instance.__dict__.setdefault(_BEFORE, {})[id(self)] = invalidations

    def after_save(self, instance: Any, raw: bool, using: str, **_: Any) -> None:
        waiting = instance.__dict__.get(_BEFORE, {})
        before = waiting.pop(id(self), [])
        if not waiting:
            instance.__dict__.pop(_BEFORE, None)
        if not _switched_on():
            return
        if raw and self.hook.asks:
            # The callable may need records further down in the fixture.
            when_committed(Waiting(lambda: _fire(self._after_fixture(before, instance))), using)
        else:
            after_commit([*before, *self.invalidations(instance)], using)

    def before_delete(self, instance: Any, using: str, **_: Any) -> None:
        # Django sends this within the transaction. Afterwards, relations could not be followed.
        if _switched_on():
            after_commit(self.invalidations(instance), using)

    def relation_changed(
        self, sender: Any, instance: Any, action: str, reverse: bool, model: Any,
        pk_set: set[Any] | None, using: str, **_: Any,
    ) -> None:  # fmt: skip
        """Before and after, within one transaction: a callable may list the relation.

        ``post.tags.add(tag)`` changes the post, which is ``instance``, and the tag.
        """
        if (pk_set is not None and not pk_set) or not _switched_on():
            return
        if isinstance(instance, self.model):
            after_commit(self.invalidations(instance), using)
        if self._is_end(model):
            keys = pk_set or self._cleared(sender, instance, action, reverse, using)
            narrow = model if issubclass(model, self.model) else self.model
            after_commit(self._stored_invalidations(narrow, list(keys), using), using)

    # What is known of a record.

    def invalidations(self, record: Any) -> list[Invalidation]:
        return self.hook.invalidations(record, _read)

    def _after_fixture(self, before: list[Invalidation], record: Any) -> Iterator[Invalidation]:
        yield from before
        yield from self.invalidations(record)

    def _may_change(self, instance: Any, raw: bool) -> bool:
        """Whether the stored row may give other invalidations than the record that replaces it."""
        meta = instance._meta
        if not (self._changing or self.hook.asks) or instance.pk is None:
            return False
        # Django inserts without a look-up if the record is new and its key is generated, such as a
        # UUID.
        return raw or not instance._state.adding or not _is_made_up(meta.pk)

    def _stored_invalidations(
        self, model: Any, keys: list[Any], using: str
    ) -> Iterator[Invalidation]:
        for start in range(0, len(keys), _AT_ONCE):
            rows = model._base_manager.using(using).filter(pk__in=keys[start : start + _AT_ONCE])
            for row in rows:
                yield from self.invalidations(row)

    def _cleared(
        self, through: Any, instance: Any, action: str, reverse: bool, using: str
    ) -> list[Any]:
        """The other ends of a relation that is about to be cleared: signals do not name them."""
        if action != "pre_clear":
            return []
        field = self._relations[through]
        here, there = field.m2m_field_name(), field.m2m_reverse_field_name()
        if reverse:
            here, there = there, here
        rows = through._base_manager.using(using).filter(**{here: instance.pk})
        return list(rows.values_list(there, flat=True))


def _is_made_up(key: Any) -> bool:
    return key.has_default() or getattr(key, "has_db_default", lambda: False)()


def _read(record: Any, name: str) -> Any:
    """The value of a field as it was or will be read from the database; of a foreign key, the
    key."""
    if name == "pk":
        return record.pk
    try:
        field = record._meta.get_field(name)
    except FieldDoesNotExist:
        return getattr(record, name)
    value = getattr(record, field.attname)
    if hasattr(value, "resolve_expression"):  # F("number") + 1: only the database knows
        row = type(record)._base_manager.using(record._state.db).filter(pk=record.pk)
        value = row.values_list(field.attname, flat=True).first()
    return field.to_python(value)


_watchers: Final[list[Watcher]] = []
