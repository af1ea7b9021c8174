"""Which tables and columns of a Django project count, and how people call them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.db import models

from ..core.dependency_labels import derived_from, unknown, with_derived
from ..errors import ConfigurationError

#: Tables of the framework's own bookkeeping: no page shows them, and every visit may write them.
_OWN_MODELS: Final = frozenset({
    "sessions.session", "admin.logentry", "contenttypes.contenttype",
    "django_celery_results.taskresult", "django_celery_results.groupresult",
    "django_celery_results.chordcounter",
})  # fmt: skip
_MIGRATIONS: Final = "django_migrations"
_EQUAL: Final = (models.IntegerField, models.BooleanField, models.UUIDField)


class Tables:
    """``untracked``: labels of models that count as little as sessions. ``derived``: what is made
    of what, both labels; see `isgware.settings.Settings`. Raises `ConfigurationError` for a model
    that is not there."""

    def __init__(self, untracked: Iterable[str], derived: dict[str, tuple[str, ...]]) -> None:
        #: Of several models of one table that which makes it: its key is that of the rows.
        self.models: dict[str, Any] = {}
        #: Tables of several models.
        self.shared: set[str] = set()
        called: dict[str, tuple[str, ...]] = {}
        self.ignored: set[str] = {_MIGRATIONS}
        self._generated: dict[str, frozenset[str]] = {}
        models = apps.get_models(include_auto_created=True)
        for model in sorted(models, key=lambda model: not model._meta.managed):
            meta: Any = model._meta
            if meta.proxy or meta.swapped:
                continue
            if self.models.setdefault(meta.db_table, model) is not model:
                self.shared.add(meta.db_table)
            self._generated[meta.db_table] = self.generated(model)
            if meta.label_lower in _OWN_MODELS:
                self.ignored.add(meta.db_table)
            if not self.has_key_of_rows(model):
                continue  # nobody can name a row by it
            parents = [parent._meta.db_table for parent in model._meta.parents]
            called[meta.label] = (meta.db_table, *dict.fromkeys(parents))
        for model in models:
            concrete: Any = model._meta.concrete_model
            if model._meta.proxy and (tables := called.get(concrete._meta.label)):
                called[model._meta.label] = tables
        for label in untracked:
            self.ignored.add(table_of("untracked", label))
        made: dict[str, list[str]] = {}
        for label, sources in derived.items():
            for source in sources:
                made.setdefault(table_of("derived", source), []).append(table_of("derived", label))
        #: What of other tables is derived from a table, also by way of others.
        self.made_of = {table: derived_from([table], lambda it: made.get(it, ())) for table in made}
        own = {model._meta.label for model in self.models.values()}
        #: What people call a model, and its tables: its own first, those it inherits from, and
        #: what is made of them. Last what a table is shown as: its proxies, and further models of
        #: it, are understood, too.
        self.labels = {
            label: with_derived(called[label], lambda table: self.made_of.get(table, ()))
            for label in sorted(called, key=own.__contains__)
        }
        engines = settings.CACHES.values()
        self.caches = [
            str(cache.get("LOCATION"))
            for cache in engines
            if str(cache.get("BACKEND", "")).endswith("db.DatabaseCache")
        ]

    def has_key_of_rows(self, model: Any) -> bool:
        """False of a second model of its table, such as an unmanaged one, with another key."""
        known = self.models.get(model._meta.db_table)
        return known is None or key_column(known) == key_column(model)

    def generated(self, model: Any) -> frozenset[str]:
        """Columns of a model's table that the database computes of others."""
        fields = model._meta.local_concrete_fields
        own = {field.column for field in fields if getattr(field, "generated", False)}
        return self._generated.get(model._meta.db_table, frozenset()) | own

    def cascaded(self, model: Any) -> set[str]:
        """See `cascaded`: of all that is known of its table."""
        known = self.models.get(model._meta.db_table, model)
        return {*cascaded(model), *cascaded(known)}


def table_of(option: str, label: str) -> str:
    """The table of a model by its label. Raises `ConfigurationError`, naming the ``option``."""
    try:
        meta: Any = apps.get_model(label)._meta
    except (LookupError, ValueError):
        known = (model._meta.label for model in apps.get_models(include_auto_created=True))
        raise ConfigurationError(f"{option}={label!r}: {unknown(label, known)}") from None
    return str(meta.concrete_model._meta.db_table)


@lru_cache(maxsize=10_000)
def by_value(field: Any) -> bool:
    """Whether values of a column are told apart: integers, booleans, UUIDs, and keys of those."""
    seen = 0
    while isinstance(field, models.ForeignKey) and seen < 10:
        field, seen = field.target_field, seen + 1
    return isinstance(field, _EQUAL) and type(field).__module__.startswith("django.")


@lru_cache(maxsize=10_000)
def columns_of(model: Any) -> frozenset[str]:
    """The columns of a model's own table."""
    return frozenset(field.column for field in model._meta.local_concrete_fields)


@lru_cache(maxsize=10_000)
def key_column(model: Any) -> str:
    """The one column of the key of a model's table; empty if it has several."""
    key = model._meta.pk
    return getattr(key, "column", None) or ""


@lru_cache(maxsize=10_000)
def unique_columns(model: Any) -> tuple[frozenset[str], ...]:
    """Sets of columns whose values no two rows have in common."""
    meta = model._meta
    found = [frozenset({f.column}) for f in meta.local_concrete_fields if f.unique]
    groups = [*meta.unique_together] + [
        constraint.fields
        for constraint in getattr(meta, "total_unique_constraints", ())
        if not getattr(constraint, "deferrable", None)
        and getattr(constraint, "nulls_distinct", None) is None
    ]
    local = set(meta.local_concrete_fields)
    for names in groups:
        fields = [meta.get_field(name) for name in names]
        if all(field in local for field in fields):
            found.append(frozenset(field.column for field in fields))
    return tuple(found)


@lru_cache(maxsize=10_000)
def cascaded(model: Any) -> tuple[str, ...]:
    """Tables whose rows the database itself deletes or changes when a row of ``model`` goes: of
    foreign keys with Django's ``DB_CASCADE`` and its like (6.1)."""
    found: dict[str, None] = {}
    todo, seen = [model], {model}
    while todo:
        for relation in todo.pop()._meta.related_objects:
            kind = type(getattr(relation, "on_delete", None)).__name__
            if kind == "DatabaseOnDelete" and relation.related_model not in seen:
                found[relation.related_model._meta.db_table] = None
                seen.add(relation.related_model)
                todo.append(relation.related_model)
    return tuple(found)
