"""The URL paths that ``paths=`` of a route lists, one after the other, read lazily.

`Paths.listed` is for callers that need to know which pages a route has: the build, to render them,
and ``fallback="not-found"``, to know which exist. Nothing is collected here, so that the memory
used does not depend on the number of paths.
"""

from __future__ import annotations

import contextvars
import functools
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ..core.local_path import local_path
from ..errors import InvalidPath
from ..policy import Policy
from .framework import Routes, Site

T = TypeVar("T")
#: Rows of a query that are read at a time, as in Django.
_CHUNK: Final = 2_000


@dataclass(frozen=True, slots=True)
class Unusable:
    """An item of ``paths`` that is not a path of the route, or (``item`` empty) the error that
    ended the list."""

    item: str
    reason: str


class Paths:
    """Lists the paths of routes that a framework (``site``) or the option ``routes`` declares."""

    def __init__(self, site: Site, routes: Routes) -> None:
        self._site = site
        self._routes = routes

    def listed(self, route: str, policy: Policy) -> Listing:
        """Each path that ``policy.paths`` of a route yields, as yielded or as the framework builds
        it from URL arguments; percent-encoded, perhaps with a query.

        Items that cannot be used are yielded as `Unusable`; an error of ``paths`` itself ends the
        list. ``paths`` is called when the first path, or the length, is requested.
        """
        return Listing(self._site, policy, lambda item: self._of(route, item))

    def plain(self, route: str) -> list[str | Unusable]:
        """The paths of a route whose URL needs no arguments."""
        around = _Around(self._site)
        around.enter()
        try:
            return around.run(lambda: self._of(route, {}))
        finally:
            around.leave()

    def _of(self, route: str, item: Any) -> list[str | Unusable]:
        if isinstance(item, Mapping):
            return self._built(route, item)
        reason = wrong_with(item)
        return [Unusable(_shown(item), reason) if reason else item]

    def _built(self, route: str, arguments: Mapping[str, Any]) -> list[str | Unusable]:
        try:
            urls = (self._routes if route in self._routes else self._site).urls(route, arguments)
        except (Exception, SystemExit) as error:  # exit ends the list, not this process
            return [Unusable(_shown(arguments), last_line(error))]
        found: list[str | Unusable] = []
        for url in urls:
            reason = wrong_with(url)
            found.append(Unusable(url, reason) if reason else url)
        return found


def wrong_with(path: Any) -> str:
    """Why this is not the path of a page; empty if it is one."""
    if not isinstance(path, str):
        return f"{type(path).__name__} is neither a path nor a dict of URL arguments"
    if "://" in path.partition("?")[0] or path.startswith("//"):
        return "an absolute URL; give its path alone"
    try:
        local_path(path)
    except InvalidPath as error:
        return str(error)
    return ""


def last_line(error: BaseException) -> str:
    """The last line of the traceback: the type and message of the error."""
    return traceback.format_exception_only(error)[-1].strip()


class Listing:
    """An iterator of paths, and of items that cannot be used."""

    def __init__(
        self, site: Site, policy: Policy, usable: Callable[[Any], list[str | Unusable]]
    ) -> None:
        self._around = _Around(site)
        self._policy = policy
        self._usable = usable
        self._items: Iterator[Any] | None = None
        self._ready: deque[str | Unusable] = deque()
        self.length: int | None = None if policy.paths is not None else 0

    def __iter__(self) -> Listing:
        return self

    def __next__(self) -> str | Unusable:
        self.open()
        while not self._ready:
            if self._items is None:
                raise StopIteration
            try:
                item = self._around.run(lambda: next(self._items or iter(()), _END))
            except (Exception, SystemExit) as error:  # exit ends the list, not this process
                self.close()
                return Unusable("", last_line(error))
            if item is _END:
                self.close()
                raise StopIteration
            self._ready += self._around.run(functools.partial(self._usable, item))
        return self._ready.popleft()

    def open(self) -> Listing:
        """Call ``paths``, if there is one, without reading any item. Sets ``length`` if it is
        known."""
        if self._policy.paths is not None and not self._around.entered:
            self._around.enter()
            try:
                self._items, self.length = self._around.run(lambda: _iterator(self._policy))
            except (Exception, SystemExit) as error:  # exit ends the list, not this process
                self.close()
                self._ready.append(Unusable("", last_line(error)))
        return self

    def close(self) -> None:
        """Close the iterator of the items."""
        self._items = None
        self._around.leave()

    def __del__(self) -> None:
        self._around.leave()


class _Around:
    """Runs steps of the app's code in the context that they need, isolated from the request or
    render in progress."""

    def __init__(self, site: Site) -> None:
        self._needed = site.context()
        self._context = contextvars.Context()
        self.entered = self._inside = False

    def run(self, work: Callable[[], T]) -> T:
        return self._context.run(work)

    def enter(self) -> None:
        self.run(self._needed.__enter__)
        self.entered, self._inside = True, True

    def leave(self) -> None:
        if self._inside:
            self._inside = False
            self.run(lambda: self._needed.__exit__(None, None, None))


def _iterator(policy: Policy) -> tuple[Iterator[Any], int | None]:
    """The items of ``paths``, and their number if it is known without reading them."""
    given: Any = policy.paths() if callable(policy.paths) else policy.paths
    if isinstance(given, str | bytes) or not hasattr(given, "__iter__"):
        raise TypeError(f"paths= gave {type(given).__name__}, which is no iterable of paths")
    if callable(getattr(given, "iterator", None)):  # a QuerySet, which would cache all rows
        # Django requires a size where related objects are prefetched.
        size = {"chunk_size": _CHUNK} if hasattr(given, "prefetch_related") else {}
        return given.iterator(**size), given.count()
    found: Iterator[Any] = iter(given)
    if found is policy.paths:  # a generator itself, not a function that returns one
        if getattr(policy, "_used_up", False):
            raise TypeError("paths= is an iterator that was used up; give what makes a new one")
        object.__setattr__(policy, "_used_up", True)
    return found, len(given) if isinstance(given, Sequence | Set) else None


def _shown(item: Any) -> str:
    text = item if isinstance(item, str) else repr(item)
    return text if len(text) <= 200 else text[:199] + "…"


_END: Final = object()
