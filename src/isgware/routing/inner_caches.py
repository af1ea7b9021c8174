"""Finds caches inside declared views, such as Django's ``cache_page``, and warns of them.

With such a cache, a render copies an older answer: after a purge visitors get the old page again,
and pages become as old as both lifetimes together. The integrations know which decorators cache
(`Site.inner_cache`).
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from ..errors import ConfigurationError
from .framework import Route, Site

log: Final = logging.getLogger("isgware")
#: Methods of class-based views that may carry a decorator.
_HANDLERS: Final = ("dispatch", "dispatch_request", "get", "head")
REMEDY: Final = (
    "A render then gets an older page from that cache, so purges seem to do nothing. Take that "
    "cache off the pages that isgware keeps; the documentation says how, under Migrating."
)


def warn_of_inner_caches(site: Site, declares: Callable[[Route], bool]) -> None:
    """Log one warning for each cache around all views, and one for each declared view that has a
    cache of its own. ``declares``: whether a pattern of ``routes=`` applies to a route."""
    try:
        for cache in site.inner_caches():
            log.warning("%s caches pages inside the app. %s", cache, REMEDY)
        for route, cache in cached_views(site.routes(), site.inner_cache, declares):
            log.warning("%s is cached by %s, too. %s", named(route), cache, REMEDY)
    except ConfigurationError:
        raise
    except Exception:  # a URL map that cannot be read: the app reports that itself
        log.debug("The views could not be searched for caches.", exc_info=True)


def cached_views(
    routes: Iterable[Route], inner_cache: Callable[[Any], str], declares: Callable[[Route], bool]
) -> Iterator[tuple[Route, str]]:
    """The declared routes whose views have a cache of their own, each with the cache's name."""
    for route in routes:
        cache = inner_cache(route.view) if route.view is not None else ""
        if cache and (route.policy is not None or declares(route)):
            yield route, cache


def named(route: Route) -> str:
    """The pattern of a route, and the name of its view."""
    view = getattr(route.view, "view_class", route.view)
    return f"{route.rule} ({getattr(view, '__qualname__', route.name)})"


def wrappers(view: Any) -> Iterator[Any]:
    """The functions that a call of ``view`` runs, from the outside in: decorators that use
    ``functools.wraps``, and the functions they wrap, also those of the methods of its class."""
    todo: list[Any] = [view]
    seen: list[Any] = []
    while todo:
        each = todo.pop()
        if isinstance(each, functools.partial):
            each = each.func
        if each is None or any(each is other for other in seen):
            continue
        seen.append(each)
        yield each
        todo.append(getattr(each, "__wrapped__", None))
        todo += [getattr(getattr(each, "view_class", None), name, None) for name in _HANDLERS]


def module_of(function: Any) -> str:
    """The module that defines ``function``; ``functools.wraps`` changes ``__module__``."""
    return str(getattr(function, "__globals__", {}).get("__name__", ""))


def closure(function: Any) -> Iterator[Any]:
    """The variables that ``function`` closes over."""
    for cell in getattr(function, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue
