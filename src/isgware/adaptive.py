"""`Adaptive`: a lifetime that each page finds for itself."""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import dataclass
from typing import Any, Final

from .errors import ConfigurationError

_WRITTEN: Final = re.compile(r"Adaptive\(\s*([0-9.]+)\s*,\s*([0-9.]+)\s*\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, repr=False)
class Adaptive:
    """Seconds fresh, between ``low`` and ``high``, for each page by how often it changes:
    ``@revalidate(Adaptive(10, 3600))``.

    A page begins with ``low``. When its time is up and the render finds it unchanged (status,
    headers but for dates and validators, and body), the interval doubles; when it has changed, the
    interval is halved. Renders that fail, that are refused, or that somebody asked for before the
    time was up leave it as it is. It is stored with the page.

    Both are numbers of seconds, or `timedelta`. Raises `ConfigurationError` for what is not
    positive, and where ``low`` is more than ``high``.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, _seconds(name, getattr(self, name)))
        if self.low > self.high:
            raise ConfigurationError(
                f"{self!r}: low is more than high; give the shorter interval first."
            )

    def __repr__(self) -> str:
        return f"Adaptive({self.low:g}, {self.high:g})"

    def within(self, interval: float | None) -> float:
        """The interval of a page that had this one so far; ``None`` if it had none."""
        return self.low if interval is None else min(max(interval, self.low), self.high)

    def after(self, interval: float | None, unchanged: bool) -> float:
        """The next interval of a page, after a render for which its time was up."""
        if interval is None:
            return self.low
        return self.within(interval * 2 if unchanged else interval / 2)


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, datetime.timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigurationError(f"Adaptive: {name}={value!r} is not a number of seconds.")
    if value <= 0:
        raise ConfigurationError(f"Adaptive: {name}={value!r}; give more than 0 seconds.")
    return value


def written(text: str) -> Adaptive | None:
    """What ``Adaptive(10, 3600)`` means as text, in a variable of the environment; ``None`` for
    any other text."""
    found = _WRITTEN.fullmatch(text.strip())
    try:
        return Adaptive(float(found[1]), float(found[2])) if found else None
    except ValueError:
        return None


def shortest(revalidate: Any) -> Any:
    """A lifetime as a number (or ``False``, ``None``): of an adaptive one the lower bound."""
    return revalidate.low if isinstance(revalidate, Adaptive) else revalidate


def longest(revalidate: Any) -> Any:
    """The same, with the upper bound."""
    return revalidate.high if isinstance(revalidate, Adaptive) else revalidate
