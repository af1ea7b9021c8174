"""What isgware has to know of a Django project: its URLs, hosts, languages and cookies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Final

from django.conf import settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.core import mail
from django.urls import Resolver404, get_resolver
from django.urls.resolvers import URLPattern, URLResolver
from django.utils import translation

from ..core.request import Resolve, Visitor, cookie_pairs, decoded
from ..policy import Policy, policy_of, wrapped_by_revalidate
from ..site import Match, Site

_LOCALE: Final = "django.middleware.locale.LocaleMiddleware"
_MESSAGES: Final = "django.contrib.messages.middleware.MessageMiddleware"


class DjangoSite(Site):
    """Answers from the settings and the root URLconf."""

    def __init__(self) -> None:
        self.origin_headers = tuple(_origin_headers())
        middleware = list(settings.MIDDLEWARE or ())
        self.bypass_cookies = ("messages",) if _MESSAGES in middleware else ()
        self.resolvers: Mapping[str, Resolve] = {}
        if settings.USE_I18N and _LOCALE in middleware:
            self.resolvers = {"accept-language": resolve_language}

    def match(self, visitor: Visitor) -> Match | None:
        path = decoded(visitor.path)
        language = translation.get_language_from_path(path) or settings.LANGUAGE_CODE
        try:
            with translation.override(language):
                found = get_resolver().resolve(path)
        except Resolver404:
            return None
        policy = policy_of(found.func)
        if policy is None:
            return None
        return Match(found.view_name or found.route, policy, found.kwargs)

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

    def mode(self) -> str:
        if hasattr(mail, "outbox"):  # what django.test sets up, and nothing else
            return "off"
        return "develop" if settings.DEBUG else "on"


def _origin_headers() -> Iterator[str]:
    if settings.SECURE_PROXY_SSL_HEADER:
        yield settings.SECURE_PROXY_SSL_HEADER[0]
    if settings.USE_X_FORWARDED_HOST:
        yield "HTTP_X_FORWARDED_HOST"


def resolve_language(name: str, visitor: Visitor) -> str:
    """The language that ``LocaleMiddleware`` would choose: by path, cookie, header, default."""
    path = decoded(visitor.path)
    cookies = dict(cookie_pairs(visitor.headers.get("HTTP_COOKIE")))
    request: Any = SimpleNamespace(
        path_info=path,
        COOKIES=cookies,
        META={"HTTP_ACCEPT_LANGUAGE": visitor.header("Accept-Language") or ""},
    )
    prefixed, default_prefixed = is_language_prefix_patterns_used(settings.ROOT_URLCONF)
    if prefixed and not default_prefixed and not translation.get_language_from_path(path):
        return str(settings.LANGUAGE_CODE)
    return str(translation.get_language_from_request(request, check_path=prefixed))


def declared_views() -> Iterator[tuple[str, Policy | None, bool, set[str]]]:
    """Every view of the project: its route, policy, whether its decorator is out of sight, and
    the names of its URL arguments."""
    yield from _walk(get_resolver().url_patterns, "", set())


def _walk(
    patterns: list[URLPattern | URLResolver], prefix: str, known: set[str]
) -> Iterator[tuple[str, Policy | None, bool, set[str]]]:
    for pattern in patterns:
        names = known | set(pattern.pattern.regex.groupindex)
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route, names)
        else:
            names |= set(pattern.default_args or ())
            view = pattern.callback
            yield route, policy_of(view), wrapped_by_revalidate(view), names
