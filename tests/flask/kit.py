"""Flask apps as people write them, rendered in the clean room with what they read noted."""

from __future__ import annotations

from typing import Any

from flask import Flask

from isgware.core.cache_key import Request
from isgware.core.storable import Response
from isgware.flask.recorder import install
from isgware.recording import Recording
from isgware.render_context import Rendering
from isgware.rendering.clean_room import render


def app_of(**config: Any) -> Flask:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="s" * 16, **config)
    return app


def rendered(app: Flask, path: str = "/", **cookies: str) -> tuple[Response, Recording]:
    """What a clean-room render of ``path`` answers, and what it was seen to ask."""
    if "request_context" not in vars(app):
        install(app)
    recording = Recording()
    request = Request("http", "localhost", "", path, cookies=tuple(cookies.items()))
    response = render(app.wsgi_app, request, Rendering(True, recording=recording), 1 << 20)
    assert isinstance(response, Response), response
    return response, recording


def names(recording: Recording, kind: str) -> set[str]:
    return {name for found, name in recording.reads if found == kind}
