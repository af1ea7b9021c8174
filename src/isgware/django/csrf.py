"""Django's CSRF tokens in stored pages: found when a page is rendered, made anew when it is served.

In clean rooms tokens are made from a secret that all processes of the deployment share, so that a
token from a fragment cache of the app is recognised. It belongs to no visitor, and is never sent.
Each place gets a token of its visitor's own secret, made by Django's own code, which also sets the
cookie or saves the session.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from time import time
from typing import Any, Final

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections
from django.http import HttpResponse
from django.middleware.csrf import (
    CSRF_ALLOWED_CHARS,
    CSRF_SECRET_LENGTH,
    CSRF_TOKEN_LENGTH,
    CsrfViewMiddleware,
    get_token,
)
from django.middleware.csrf import _unmask_cipher_token as unmasked  # type: ignore[attr-defined]
from django.utils.module_loading import import_string

from ..core.cache_key import Visitor
from ..core.places import BODY, Place, Places
from ..core.tokens import Lines, readable, texts
from ..recording import Recording
from ..rendering.callers import Callers
from ..rendering.recorded_environ import RecordedEnviron
from ..routing.framework import Filled

KIND: Final = "django-csrf"
_SECRET: Final = "CSRF_COOKIE"
_USED: Final = "CSRF_COOKIE_NEEDS_UPDATE"
#: Its `ensure_csrf_cookie` makes a token that is not in the page.
_DECORATORS: Final = "django.views.decorators.csrf"
_TOKEN: Final = re.compile(rb"(?<![A-Za-z0-9])[A-Za-z0-9]{%d}(?![A-Za-z0-9])" % CSRF_TOKEN_LENGTH)
#: Within so many bytes of the name, text of the form of a token is one.
_NEAR: Final = 120
_FIELD: Final = re.compile(rb"<input\s[^>]*csrfmiddlewaretoken[^>]*>", re.IGNORECASE)


def clean_room_secret() -> str:
    """The secret of the deployment's clean rooms, derived from its ``SECRET_KEY``."""
    key = str(settings.SECRET_KEY).encode()
    digest = blake2b(b"isgware clean room csrf", key=blake2b(key).digest()).digest()
    return "".join(CSRF_ALLOWED_CHARS[n % 62] for n in digest[:CSRF_SECRET_LENGTH])


class CleanEnviron(RecordedEnviron):
    """``request.META`` of a clean room. Django records in it that a token was made, to send its
    cookie or write it into the session; here that is only counted."""

    def __init__(self, environ: dict[str, Any], recording: Recording, callers: Callers) -> None:
        super().__init__(environ, recording, callers)
        self.secret = clean_room_secret()
        self.made = 0
        self.ensured = False
        dict.__setitem__(self, _SECRET, self.secret)

    def __setitem__(self, name: str, value: Any) -> None:
        if name != _USED or not value or dict.get(self, _SECRET) != self.secret:
            super().__setitem__(name, value)
            return
        frame: Any = sys._getframe(1).f_back
        if frame is not None and frame.f_globals.get("__name__") == _DECORATORS:
            self.ensured = True
        else:
            self.made += 1

    def places(self, headers: Lines, body: bytes) -> Places | None:
        """Where the response has tokens; ``None`` if it has fewer than were made, or others."""
        places, found = [], set()
        for where, data in texts(headers, body):
            if self.secret.encode() in data:
                return None
            for match in _TOKEN.finditer(data):
                if unmasked(match[0].decode()) == self.secret:
                    found.add(match[0])
                    places.append(Place(where, match.start(), CSRF_TOKEN_LENGTH, KIND, (), True))
                elif _named(match, data):
                    return None
        if len(found) < self.made or any(
            b"value" in field and not any(token in field for token in found)
            for field in _FIELD.findall(body)
        ):
            return None
        if (self.made or found) and not readable(headers):
            return None
        if self.ensured and not places:
            places.append(Place(BODY, 0, 0, KIND, (), True))
        return tuple(places)


