"""Hands a URL that isgware has resolved over to Django, so that a request is resolved once.

Importing this module hooks into ``BaseHandler.resolve_request``. Middleware runs before that and
may change what converters and patterns of the project look at, such as the tenant of a request. So
this is done only if they are all Django's own, which look at the path and the language alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.urls import ResolverMatch, get_resolver
from django.urls.converters import get_converters
from django.utils import translation

from ..core.cache_key import Visitor
from ..render_context import current

MATCHED: Final = "django-match"
_OWN: Final = frozenset({
    "django.conf.urls.i18n", "django.urls.converters", "django.urls.resolvers",
})  # fmt: skip
#: By root URLconf, whether it consists of Django's own parts.
_plain: Final[dict[Any, bool]] = {}


class Matched(NamedTuple):
    """What ``urlconf`` has for a path, as the environ has it and as text, in a language."""

    path: str
    text: str
    language: str
    urlconf: Any
    found: ResolverMatch | None


def matched(visitor: Visitor) -> Matched | None:
    """What was found for this request already."""
    known: Matched | None = visitor.memo.get(MATCHED)
    return known if known is not None and known.path == visitor.path else None


def handed_over(request: Any) -> ResolverMatch | None:
    """What Django would find for the visitor's own request that is under way, if isgware has just
    resolved the very same."""
    rendering = current.get()
    if rendering is None or rendering.environ is not getattr(request, "environ", None):
        return None
    known: Matched | None = rendering.memo.pop(MATCHED, None)
    if (
        known is None
        or known.found is None
        or known.text != request.path_info
        or hasattr(request, "urlconf")
        or known.urlconf != settings.ROOT_URLCONF
        or known.language != translation.get_language()
        or not _is_plain(known.urlconf)
    ):
        return None
    return known.found


def _is_plain(urlconf: Any) -> bool:
    try:
        return _plain[urlconf]
    except KeyError:
        own = all(type(each).__module__ in _OWN for each in get_converters().values())
        _plain[urlconf] = own and _are_own(get_resolver(urlconf).url_patterns)
        return _plain[urlconf]
    except TypeError:  # a list of patterns
        return False


def _are_own(patterns: Iterable[Any]) -> bool:
    return all(
        type(each).__module__ in _OWN
        and type(each.pattern).__module__ in _OWN
        and _are_own(getattr(each, "url_patterns", ()))
        for each in patterns
    )


def _hook(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def resolve_request(handler: Any, request: Any) -> Any:
        found = handed_over(request)
        if found is None:
            return original(handler, request)
        request.resolver_match = found
        return found

    return resolve_request


BaseHandler.resolve_request = _hook(BaseHandler.resolve_request)  # type: ignore[method-assign]
