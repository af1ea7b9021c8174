"""Flask-WTF's CSRF tokens in stored pages: found when a page is rendered, made anew when served.

Flask-WTF keeps a random value in the session and signs it for each page. What a clean room's
session was given is known; it is found by what it looks like when signed, and checked against the
app's key. Each visitor gets a token of what their own session holds, and their session is saved as
after any view that makes a token.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from typing import Any, Final

from flask import Flask
from itsdangerous import BadData, URLSafeSerializer, URLSafeTimedSerializer

from ..core.cache_key import Visitor
from ..core.places import Place, Places
from ..core.tokens import Lines, readable, texts
from ..recording import Recording
from ..routing.framework import Filled

KIND: Final = "wtf-csrf"
_SALT: Final = "wtf-csrf-token"
#: Makes what every token starts with that Flask-WTF signs of what the session holds.
_PAYLOAD: Final = URLSafeSerializer("")
#: Behind that: a time and a signature.
_SIGNED: Final = rb"\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"


def _signer(app: Flask) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        app.config.get("WTF_CSRF_SECRET_KEY", app.secret_key) or "", salt=_SALT
    )


def find(app: Flask, recording: Recording, headers: Lines, body: bytes) -> Places | None:
    """Where the response has tokens of the clean room; ``None`` if they cannot be told."""
    made = dict(recording.tokens)
    if made and not readable(headers):
        return None
    places: list[Place] = []
    for where, data in texts(headers, body):
        for field, value in made.items():
            found = _tokens_of(app, field, value, where, data)
            if found is None:
                return None
            places += found
    name = re.escape(str(app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token")).encode())
    fields = re.compile(rb"<input\s[^>]*name=[\"']?(?:[\w-]*-)?" + name + rb"[\"'\s>][^>]*", re.I)
    ours = {body[place.offset : place.end] for place in places if place.where < 0}
    for element in fields.findall(body):
        if re.search(rb"value=[\"']?[^\"'\s>]", element) and not any(
            token in element for token in ours
        ):
            return None
    return tuple(sorted(places))


def _tokens_of(
    app: Flask, field: str, value: Any, where: int, data: bytes
) -> list[Place] | None:  # fmt: skip
    payload = _PAYLOAD.dump_payload(value)
    if str(value).encode() in data:
        return None
    found = []
    for match in re.finditer(re.escape(payload) + _SIGNED, data):
        try:
            _signer(app).loads(match[0])
        except BadData:  # a form with a key of its own
            return None
        place = Place(where, match.start(), len(match[0]), KIND, (field,), True)
        found.append(place)
    return found if data.count(payload) == len(found) else None


def filled(app: Flask, places: Sequence[Place], visitor: Visitor) -> Filled | None:
    """A token for each place, and the headers with which the visitor's session is saved. In an app
    context: a request's would run the app's hooks when it ends."""
    with app.app_context():
        interface = app.session_interface
        session = interface.open_session(app, app.request_class(dict(visitor.headers)))
        if session is None or interface.is_null_session(session):
            return None
        tokens = made(app, places, session)
        response = app.response_class()
        interface.save_session(app, session, response)
        saved = [("Set-Cookie", line) for line in response.headers.getlist("Set-Cookie")]
    return Filled(tokens, saved)


def made(app: Flask, places: Sequence[Place], session: Any) -> list[bytes]:
    """A token of this session for each place, as Flask-WTF itself would make it."""
    signer, tokens = _signer(app), {}
    for field in {str(place.arguments[0]) for place in places}:
        if field not in session:
            session[field] = hashlib.sha1(os.urandom(64)).hexdigest()
        token = signer.dumps(session[field])
        tokens[field] = token.encode() if isinstance(token, str) else token
    return [tokens[str(place.arguments[0])] for place in places]
