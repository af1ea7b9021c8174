"""What isgware needs to know of a Django project: its URLs, hosts, languages and cookies."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Final

from django.conf import settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.core import mail
from django.core.handlers.wsgi import get_str_from_wsgi
from django.core.signals import got_request_exception
from django.db import close_old_connections, connections
from django.http import Http404, parse_cookie
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CSRF_SESSION_KEY
from django.urls import (
    NoReverseMatch,
    Resolver404,
    ResolverMatch,
    get_resolver,
    get_urlconf,
    reverse,
)
from django.urls.base import is_valid_path
from django.urls.resolvers import URLPattern, URLResolver
from django.utils import translation
from django.utils.module_loading import import_string

from ..core.cache_key import Resolve, Visitor, decoded
from ..core.places import Place
from ..policy import Policy, policy_of
from ..render_context import note_error
from ..revalidate_decorator import wrapped_by_revalidate
from ..routing.framework import Filled, Match, Route, Site, origin_of
from ..serving.passthrough import visitor_of
from . import csrf
from .caches import cache_middleware, inner_cache
from .matched import MATCHED, Matched, matched
from .recorded_session import BOOKKEEPING
from .variants import asked

#: Connections of a parent process, referenced so that garbage collection does not close them.
_inherited: Final[list[Any]] = []
#: Hosts, and paths that differ from their host's, whose URL map is remembered.
_MAX_URLCONFS: Final = 8_192
_LOCALE: Final = "django.middleware.locale.LocaleMiddleware"
_SIGNED_COOKIES: Final = "django.contrib.sessions.backends.signed_cookies"


def mode() -> str:
    """The mode if ``enabled`` is not set."""
    if hasattr(mail, "outbox"):  # what django.test sets up, and nothing else
        return "off"
    return "develop" if settings.DEBUG else "on"


class DjangoSite(Site):
    """Answers from the settings and the root URLconf."""

    not_found = Http404
    has_url_map = True
    records = True
    recorder = ""  # the integration records what Django's ORM does

    def __init__(self) -> None:
        got_request_exception.connect(_note_error)
        #: By host, and by host and path where that differs: see `note_urlconf`.
        self._urlconfs: dict[tuple[str, str], Any] = {}
        self._views: dict[str, Any] | None = None
        self.origin_headers = tuple(_origin_headers())
        middleware = list(settings.MIDDLEWARE or ())
        self.token_cookies = (settings.CSRF_COOKIE_NAME,)
        self._appends_slash = settings.APPEND_SLASH and _has_common(middleware)
        self.resolvers: Mapping[str, Resolve] = {}
        if settings.USE_I18N and _LOCALE in middleware:
            self.resolvers = {"accept-language": self._language}
            self.language_cookies = (settings.LANGUAGE_COOKIE_NAME,)

    def fill(self, kind: str, places: Sequence[Place], visitor: Visitor) -> Filled | None:
        if kind == csrf.KIND:
            return csrf.filled(places, visitor)
        return super().fill(kind, places, visitor)

    def match(self, visitor: Visitor) -> Match | None:
        found = self._resolved(visitor)
        policy = policy_of(found.func) if found is not None else None
        if found is None or policy is None:
            return None
        route = found.view_name or found.route
        return Match(route, policy, dict(found.kwargs), policy.fingerprint)

    def endpoint(self, visitor: Visitor) -> str | None:
        found = self._resolved(visitor)
        return None if found is None else found.view_name or found.route

    def _resolved(self, visitor: Visitor) -> ResolverMatch | None:
        """What the URL map has for this URL, looked up once a request."""
        known, urlconf = matched(visitor), self.urlconf(visitor)
        if known is None or known.urlconf != urlconf:
            path, found = decoded(visitor.path), None
            language = translation.get_language_from_path(path) or settings.LANGUAGE_CODE
            try:
                with translation.override(language):
                    found = get_resolver(urlconf).resolve(path)
            except Resolver404:
                pass
            known = Matched(visitor.path, path, language, urlconf, found)
            visitor.memo[MATCHED] = known
        return known.found

    def redirects_to(self, visitor: Visitor) -> str | None:
        """As ``CommonMiddleware`` does with ``APPEND_SLASH``."""
        path = decoded(visitor.path)
        if not self._appends_slash or path.endswith("/"):
            return None
        language = translation.get_language_from_path(path) or settings.LANGUAGE_CODE
        with translation.override(language):
            urlconf = self.urlconf(visitor)
            found = None if is_valid_path(path, urlconf) else is_valid_path(path + "/", urlconf)
        if not found or not getattr(found.func, "should_append_slash", True):
            return None
        return visitor.path + "/"

    def urlconf(self, visitor: Visitor) -> Any:
        """The URL map in force for a request, as far as it is known before the request is handled:
        a middleware may set ``request.urlconf``, usually by host."""
        if not self.several_maps:
            return settings.ROOT_URLCONF
        host = origin_of(self, visitor)[1]
        found = self._urlconfs.get((host, visitor.path)) or self._urlconfs.get((host, ""))
        return found or settings.ROOT_URLCONF

    def note_urlconf(self, environ: dict[str, Any]) -> None:
        """Learn the URL map under which Django has just handled this request in this thread. A
        response that was made before a map was chosen counts as under the main one, so another map
        replaces the main one for its host."""
        main = settings.ROOT_URLCONF
        used = get_urlconf() or main
        if used == main and not self.several_maps:
            return
        visitor = visitor_of(environ)
        if visitor is None:
            return
        host = origin_of(self, visitor)[1]
        if len(self._urlconfs) >= _MAX_URLCONFS:
            self._urlconfs.clear()
        if self._urlconfs.get((host, ""), main) == main:
            self._urlconfs[host, ""] = used
        if self.urlconf(visitor) != used:
            self._urlconfs[host, visitor.path] = used
        self.several_maps = True

    def _language(self, name: str, visitor: Visitor) -> str:
        return resolve_language(name, visitor, self.urlconf(visitor))

    def origin(self, visitor: Visitor) -> tuple[str, str]:
        """Scheme and host as ``HttpRequest`` finds them."""
        scheme, host = visitor.scheme, visitor.host
        proxy = settings.SECURE_PROXY_SSL_HEADER
        if proxy:
            said = visitor.headers.get(proxy[0])
            if said is not None:
                scheme = "https" if said.split(",", 1)[0].strip() == proxy[1] else "http"
        if settings.USE_X_FORWARDED_HOST:
            host = visitor.headers.get("HTTP_X_FORWARDED_HOST") or host
        return scheme, host

    @property
    def session_cookie(self) -> str:
        return str(settings.SESSION_COOKIE_NAME)

    @property
    def session_bookkeeping(self) -> frozenset[str]:
        return BOOKKEEPING | {CSRF_SESSION_KEY}

    @property
    def cookie_session(self) -> str:
        own = settings.SESSION_ENGINE == _SIGNED_COOKIES
        return str(settings.SESSION_COOKIE_NAME) if own else ""

    def cookies(self, header: str) -> list[tuple[str, str]]:
        return list(_parsed(header).items())

    def session(self, visitor: Visitor) -> dict[str, Any]:
        """As ``SessionMiddleware`` opens it. Database connections are handled as before and after a
        request."""
        header = str(visitor.headers.get("HTTP_COOKIE", ""))
        key = _parsed(header).get(settings.SESSION_COOKIE_NAME)
        close_old_connections()
        try:
            store: Any = import_module(settings.SESSION_ENGINE).SessionStore(key)
            return {str(name): value for name, value in store.items()}
        finally:
            close_old_connections()

    def ask(self, function: Callable[..., Any], visitor: Visitor) -> object:
        return asked(function, visitor)

    def varies_by(self, visitor: Visitor) -> Iterable[str]:
        """As ``LocaleMiddleware`` does: by language, where the path does not tell it."""
        if not self.resolvers:
            return ()
        prefixed, _ = is_language_prefix_patterns_used(self.urlconf(visitor))
        told = prefixed and translation.get_language_from_path(decoded(visitor.path))
        return () if told else tuple(self.resolvers)

    def mode(self) -> str:
        return mode()

    def values(self, header: str) -> Sequence[str]:
        return [code for code, _ in settings.LANGUAGES] if header in self.resolvers else ()

    def routes(self) -> Iterator[Route]:
        return project_routes()

    def inner_caches(self) -> Iterator[str]:
        return cache_middleware()

    def inner_cache(self, view: Any) -> str:
        return inner_cache(view)

    def urls(self, route: str, arguments: Mapping[str, Any]) -> Sequence[str]:
        """As ``reverse`` does, in each of ``LANGUAGES`` where URLs have a language."""
        prefixed, _ = is_language_prefix_patterns_used(settings.ROOT_URLCONF)
        languages = [code for code, _ in settings.LANGUAGES] if prefixed else [""]
        found = {}
        for language in languages:
            with translation.override(language or settings.LANGUAGE_CODE):
                try:
                    found[reverse(self._reversible(route), kwargs=dict(arguments))] = True
                except NoReverseMatch as error:
                    raise LookupError(str(error)) from error
        return list(found)

    def _reversible(self, route: str) -> Any:
        """The name of a route, or the view of one without a name."""
        if self._views is None:
            self._views = {
                _view_name(pattern, names): pattern.callback
                for _, names, pattern, _ in _patterns()
                if not pattern.name and not names
            }
        return self._views.get(route, route)

    def after_fork(self) -> None:
        for connection in connections.all(initialized_only=True):
            _inherited.append(connection.connection)  # to close it would end it for the parent
            connection.connection = None
            pools = getattr(connection, "_connection_pools", {})
            _inherited.append(pools.pop(connection.alias, None))

    def context(self) -> AbstractContextManager[object]:
        return _connections()

    def secret(self) -> str:
        return str(settings.SECRET_KEY)

    @property
    def script_name(self) -> str:
        return str(settings.FORCE_SCRIPT_NAME or "").rstrip("/")

    def linked_mount(self, script_name: str) -> str:
        return script_name if settings.FORCE_SCRIPT_NAME is None else self.script_name


def _parsed(header: str) -> dict[str, str]:
    """As ``WSGIRequest.COOKIES`` does it."""
    return parse_cookie(get_str_from_wsgi({"HTTP_COOKIE": header}, "HTTP_COOKIE", ""))


def _has_common(middleware: Iterable[str]) -> bool:
    kinds = map(import_string, middleware)
    return any(isinstance(kind, type) and issubclass(kind, CommonMiddleware) for kind in kinds)


def _note_error(sender: Any, **more: Any) -> None:
    note_error(sys.exc_info()[1])


@contextmanager
def _connections() -> Iterator[None]:
    """As Django does around a request: close connections that are too old or broken."""
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()


def _origin_headers() -> Iterator[str]:
    if settings.SECURE_PROXY_SSL_HEADER:
        yield settings.SECURE_PROXY_SSL_HEADER[0]
    if settings.USE_X_FORWARDED_HOST:
        yield "HTTP_X_FORWARDED_HOST"


def resolve_language(name: str, visitor: Visitor, urlconf: Any = None) -> str:
    """The language that ``LocaleMiddleware`` would choose: by path, cookie, header, default."""
    path = decoded(visitor.path)
    cookies = _parsed(str(visitor.headers.get("HTTP_COOKIE", "")))
    request: Any = SimpleNamespace(
        path_info=path,
        COOKIES=cookies,
        META={"HTTP_ACCEPT_LANGUAGE": visitor.header("Accept-Language") or ""},
    )
    urlconf = urlconf or settings.ROOT_URLCONF
    prefixed, default_prefixed = is_language_prefix_patterns_used(urlconf)
    if prefixed and not default_prefixed and not translation.get_language_from_path(path):
        return str(settings.LANGUAGE_CODE)
    return str(translation.get_language_from_request(request, check_path=prefixed))


def project_routes() -> Iterator[Route]:
    """Every pattern of the root URLconf."""
    for route, names, pattern, required in _patterns():
        view = pattern.callback
        name = _view_name(pattern, names)
        yield Route(name, "/" + route, frozenset(required), policy_of(view), view=view)


def declared_views() -> Iterator[tuple[str, Policy | None, bool, set[str]]]:
    """Every view of the project: its route, policy, whether its decorator is out of sight, and
    the names of its URL arguments."""
    for route, _, pattern, required in _patterns():
        view = pattern.callback
        known = required | set(pattern.default_args or ())
        yield route, policy_of(view), wrapped_by_revalidate(view), known


def _patterns() -> Iterator[tuple[str, tuple[str, ...], URLPattern, set[str]]]:
    """Every pattern of the project: its route, its namespaces, and the arguments of its URL."""
    yield from _walk(get_resolver().url_patterns, "", (), set())


def _walk(
    patterns: list[URLPattern | URLResolver], prefix: str, names: tuple[str, ...], known: set[str]
) -> Iterator[tuple[str, tuple[str, ...], URLPattern, set[str]]]:
    for pattern in patterns:
        required = known | set(pattern.pattern.regex.groupindex)
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            below = (*names, pattern.namespace) if pattern.namespace else names
            yield from _walk(pattern.url_patterns, route, below, required)
        else:
            yield route, names, pattern, required


def _view_name(pattern: URLPattern, names: tuple[str, ...]) -> str:
    """As a `ResolverMatch` of it says."""
    return ResolverMatch(pattern.callback, (), {}, pattern.name, namespaces=list(names)).view_name