def _named(match: re.Match[bytes], data: bytes) -> bool:
    """Whether text of the form of a token is named as one: for example a visitor's, from a fragment
    cache of the app, which would be sent to everybody."""
    around = data[max(match.start() - _NEAR, 0) : match.end() + _NEAR].lower()
    return b"csrf" in around or str(settings.CSRF_COOKIE_NAME).lower().encode() in around


def filled(places: Sequence[Place], visitor: Visitor) -> Filled:
    """A new token for each place, and the headers that Django sends with them."""
    listed, engine = tuple(settings.MIDDLEWARE or ()), settings.SESSION_ENGINE
    csrf = _middleware(CsrfViewMiddleware, listed, engine)
    if type(csrf) is CsrfViewMiddleware and not settings.CSRF_USE_SESSIONS:
        rest = _after_secret(int(time()), *_cookie_settings())
        if rest is not None:
            return _by_cookie(csrf, places, visitor, rest)
    request = WSGIRequest(dict(visitor.headers))
    response = HttpResponse()
    session = None
    if settings.CSRF_USE_SESSIONS:
        session = _middleware(SessionMiddleware, listed, engine)
        session.process_request(request)
    try:
        csrf.process_request(request)
        tokens = [get_token(request) for _ in places]
        response = csrf.process_response(request, response)
        if session is not None:
            response = session.process_response(request, response)
    finally:
        if session is not None:
            close_old_connections()
    cookies = [("Set-Cookie", morsel.OutputString()) for morsel in response.cookies.values()]
    return Filled(_values(places, tokens), cookies)


def _values(places: Sequence[Place], tokens: Sequence[str]) -> list[bytes]:
    return [
        token.encode() if place.length else b""
        for place, token in zip(places, tokens, strict=True)
    ]  # fmt: skip


class _CookieRequest(WSGIRequest):
    """What Django's own CSRF code looks at of a request whose secret is in a cookie. All else of a
    request would cost as much again as its token."""

    def __init__(self, cookies: object) -> None:
        self.environ = self.META = {} if cookies is None else {"HTTP_COOKIE": cookies}


def _by_cookie(
    csrf: CsrfViewMiddleware, places: Sequence[Place], visitor: Visitor, rest: str
) -> Filled:  # fmt: skip
    request = _CookieRequest(visitor.headers.get("HTTP_COOKIE"))
    csrf.process_request(request)
    tokens = [get_token(request) for _ in places]
    line = f"{settings.CSRF_COOKIE_NAME}={request.META[_SECRET]}{rest}"
    return Filled(_values(places, tokens), [("Set-Cookie", line)])


def _cookie_settings() -> tuple[Any, ...]:
    return (
        settings.CSRF_COOKIE_NAME, settings.CSRF_COOKIE_AGE, settings.CSRF_COOKIE_DOMAIN,
        settings.CSRF_COOKIE_PATH, settings.CSRF_COOKIE_SECURE, settings.CSRF_COOKIE_HTTPONLY,
        settings.CSRF_COOKIE_SAMESITE, settings.SECRET_KEY,
    )  # fmt: skip


@lru_cache(maxsize=8)
def _after_secret(second: int, name: str, *configured: object) -> str | None:
    """What follows the secret in the cookie that Django sets in this second, with these settings:
    it is the same for all visitors. ``None`` if the cookie has another form."""
    request = _CookieRequest(None)
    request.META |= {_SECRET: clean_room_secret(), _USED: True}
    response = CsrfViewMiddleware(lambda request: HttpResponse()).process_response(
        request, HttpResponse()
    )
    line = response.cookies[name].OutputString() if name in response.cookies else ""
    start = f"{name}={clean_room_secret()}"
    return line.removeprefix(start) if line.startswith(start) else None


@lru_cache(maxsize=8)
def _middleware(base: type, listed: tuple[str, ...], engine: str) -> Any:
    """The project's own middleware of this kind, or Django's. It looks up the session engine when
    it is made."""
    for path in listed:
        found = import_string(path)
        if isinstance(found, type) and issubclass(found, base):
            base = found
            break
    return base(lambda request: HttpResponse())
