"""Holes that the browser fills (``client=True``): their elements in a stored page, and the URL at
which the script of `client_script` asks for them.

That URL names the page by its path and query, and its holes by number; what they are is read from
the stored page. A digest of all holes of the page is named, too: a copy that some cache has kept
may have other holes under the same numbers by now, and then nothing is answered.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode

from .cache_key import Request
from .client_script import SCRIPT_PATH
from .places import BODY, HOLE, NONCE, Place, Places, sound_places

#: Where the script asks, below the control endpoint's mount.
ASK_PATH: Final = "/holes"
_NUMBERS: Final = re.compile(r"\d{1,6}(,\d{1,6})*", re.ASCII)
#: What a request line can hold of a query (RFC 3986, section 3.4); servers take more than that,
#: but no space and no fragment.
_QUERY: Final = re.compile(r"[!\"$-~]*")
_END: Final = b"</isg-hole>"
Parts = list[tuple[Place, bytes, Places]]


def digest(holes: Places) -> str:
    """Names the client holes of a page: which there are, and in which order."""
    told = json.dumps([place.arguments for place in holes])
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()


def element(number: int, text: bytes, places: Places) -> tuple[bytes, Places]:
    """The element of a hole around its placeholder ``text``, and the places in it."""
    start = f'<isg-hole n="{number}" aria-live="polite">'.encode()
    return start + text + _END, _moved(places, len(start))


def script(
    request: Request, root: str, holes: Sequence[Place], nonce: Place | None
) -> tuple[bytes, Places]:
    """The element of the script for the page of ``request``, and the place of a nonce in it, if the
    page's policy has one. ``root`` is the control endpoint's mount as browsers see it."""
    path = quote(request.path.encode("latin-1"), safe="/:@!$&'()*+,;=~-._")
    page = f"{path}?{request.query}" if request.query else path
    asks = f"{root}{ASK_PATH}?{urlencode({'page': page, 'of': digest(tuple(holes))})}"
    asks = asks.replace("&", "&amp;")  # all else that HTML has a meaning for is quoted
    start = f'<script src="{root}{SCRIPT_PATH}" data-url="{asks}" defer="defer"'
    if nonce is None:
        return f"{start}></script>".encode(), ()
    start += ' nonce="'
    place = replace(nonce, where=BODY, offset=len(start))
    return f'{start}{"0" * nonce.length}"></script>'.encode(), (place,)


def with_elements(
    parts: Parts, client: Sequence[bool], request: Request, root: str, places: Places
) -> Parts:
    """``parts`` of a page, one for each hole in it, with those that are ``client`` in elements of
    their own, the first with the script behind it. ``root`` is that of `script`, ``places`` are
    the page's."""
    numbers = [index for index, yes in enumerate(client) if yes]
    if not numbers:
        return parts
    made = list(parts)
    for number, index in enumerate(numbers):
        place, text, inside = parts[index]
        made[index] = place, *element(number, text, inside)
    holes = [made[index][0] for index in numbers]
    (place, text, inside), (tag, own) = (
        made[numbers[0]],
        script(request, root, holes, nonce_of(places)),
    )
    made[numbers[0]] = place, text + tag, (*inside, *_moved(own, len(text)))
    return made


def nonce_of(places: Places) -> Place | None:
    """A place of the nonce that the page's own policy names."""
    return next((each for each in places if each.kind == NONCE and each.where != BODY), None)


def sound_client_holes(holes: Places, body: bytes) -> bool:
    """Whether they lie in order within the body."""
    return all(
        place.where == BODY and place.kind == HOLE and len(place.arguments) % 2 for place in holes
    ) and sound_places(holes, body, ())


def _moved(places: Places, by: int) -> Places:
    return tuple(replace(place, offset=place.offset + by) for place in places)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a script asks for. ``path`` and ``query`` are WSGI's native strings."""

    path: str
    query: str
    of: str
    numbers: tuple[int, ...]


def asked(query: str) -> Asked | None:
    """What the query string of such a URL asks for; ``None`` if it is none."""
    try:
        given = dict(parse_qsl(query, encoding="latin-1", max_num_fields=8))
    except ValueError:
        return None
    page, numbers = given.get("page", ""), given.get("holes", "")
    if not page.startswith("/") or not _NUMBERS.fullmatch(numbers):
        return None
    path, _, rest = page.partition("?")
    if not _QUERY.fullmatch(rest):  # it came in an escaped form, which escapes more
        return None
    named = dict.fromkeys(map(int, numbers.split(",")))
    decoded = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
    return Asked(decoded, rest, given.get("of", ""), tuple(named))


def answered(made: Sequence[tuple[int, str]]) -> bytes:
    """What is answered: the text of each hole by its number. A template element holds what an
    element of any other name would not, such as rows of a table, or ends that are missing."""
    parts = [f'<template data-n="{number}">{text}</template>' for number, text in made]
    return ("<!doctype html>\n" + "\n".join(parts)).encode("utf-8", "xmlcharrefreplace")
