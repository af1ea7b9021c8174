"""``request.accept_languages`` in a clean room: if only the best match is read, as flask-babel's
usual selector does, the page depends on that and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from flask import Request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header
from werkzeug.sansio.request import Request as SansIORequest

from ..core.header_reads import best_match_of

_HEADER: Final = "accept-language"


class Languages(LanguageAccept):
    """The languages of a request; ``note`` is told what is asked of them. As a list it is empty:
    what C code takes from it without asking is what a visitor without the header has."""

    def __init__(self, languages: LanguageAccept, note: Callable[[str], None]) -> None:
        self._languages = languages
        self._note = note

    def best_match(self, matches: Iterable[str], default: str | None = None) -> str | None:  # type: ignore[override]
        listed = list(matches)
        self._note(best_match_of(_HEADER, listed))
        return self._languages.best_match(listed, default)  # type: ignore[arg-type]

    def whole(self) -> LanguageAccept:
        """All of them, for whoever asks in another way."""
        self._note(_HEADER)
        return self._languages


def _asked(name: str) -> Callable[..., Any]:
    def ask(languages: Languages, *given: Any, **named: Any) -> Any:
        return getattr(languages.whole(), name)(*given, **named)

    return ask


for _name in (
    "__contains__", "__eq__", "__ne__", "__getitem__", "__iter__", "__len__",
    "__repr__", "__reversed__", "__str__", "copy", "count", "find", "index", "quality",
    "to_header", "values",
):  # fmt: skip
    setattr(Languages, _name, _asked(_name))


def _attribute(name: str) -> property:
    return property(lambda languages: getattr(languages.whole(), name))


for _name in ("best", "provided"):
    setattr(Languages, _name, _attribute(_name))


def watch(request: Request, sent: str | None, note: Callable[[str], None]) -> None:
    """Have ``note`` told of what is asked of a request's languages, unless the app's own class of
    requests finds them in its own way. ``sent`` is the header."""
    if type(request).accept_languages is SansIORequest.accept_languages:
        found = parse_accept_header(sent, LanguageAccept)
        request.__dict__["accept_languages"] = Languages(found, note)
