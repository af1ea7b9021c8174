"""What isgware needs to know of a Flask app: its URL map, its view functions, and its sessions."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from flask import Flask
from flask.ctx import RequestContext
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import MapAdapter

from ..core.cache_key import Visitor, decoded
from ..core.places import Place
from ..errors import ConfigurationError
from ..policy import policy_of
from ..render_context import current
from ..revalidate_decorator import wrapped_by_revalidate
from ..routing.framework import Filled, Match, Route, Site, built, redirect_of
from ..routing.inner_caches import module_of, wrappers
from . import csrf
from .matched import Found, Matched, only_werkzeugs_converters, prepare
from .recorder import BOOKKEEPING

#: Hosts whose adapters are kept: any visitor can name another.
_MAX_ADAPTERS: Final = 64
_MATCHED: Final = "flask-rule"


class FlaskSite(Site):
    """Answers from an app's URL map and view functions."""

    not_found = NotFound
    has_url_map = True
    records = True

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._checked = False
        self._adapters: dict[tuple[str, ...], MapAdapter] = {}
        self._own_converters = False

    def fill(self, kind: str, places: Sequence[Place], visitor: Visitor) -> Filled | None:
        if kind == csrf.KIND:
            return csrf.filled(self._app, places, visitor)
        return super().fill(kind, places, visitor)

    def match(self, visitor: Visitor) -> Match | None:
        if not self._checked:
            self.check()
        found = self._matched(visitor)
        if found is None:
            return None
        rule, arguments = found
        view = self._app.view_functions.get(rule.endpoint)
        policy = policy_of(view) if view is not None else None
        if policy is None:
            return None
        return Match(rule.endpoint, policy, arguments, policy.fingerprint)

    def _matched(self, visitor: Visitor) -> Found | None:
        """What the URL map has for a GET of this URL, looked up once a request."""
        known = visitor.memo.get(_MATCHED)
        if known is not None and known.path == visitor.path:
            found: Found | None = known.found
            return found
        path, adapter = decoded(visitor.path), None
        try:
            adapter = self._adapter(visitor)
            found = None if adapter is None else adapter.match(path, return_rule=True)
        except (HTTPException, ValueError):
            found = None
        visitor.memo[_MATCHED] = Matched(visitor.path, path, adapter, found)
        return found

    def hand_over(self, context: RequestContext) -> None:
        """Spare Flask the look into its URL map for the visitor's own request that is under way, if
        isgware has just looked for the very same."""
        rendering = current.get()
        if rendering is None or rendering.environ is not context.request.environ:
            return
        known = rendering.memo.get(_MATCHED)
        if known is not None and known.found is not None and self._own_converters:
            prepare(context.url_adapter, known)

    def endpoint(self, visitor: Visitor) -> str | None:
        if visitor.method == "GET" and (found := self._matched(visitor)) is not None:
            return str(found[0].endpoint)
        adapter = self._adapter(visitor)
        if adapter is None:
            return None
        path = decoded(visitor.path)
        try:
            return str(adapter.match(path, method=visitor.method)[0])
        except MethodNotAllowed as error:
            return str(adapter.match(path, method=next(iter(error.valid_methods or ())))[0])
        except (HTTPException, ValueError):
            return None

    def redirects_to(self, visitor: Visitor) -> str | None:
        adapter = self._adapter(visitor)
        if adapter is None:
            return None
        return redirect_of(adapter, visitor, visitor.script_name)

    def _adapter(self, visitor: Visitor) -> MapAdapter | None:
        """What finds the route of a path. To make one takes longer than to use it, and Flask's own
        differ by what is before the path alone."""
        app, at = self._app, (visitor.scheme, visitor.host, visitor.script_name)
        found = self._adapters.get(at)
        if found is None:
            found = app.create_url_adapter(app.request_class(_get(visitor)))
            own = getattr(app.create_url_adapter, "__func__", None) is Flask.create_url_adapter
            if found is not None and own:
                if len(self._adapters) >= _MAX_ADAPTERS:
                    self._adapters.clear()
                self._adapters[at] = found
        return found

    def check(self) -> None:
        """Raise `ConfigurationError` for what cannot work, once all routes are known."""
        views = self._app.view_functions
        self._own_converters = only_werkzeugs_converters(self._app.url_map)
        for rule in self._app.url_map.iter_rules():
            view = views.get(rule.endpoint)
            policy = policy_of(view) if view is not None else None
            if policy is not None:
                try:
                    policy.check_arguments(rule.arguments)
                except ConfigurationError as error:
                    raise ConfigurationError(f"{rule.rule}: {error}") from None
            elif view is not None and wrapped_by_revalidate(view):
                raise ConfigurationError(
                    f"@revalidate on {rule.endpoint!r} stands above @app.route, where Flask does "
                    "not see it; put it below, next to the function."
                )
        self._checked = True

    def mode(self) -> str:
        if self._app.testing:
            return "off"
        return "develop" if self._app.debug else "on"

    def routes(self) -> Iterator[Route]:
        self.check()
        for rule in self._app.url_map.iter_rules():
            if rule.build_only or rule.websocket or rule.redirect_to is not None:
                continue
            view = self._app.view_functions.get(rule.endpoint)
            yield Route(
                rule.endpoint,
                rule.rule,
                frozenset(rule.arguments - set(rule.defaults or ())),
                policy_of(view) if view is not None else None,
                frozenset(rule.methods or ()),
                view,
            )

    def inner_cache(self, view: Any) -> str:
        caches = self._app.extensions.get("cache")
        found = any(module_of(each) == "flask_caching" for each in wrappers(view))
        if not found or not isinstance(caches, dict):
            return ""
        kept = any(type(cache).__name__ != "NullCache" for cache in caches.values())
        return "Flask-Caching" if kept else ""

    def urls(self, route: str, arguments: Mapping[str, Any]) -> Sequence[str]:
        """As ``url_for`` does, defaults included, but without a request."""
        values = dict(arguments)
        self._app.inject_url_defaults(route, values)
        host = self._app.config["SERVER_NAME"] or "localhost"
        return [built(self._app.url_map.bind(host).build, route, values)]

    def secret(self) -> str:
        return str(self._app.secret_key or "")

    def context(self) -> AbstractContextManager[object]:
        return self._app.app_context()

    @property
    def session_cookie(self) -> str:
        return str(self._app.session_interface.get_cookie_name(self._app))

    @property
    def cookie_session(self) -> str:
        interface: Any = self._app.session_interface
        own = type(interface) is SecureCookieSessionInterface
        if not own or interface.session_class is not SecureCookieSession:
            return ""
        return self.session_cookie

    @property
    def session_bookkeeping(self) -> frozenset[str]:
        return BOOKKEEPING | {self._app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token")}

    def session(self, visitor: Visitor) -> dict[str, Any]:
        """Opened in an app context, whose teardown closes connections, and not in a request's,
        which would run the app's hooks for requests."""
        app = self._app
        with app.app_context():
            session = app.session_interface.open_session(app, app.request_class(_own(visitor)))
            return {str(name): value for name, value in (session or {}).items()}

    def ask(self, function: Callable[..., Any], visitor: Visitor) -> object:
        """Called in a context of its own, so that what it leaves in ``g`` is nobody else's."""
        with self._app.app_context(), self._app.request_context(_own(visitor)):
            return function()

    @property
    def script_name(self) -> str:
        return str(self._app.config["APPLICATION_ROOT"]).rstrip("/")


def _own(visitor: Visitor) -> dict[str, Any]:
    """A visitor's own request without its body."""
    kept = {
        name: value
        for name, value in visitor.headers.items()
        if name[:5] == "HTTP_" or name == "REMOTE_ADDR"
    }
    return {**kept, **_get(visitor), "wsgi.input": io.BytesIO()}


def _get(visitor: Visitor) -> dict[str, Any]:
    """The environ of a GET of this URL, as far as routing looks at it."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": visitor.script_name,
        "PATH_INFO": visitor.path,
        "QUERY_STRING": visitor.query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "443" if visitor.scheme == "https" else "80",
        "HTTP_HOST": visitor.host,
        "wsgi.url_scheme": visitor.scheme,
    }
