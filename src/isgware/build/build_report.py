"""The result of a build, as `ISG.prerender` returns it and the command line prints it.

Its size does not grow with the number of pages: it keeps counts, the slowest pages of each route,
and the first failures.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Final, NamedTuple

#: Failures that are kept by name; all of them are counted.
MAX_FAILURES: Final = 1_000
#: Names of holes that are kept of a route.
MAX_HOLES: Final = 20
#: Slowest pages of a route that are kept.
SLOWEST: Final = 3


class Made(NamedTuple):
    """What became of one page. ``outcome``: ``rendered``, ``fresh`` (was so already), ``dynamic``
    (may not be stored), ``failed``, or ``held`` (somebody else renders it). Sizes in bytes;
    ``route`` as its `Match` calls it, if that is known; ``holes`` names of those in the page."""

    outcome: str
    page: str
    reason: str = ""
    seconds: float = 0.0
    size: int = 0
    compressed: int = 0
    route: str = ""
    holes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A page that was not made, or something that ``paths`` should not have given. ``page`` is
    its URL, the path, or the item; empty if ``paths`` itself failed."""

    route: str
    page: str
    reason: str


@dataclass(slots=True)
class RouteReport:
    """A route and what was done for it. ``kind``: ``static`` (one URL), ``prerendered`` (those
    that ``paths`` lists) or ``dynamic``, with the ``reason``. ``revalidate`` and ``expire`` in
    seconds, ``revalidate`` ``None`` for "until told", and of an `Adaptive` the lower bound, beside
    ``revalidate_most``; ``seconds`` of rendering, sizes in bytes,
    of all its pages together; ``pattern`` of the option ``routes`` that catches its URLs, though
    it was not written for this route; ``slowest`` pairs of seconds and URL; ``holes`` names of
    those in its pages, as far as pages were rendered or are stored."""

    name: str
    rule: str
    kind: str
    reason: str = ""
    revalidate: float | None = None
    expire: float | None = None
    rendered: int = 0
    fresh: int = 0
    dynamic: int = 0
    failed: int = 0
    seconds: float = 0.0
    size: int = 0
    compressed: int = 0
    pattern: str = ""
    slowest: list[tuple[float, str]] = field(default_factory=list)
    revalidate_most: float | None = None
    holes: tuple[str, ...] = ()

    @property
    def pages(self) -> int:
        return self.rendered + self.fresh + self.dynamic + self.failed

    def count(self, made: Made) -> None:
        if self.kind == "dynamic" and made.outcome in ("rendered", "fresh"):
            self.kind, self.reason = "prerendered", ""  # its pages were named explicitly
        if made.outcome == "rendered":
            self.rendered += 1
            self.seconds += made.seconds
            self.size += made.size
            self.compressed += made.compressed
            if not self.holes or not set(made.holes) <= set(self.holes):
                self.holes = tuple(dict.fromkeys((*self.holes, *made.holes)))[:MAX_HOLES]
            if len(self.slowest) < SLOWEST:
                heapq.heappush(self.slowest, (made.seconds, made.page))
            elif made.seconds > self.slowest[0][0]:
                heapq.heapreplace(self.slowest, (made.seconds, made.page))
        elif made.outcome == "fresh":
            self.fresh += 1
        elif made.outcome == "dynamic":
            self.dynamic += 1
            self.reason = made.reason
            if self.kind == "static" and self.dynamic == self.pages:
                self.kind = "dynamic"  # known only now
        else:
            self.failed += 1


@dataclass(slots=True)
class Report:
    """A build. ``total``: how many pages it will be, ``None`` while nobody knows. ``stopped``: it
    ended before its end, for the reason that is said."""

    build_id: str = ""
    routes: list[RouteReport] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0
    total: int | None = None
    stopped: str = ""

    @property
    def rendered(self) -> int:
        return sum(route.rendered for route in self.routes)

    @property
    def fresh(self) -> int:
        return sum(route.fresh for route in self.routes)

    @property
    def dynamic(self) -> int:
        return sum(route.dynamic for route in self.routes)

    @property
    def failed(self) -> int:
        return sum(route.failed for route in self.routes)

    @property
    def done(self) -> int:
        return sum(route.pages for route in self.routes)

    @property
    def ok(self) -> bool:
        """Nothing failed, and nothing was left out."""
        return not self.failed and not self.stopped

    def count(self, route: RouteReport, made: Made) -> None:
        route.count(made)
        if made.outcome == "failed" and len(self.failures) < MAX_FAILURES:
            self.failures.append(Failure(route.rule, made.page, made.reason))
