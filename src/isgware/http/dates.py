"""HTTP dates, parsed strictly (RFC 9110, section 5.6.7).

With a lenient parser, a response whose Expires is no date would become fresh. The two obsolete
forms are accepted, since recipients must accept them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})"
_DAY = r"(?:mon|tue|wed|thu|fri|sat|sun)"
_LONG_DAY = r"(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_FORMS: Final = tuple(
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        rf"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        rf"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        rf"{_DAY} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)


def http_date(text: str, now: float) -> float | None:
    """Seconds since the epoch, or ``None`` if it is no HTTP date.

    Names are case-insensitive, as RFC 9111, section 4.2 asks of caches. ``now`` decides the century
    of a two-digit year: at most 50 years ahead.
    """
    found = next((match for form in _FORMS if (match := form.fullmatch(text.strip()))), None)
    if found is None:
        return None
    second = min(int(found["second"]), 59)  # a leap second
    try:
        return datetime(
            _year(found["year"], now), _MONTHS[found["month"].lower()], int(found["day"]),
            int(found["hour"]), int(found["minute"]), second, tzinfo=UTC,
        ).timestamp()  # fmt: skip
    except (ValueError, OverflowError, OSError):  # the latter if `now` is beyond all dates
        return None


def _year(digits: str, now: float) -> int:
    if len(digits) != 2:
        return int(digits)
    this_year = datetime.fromtimestamp(now, UTC).year
    year = int(digits) + this_year - this_year % 100
    return year - 100 if year > this_year + 50 else year
