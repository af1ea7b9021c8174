"""Flask-WTF's CSRF tokens in stored pages: found when a page is rendered, made anew when served.

Flask-WTF stores a random value in the session and signs it for each page. All clean rooms of a
deployment have the same value, so that a token from a fragment cache of the app is recognised. It
is found by the form of a signed value, and checked against the app's key. Each visitor gets a token
for the value in their own session, which is saved as after any view that makes one.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
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
#: Makes the common beginning of all tokens that Flask-WTF signs for one session value.
_PAYLOAD: Final = URLSafeSerializer("")
#: After it: a time and a signature.
_SIGNED: Final = rb"\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
#: The form of a signed value: SHA-1 in hexadecimal digits, as JSON.
_ANY: Final = re.compile(rb"(?<![A-Za-z0-9_-])I[A-Za-z0-9_-]{55}" + _SIGNED)


def _signer(app: Flask) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        app.config.get("WTF_CSRF_SECRET_KEY", app.secret_key) or "", salt=_SALT
    )


def clean_room_value(app: Flask) -> str:
    """The value in the session of all clean rooms of the deployment, of Flask-WTF's length."""
    key = hashlib.blake2b(str(app.secret_key).encode()).digest()
    return hashlib.blake2b(b"isgware clean room csrf", digest_size=20, key=key).hexdigest()


def find(app: Flask, recording: Recording, headers: Lines, body: bytes) -> Places | None:
    """Where the response has tokens of the clean room; ``None`` if they cannot be identified, or if
    a token of another session is among them."""
    if not readable(headers):
        return None if recording.tokens else ()
    name = _field(app)
    made = {name: clean_room_value(app), **recording.tokens}
    places: list[Place] = []
    for where, data in texts(headers, body):
        if _has_foreign(app, made, data):
            return None
        for field, value in made.items():
            found = _tokens_of(app, field, value, where, data)
            if found is None:
                return None
            places += found
    return None if _unknown_in_form(name, places, body) else tuple(sorted(places))


def _field(app: Flask) -> str:
    return str(app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token"))


def _has_foreign(app: Flask, made: Mapping[str, Any], data: bytes) -> bool:
    """Whether there is a token that the app has signed for another session: a visitor's, from a
    cache inside the app."""
    for match in _ANY.finditer(data):
        try:
            if _signer(app).loads(match[0]) not in made.values():
                return True
        except BadData:  # nothing of this app's, or what `_tokens_of` tells
            continue
    return False


def _unknown_in_form(name: str, places: Sequence[Place], body: bytes) -> bool:
    """Whether a form has an unknown token."""
    name_in = re.escape(name.encode())
    fields = re.compile(
        rb"<input\s[^>]*name=[\"']?(?:[\w-]*-)?" + name_in + rb"[\"'\s>][^>]*", re.I
    )
    ours = {body[place.offset : place.end] for place in places if place.where < 0}
    return any(
        re.search(rb"value=[\"']?[^\"'\s>]", element)
        and not any(token in element for token in ours)
        for element in fields.findall(body)
    )


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
    """A token for each place, and the headers that save the visitor's session. In an app context:
    that of a request would run the app's hooks at its end."""
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
