"""Values of fields: as questions ask for them, and whether a column keeps the one that it has.

What a field of the app's own shows may stand for several values that the database tells apart, and
so may a ``JSONField``: ``None`` is JSON's null and that of SQL.
"""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from functools import lru_cache
from typing import Any, Final

from django.db.models import Field, FileField, ForeignKey, GenericIPAddressField

#: Values of these types that are equal are stored alike.
_PLAIN: Final = (
    str, int, bool, bytes, float, datetime.date, datetime.time, datetime.datetime,
    datetime.timedelta, decimal.Decimal, uuid.UUID, type(None),
)  # fmt: skip


def prepared(field: Any, value: Any) -> Any:
    """A value as a question asks for it; what cannot be is not known."""
    if hasattr(value, "prepare_database_save"):
        value = value.prepare_database_save(field)
    try:
        return field.get_prep_value(value)
    except (TypeError, ValueError):
        return object()


@lru_cache(maxsize=10_000)
def is_converted(field: Any) -> bool:
    """Whether a field, or the one that a foreign key refers to, makes something else of what the
    database holds."""
    return hasattr(_referred(field), "from_db_value")


@lru_cache(maxsize=10_000)
def compared_raw(field: Any) -> bool:
    """Whether only what the database itself holds tells if a column keeps its value."""
    kind = type(_referred(field))
    return is_converted(field) or any(
        not getattr(getattr(kind, name), "__module__", "").startswith("django.")
        for name in ("get_db_prep_value", "get_db_prep_save")
    )


@lru_cache(maxsize=10_000)
def _prepares(field: Any) -> bool:
    """Whether what is stored may be another value than the one that is given."""
    kind = type(_referred(field))
    return issubclass(kind, FileField | GenericIPAddressField) or not kind.__module__.startswith(
        "django."
    )


def _referred(field: Any) -> Field[Any, Any]:
    seen = 0
    while isinstance(field, ForeignKey) and seen < 10:
        field, seen = field.target_field, seen + 1
    return field  # type: ignore[no-any-return]


def is_same(field: Any, old: Any, value: Any, connection: Any) -> bool:
    """Whether a column stays as it is; where in doubt, it does not. ``old`` comes as the database
    holds it if the field is to be `compared_raw`, and as it is loaded otherwise."""
    if hasattr(value, "prepare_database_save"):
        value = value.prepare_database_save(field)
    try:
        if compared_raw(field):
            return _alike(field, *_texts(old, field.get_db_prep_save(value, connection=connection)))
        new = field.get_prep_value(value) if _prepares(field) else field.to_python(value)
        return _alike(field, old, new)
    except Exception:
        return False


def _texts(old: Any, new: Any) -> tuple[Any, Any]:
    """What psycopg takes for JSON, as PostgreSQL gives it: ``jsonb`` keeps neither order nor
    spaces."""
    if not (isinstance(old, str) and hasattr(new, "obj") and callable(getattr(new, "dumps", None))):
        return old, new
    one, other = (
        json.dumps(json.loads(text), sort_keys=True) for text in (old, new.dumps(new.obj))
    )
    return one, other


def _alike(field: Any, old: Any, new: Any) -> bool:
    if not isinstance(old, _PLAIN) or type(old) is not type(new):
        return isinstance(old, datetime.datetime) and bool(old == new)
    if isinstance(old, datetime.datetime) or getattr(field, "decimal_places", None) is not None:
        return bool(old == new)  # of several time zones, or of one scale: they are shown alike
    return repr(old) == repr(new)
