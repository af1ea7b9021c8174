"""Which request headers an app read while it rendered a page, whatever its Vary lists.

An app that allows other sites to read its answers (CORS) reads ``Origin``, and often sends ``Vary:
Origin`` only when the request has one. An app in several languages reads ``Accept-Language``. A
page whose render read a header in `LEARNED` depends on it, also when the header was absent.

A learned dependency is the name of a header, or the name and a list, as in
``accept-language=de,en``: then the page depends only on which of the list matches the header best.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

#: Headers that a page varies by as soon as its render has read them, by their CGI names.
LEARNED: Final[Mapping[str, str]] = {
    "HTTP_ACCEPT_LANGUAGE": "accept-language",
    "HTTP_ORIGIN": "origin",
}
#: Longer lists of languages are computed from something else: then the whole header is learned.
_MAX_LISTED: Final = 64
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9]{1,8}([_-][A-Za-z0-9]{1,8}){0,3}")


def best_match_of(header: str, values: Iterable[object]) -> str:
    """What to learn if only the best match of ``header`` among ``values`` was read. The whole
    header if one of them is not a language tag."""
    listed = [value for value in values if isinstance(value, str) and _LANGUAGE.fullmatch(value)]
    if not listed or len(listed) > _MAX_LISTED or listed != list(values):
        return header
    return f"{header}={','.join(listed)}"


def header_of(learned: str) -> str:
    """The name of the header of a learned dependency."""
    return learned.partition("=")[0]


def keyed_by(learned: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
    """Each header with the list whose best match is keyed; ``None`` for the whole header. It is the
    whole header also if several lists were read: the best match in one list does not determine the
    best match in another."""
    found: dict[str, tuple[str, ...] | None] = {}
    for name in learned:
        header, _, listed = name.partition("=")
        values = tuple(listed.split(",")) if listed else None
        found[header] = values if found.get(header, values) == values else None
    return found


def refined(names: Iterable[str], read: Iterable[str]) -> tuple[str, ...]:
    """The headers ``names``, each with its list if only the best match in it was ``read``."""
    lists = keyed_by(read)
    return tuple(
        f"{name}={','.join(values)}" if (values := lists.get(name)) else name for name in names
    )


def outdated(lists: Mapping[str, tuple[str, ...]], read: Iterable[str]) -> frozenset[str]:
    """The headers that are keyed by their best match in one of ``lists``, and of which a render has
    read something else."""
    asked = keyed_by(read)
    return frozenset(
        name for name, values in lists.items() if name in asked and asked[name] != values
    )
