"""``Set-Cookie`` fields that delete a cookie (RFC 6265, sections 4.1.2 and 5.3).

A page that deletes a cookie is stored without the field, for visitors who do not send the cookie.
Visitors who send it get the app's own answer.
"""

from __future__ import annotations

from werkzeug.http import parse_date

from ..http.fields import Headers


def without_deletions(headers: Headers, now: float) -> tuple[Headers, tuple[str, ...]]:
    """The headers without the fields that delete a cookie, and the names of those cookies."""
    kept, names = [], []
    for name, value in headers:
        if name.lower() == "set-cookie" and _deletes(value, now):
            names.append(value.partition("=")[0].strip())
        else:
            kept.append((name, value))
    return tuple(kept), tuple(names)


def _deletes(field: str, now: float) -> bool:
    """Max-Age takes precedence over Expires; the last of several attributes of one name counts."""
    pair, *rest = field.split(";")
    if "=" not in pair:
        return False
    attributes = {}
    for part in rest:
        name, _, value = part.partition("=")
        attributes[name.strip().lower()] = value.strip()
    age = attributes.get("max-age", "")
    if age.removeprefix("-").isdigit():
        return int(age) <= 0
    expires = parse_date(attributes.get("expires"))
    return expires is not None and expires.timestamp() <= now
