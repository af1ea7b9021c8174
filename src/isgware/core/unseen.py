"""Notes of what a render looked at and no change tells of: the time, caches of the
app's, and functions of the database.

They are kept with the texts of what its page depends on, for people alone.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any, Final

#: Notes of one page; further ones would say nothing new.
MAX_NOTES: Final = 10
#: A note among the texts of dependencies begins with it.
MARK: Final = "! "
#: Seconds between an app's look at its clock and ours.
_NEAR: Final = 10.0
_DAY: Final = 86_400.0
_MIDNIGHT: Final = datetime.time()


def near(value: Any, now: float) -> bool:
    """Whether a value is a date or a time that was most likely made of the time of the render:
    today, now, midnight of today, or a whole number of hours from now to the microsecond."""
    if not isinstance(value, datetime.date):
        return False
    here = datetime.datetime.fromtimestamp(now)
    utc = datetime.datetime.fromtimestamp(now, datetime.UTC)
    if not isinstance(value, datetime.datetime):
        return any(abs((value - today).days) <= 1 for today in (here.date(), utc.date()))
    apart = (value.timestamp() - now, value.replace(tzinfo=datetime.UTC).timestamp() - now)
    if value.timetz().replace(tzinfo=None) == _MIDNIGHT:
        return min(map(abs, apart)) < _DAY
    if value.microsecond:
        apart = tuple(min(seconds % 3600, -seconds % 3600) for seconds in apart)  # type: ignore[assignment]
    return min(map(abs, apart)) < _NEAR


def compared(column: str, place: str) -> str:
    """That a column was compared with the time. ``place``: in the app's code."""
    return (
        f"its answer changes with time: {column} was compared with the time of the render "
        f"({place}), so the page needs revalidate seconds"
    )


def cached(alias: str, place: str) -> str:
    return f"it read the cache {alias!r} ({place}): what came out of it may be older"


def called(function: str, place: str) -> str:
    """That a function of the database was called which may read more than its arguments."""
    return f"it calls {function}() of the database ({place}): which tables that reads is not known"


def without_notes(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if not line.startswith(MARK)]


def notes_in(lines: Iterable[str]) -> list[str]:
    return [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]
