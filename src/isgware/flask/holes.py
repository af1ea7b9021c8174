"""Holes in Flask: functions run within the request in progress, and templates get the app's usual
template context. In a run for holes they replace the view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Flask, current_app, has_request_context, render_template, session
from flask import request as flask_request

from ..after_fork import OwnLock
from ..holes import HOLES, HoleRun, Renderer, renderers
from ..page import page
from . import csrf


class FlaskRenderer:
    """Renders in the app and the request of this context."""

    def renders(self, request: Any) -> bool:
        return has_request_context()

    @property
    def debug(self) -> bool:
        return bool(current_app.debug)

    def function(
        self, function: Callable[..., Any], arguments: dict[str, Any], request: Any
    ) -> Any:
        return current_app.ensure_sync(function)(**arguments)

    def template(self, name: str, arguments: dict[str, Any], request: Any) -> Any:
        return render_template(name, **arguments)

    def uncached(self, request: Any) -> None:
        """What Flask-Caching keeps of a view is seen by the calls that lead here."""


RENDERER: Final[Renderer] = FlaskRenderer()
_REPLACED: Final = "isgware.holes"
_replacing: Final = OwnLock()
renderers.insert(0, RENDERER)


def install_holes(app: Flask) -> None:
    """Give templates of ``app`` the global ``hole``."""
    create = app.create_jinja_environment

    def create_jinja_environment() -> Any:
        environment = create()
        environment.globals.setdefault("hole", page.hole)
        return environment

    if "jinja_env" in app.__dict__:  # it was used already
        app.jinja_env.globals.setdefault("hole", page.hole)
    app.create_jinja_environment = create_jinja_environment  # type: ignore[method-assign]


def replace_view(app: Flask) -> None:
    """From the first run for holes on: such runs make the holes, and the tokens of the page, in
    place of the view."""
    if _REPLACED in app.extensions:
        return
    dispatch = app.dispatch_request

    def dispatch_request(*given: Any) -> Any:
        run = flask_request.environ.get(HOLES)
        if not isinstance(run, HoleRun):
            return dispatch(*given)
        run.make(RENDERER, None, lambda kind, places: csrf.made(app, places, session))
        response = app.response_class()
        response.headers["Cache-Control"] = "no-store"
        return response

    with _replacing():
        if _REPLACED not in app.extensions:
            app.dispatch_request = dispatch_request  # type: ignore[method-assign]
            app.extensions[_REPLACED] = True  # last: from here on other threads look no further
