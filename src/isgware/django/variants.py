"""What a function of a Django project says of a visitor, asked outside of any view."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections
from django.http import HttpResponse
from django.utils.module_loading import import_string

from ..core.cache_key import Visitor

#: Modules of the middleware that gives a request what functions ask it for. A project that does
#: not use them may not be able to import them.
_NEEDED: Final = {"django.contrib.auth.middleware", "django.contrib.sessions.middleware"}


def asked(function: Callable[..., Any], visitor: Visitor) -> object:
    """What ``function`` returns for the visitor's own request, without its body, with session and
    user as the project's middleware gives them."""
    request: Any = WSGIRequest({
        "HTTP_HOST": visitor.host,
        **_plain(visitor),
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": visitor.script_name,
        "PATH_INFO": visitor.path,
        "QUERY_STRING": visitor.query,
        "wsgi.url_scheme": visitor.scheme,
        "wsgi.input": io.BytesIO(),
    })  # fmt: skip
    close_old_connections()
    try:
        for name in settings.MIDDLEWARE:
            kind: Any = import_string(name)
            bases = kind.__mro__ if isinstance(kind, type) else ()
            if any(
                base.__module__ in _NEEDED and hasattr(base, "process_request") for base in bases
            ):
                kind(lambda request: HttpResponse()).process_request(request)
        return function(request)
    finally:
        close_old_connections()


def _plain(visitor: Visitor) -> dict[str, Any]:
    kept = ("REMOTE_ADDR", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL")
    return {
        name: value
        for name, value in visitor.headers.items()
        if name in kept or name.startswith("HTTP_")
    }
