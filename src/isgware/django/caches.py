"""Which caches of whole pages a Django project has: around a view, and in ``MIDDLEWARE``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.middleware.cache import FetchFromCacheMiddleware, UpdateCacheMiddleware
from django.utils.module_loading import import_string

from ..routing.inner_caches import closure, module_of, wrappers

_WAGTAIL: Final = "wagtailcache.cache"
_DUMMY: Final = "django.core.cache.backends.dummy.DummyCache"
_KINDS: Final = (UpdateCacheMiddleware, FetchFromCacheMiddleware)
#: How deep a decorator's closure is searched: ``method_decorator(cache_page(60))`` takes two.
_DEPTH: Final = 3


def inner_cache(view: Any) -> str:
    """What caches the answers of ``view``: ``cache_page`` or wagtail-cache's decorator."""
    for each in wrappers(view):
        if module_of(each) == _WAGTAIL:
            return "wagtail-cache's cache_page"
        wrapped = getattr(each, "__wrapped__", None)
        # The view's own closure may hold other views; a decorator's holds what it was given.
        held = (value for value in closure(each) if wrapped is not None and value is not wrapped)
        if any(_is_cache(value, _DEPTH) for value in held):
            return "cache_page"
    return ""


def _is_cache(value: Any, depth: int) -> bool:
    """Whether ``value`` is, or holds, Django's cache middleware."""
    if depth == 0:
        return False
    if isinstance(value, _KINDS) or (isinstance(value, type) and issubclass(value, _KINDS)):
        return not _is_dummy(getattr(value, "cache_alias", None))
    if isinstance(value, list | tuple):
        return any(_is_cache(each, depth) for each in value)
    return any(_is_cache(each, depth - 1) for each in closure(value))


def cache_middleware() -> Iterator[str]:
    """The entries of ``MIDDLEWARE`` that cache whole pages: Django's, subclasses of them, and
    wagtail-cache's."""
    if _is_dummy(None):
        return
    for name in settings.MIDDLEWARE or ():
        if name.startswith(_WAGTAIL + ".") or _is_djangos(name):
            yield name


def _is_djangos(name: str) -> bool:
    try:
        middleware = import_string(name)
    except ImportError:  # Django says so itself
        return False
    return isinstance(middleware, type) and issubclass(middleware, _KINDS)


def _is_dummy(alias: str | None) -> bool:
    """Whether a cache keeps nothing, as in development."""
    cache = settings.CACHES.get(alias or settings.CACHE_MIDDLEWARE_ALIAS, {})
    return bool(cache.get("BACKEND") == _DUMMY)
