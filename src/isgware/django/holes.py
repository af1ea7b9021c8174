"""Holes in Django: functions get the request first, templates are rendered with it; in a run for
holes they take the place of the view, behind all middleware.

Importing this module hooks into ``BaseHandler.get_response``, which knows the request, and into
``resolve_request``, when all middleware has seen it and the view is known, but not called yet.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Final

from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.urls import ResolverMatch

from ..core.places import Place
from ..holes import HOLES, HoleRun, Renderer, renderers

#: The request in progress, for `page.hole` in Python.
_request: Final[ContextVar[Any]] = ContextVar("isgware_request", default=None)
#: What tells an asynchronous view, which the one in its place is not.
_ASYNC: Final = ("_is_coroutine", "_is_coroutine_mark", "_is_coroutine_marker")


def _current(request: Any) -> Any:
    return _request.get() if request is None else request


class DjangoRenderer:
    """Renders for a Django request: the one given, or the one in progress."""

    def renders(self, request: Any) -> bool:
        return isinstance(_current(request), HttpRequest)

    @property
    def debug(self) -> bool:
        return bool(settings.DEBUG)

    def function(
        self, function: Callable[..., Any], arguments: dict[str, Any], request: Any
    ) -> Any:
        return _synchronous(function)(_current(request), **arguments)

    def template(self, name: str, arguments: dict[str, Any], request: Any) -> Any:
        return render_to_string(name, arguments, _current(request))

    def uncached(self, request: Any) -> None:
        """As ``UpdateCacheMiddleware`` asks for."""
        _current(request)._cache_update_cache = False


@functools.lru_cache(maxsize=1_024)
def _synchronous(function: Callable[..., Any]) -> Callable[..., Any]:
    return async_to_sync(function) if inspect.iscoroutinefunction(function) else function


RENDERER: Final[Renderer] = DjangoRenderer()
renderers.append(RENDERER)


def _known(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def get_response(handler: Any, request: Any) -> Any:
        token = _request.set(request)
        try:
            return original(handler, request)
        finally:
            _request.reset(token)

    return get_response


def _hook(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def resolve_request(handler: Any, request: Any) -> Any:
        run = getattr(request, "environ", {}).get(HOLES)
        if not isinstance(run, HoleRun):
            return original(handler, request)
        try:
            match = original(handler, request)
        except Http404:  # so it was when the page was rendered
            match = ResolverMatch(lambda request: None, (), {})
            request.resolver_match = match
        return _in_place_of(match.func), match.args, match.kwargs

    return resolve_request


def _in_place_of(original: Any) -> Callable[..., Any]:
    """A view that makes the holes. Middleware that looks at a view finds what the other has."""
    try:
        return _known_in_place_of(original)
    except TypeError:  # a callable without a hash
        return _made_in_place_of(original)


def _made_in_place_of(original: Any) -> Callable[..., Any]:
    @functools.wraps(original)
    def view(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        run: HoleRun = request.environ[HOLES]
        RENDERER.uncached(request)
        run.make(RENDERER, request, lambda kind, places: _tokens(request, places))
        return HttpResponse(headers={"Cache-Control": "no-store"})

    for name in _ASYNC:
        view.__dict__.pop(name, None)
    return view


_known_in_place_of: Final = functools.lru_cache(maxsize=1_024)(_made_in_place_of)


def _tokens(request: Any, places: Sequence[Place]) -> list[bytes]:
    return [get_token(request).encode() if place.length else b"" for place in places]


BaseHandler.get_response = _known(BaseHandler.get_response)  # type: ignore[method-assign]
BaseHandler.resolve_request = _hook(BaseHandler.resolve_request)  # type: ignore[method-assign]
