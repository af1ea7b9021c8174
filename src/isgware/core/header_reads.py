"""Which request headers an app looked at while it rendered a page, whatever its Vary says.

An app that allows other sites to read its answers (CORS) looks at ``Origin``, and often says
``Vary: Origin`` only when it answers one; one that speaks several languages looks at
``Accept-Language``. A page whose render looked at a header in `LEARNED` depends on it, also when
the header was absent.

What is learned is the name of a header, or the name and a list, as in ``accept-language=de,en``:
then the page depends on nothing but the best match of the header among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

#: Headers that a page varies by as soon as its render has looked at them, by their CGI names.
LEARNED: Final[Mapping[str, str]] = {
    "HTTP_ACCEPT_LANGUAGE": "accept-language",
    "HTTP_ORIGIN": "origin",
}
#: Longer lists of languages are computed from something: the whole header is learned then.
_MAX_LISTED: Final = 64
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9]{1,8}([_-][A-Za-z0-9]{1,8}){0,3}")


def best_match_of(header: str, values: Iterable[object]) -> str:
    """What to learn where only the best match of ``header`` among ``values`` was asked for: the
    whole header if one of them is no language tag."""
    listed = [value for value in values if isinstance(value, str) and _LANGUAGE.fullmatch(value)]
    if not listed or len(listed) > _MAX_LISTED or listed != list(values):
        return header
    return f"{header}={','.join(listed)}"


def header_of(learned: str) -> str:
    """The name of the header of what was learned."""
    return learned.partition("=")[0]


def keyed_by(learned: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
    """Each header with the list whose best match is keyed; ``None`` for the whole header, also
    where several lists were read: what matches best in one of them says nothing of another."""
    found: dict[str, tuple[str, ...] | None] = {}
    for name in learned:
        header, _, listed = name.partition("=")
        values = tuple(listed.split(",")) if listed else None
        found[header] = values if found.get(header, values) == values else None
    return found


def refined(names: Iterable[str], read: Iterable[str]) -> tuple[str, ...]:
    """The headers ``names``, each with its list if ``read`` has asked for a best match only."""
    lists = keyed_by(read)
    return tuple(
        f"{name}={','.join(values)}" if (values := lists.get(name)) else name for name in names
    )


def outdated(lists: Mapping[str, tuple[str, ...]], read: Iterable[str]) -> frozenset[str]:
    """The headers that were keyed by their best match in one of ``lists``, of which a render has
    asked for something else."""
    asked = keyed_by(read)
    return frozenset(
        name for name, values in lists.items() if name in asked and asked[name] != values
    )
