"""The pages that the paths of a batch stand for: one for each origin and variant, or why none."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..backends.base import Lease, Row
from ..core.cache_key import Visitor, cgi_name
from ..core.local_path import local_path
from ..core.render_log import BUILD
from ..core.stored_page import Entry
from ..errors import ISGError
from ..policy import Policy
from ..rendering.result import Made as Page
from ..routing.planner import Plan, Planner, Target
from .build_report import Made

#: Reasons why a declared page is not stored that must be a mistake of the app or its configuration.
MISTAKES: Final = frozenset({
    "redirect-to-other-origin", "redirect-to-itself", "bad-header", "untrusted-host",
    "bypass-failed",
})  # fmt: skip
#: Variants of a page beyond the number that the store keeps are not rendered.
_MAX_VARIANTS: Final = 50


@dataclass(frozen=True, slots=True)
class Origin:
    """The site that pages are rendered for: scheme, host with port, and the mount of the app."""

    scheme: str
    host: str
    script: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Paths of one source (its number in the report). ``explicit``: they were named by the user, so
    undeclared ones are rendered, too. ``lenient``: undeclared or missing pages are no failures.
    ``overtake``: do not wait for another render of the same page."""

    source: int
    paths: tuple[str, ...]
    explicit: bool = False
    lenient: bool = False
    overtake: bool = False


@dataclass(slots=True)
class Job:
    target: Target
    path: str
    row: Row | None = None
    lease: Lease | None = None
    old: Entry | None = None
    began: int = 0
    nonce: str = ""
    page: Page | None = None


Visitors = dict[tuple[str, Origin], Visitor]


class Targets:
    def __init__(self, planner: Planner, origins: Sequence[Origin]) -> None:
        self._planner = planner
        self._origins = origins

    def foresee(self, paths: Sequence[str]) -> Visitors:
        """Have the planner read in one operation what it needs to know of all pages."""
        visitors: Visitors = {}
        for origin in self._origins:
            for path in paths:
                with contextlib.suppress(ISGError):  # reported by `of`
                    visitors[path, origin] = visitor_for(path, origin)
            own = (visitors[path, at] for path, at in visitors if at is origin)
            self._planner.foresee(own, (origin.scheme, origin.host))
        return visitors

    def of(self, path: str, batch: Batch, visitors: Visitors) -> Iterator[Job | Made]:
        for origin in self._origins:
            try:
                visitor = visitors.get((path, origin)) or visitor_for(path, origin)
                yield from self._planned(path, visitor, origin, batch)
            except ISGError as error:
                yield Made("failed", path, str(error))
                return

    def _planned(
        self, path: str, visitor: Visitor, origin: Origin, batch: Batch
    ) -> Iterator[Job | Made]:
        planner, at = self._planner, (origin.scheme, origin.host)
        plan = planner.plan(visitor, at)
        if plan is None and batch.explicit:
            target = planner.undeclared_target(visitor, frozenset(), None, {}, at)
            plan = Plan(target) if target is not None else None
        if plan is None:
            outcome = "dynamic" if batch.lenient else "failed"
            yield Made(outcome, path, "no declared route matches this path")
        elif plan.target is None or plan.bypass:
            outcome = "failed" if plan.bypass in MISTAKES or plan.target is None else "dynamic"
            yield Made(outcome, path, plan.bypass)
        else:
            yield Job(dataclasses.replace(plan.target, by=BUILD), path)
            for headers in variants(plan.target.policy, self._planner.values):
                other = planner.plan(dataclasses.replace(visitor, headers=headers), at)
                if other is not None and other.target is not None and not other.bypass:
                    yield Job(dataclasses.replace(other.target, by=BUILD), path)


def visitor_for(path: str, origin: Origin) -> Visitor:
    """A plain GET of a path, which may or may not begin with the script name."""
    text, query = local_path(path)
    tunnelled, script = text.encode().decode("latin-1"), origin.script
    if script and (tunnelled + "/").startswith(script + "/"):
        tunnelled = tunnelled[len(script) :]
    return Visitor("GET", origin.scheme, origin.host, script, tunnelled, query, {})


def variants(policy: Policy, values: Callable[[str], Iterable[str]]) -> Iterator[dict[str, Any]]:
    """The headers of a visitor for each combination of the values that ``vary`` names, or that the
    framework knows of a header, except the combination without any header."""
    named: list[tuple[str, tuple[str, ...]]] = []
    for name, given in policy.headers:
        named.append((name, tuple(given if given is not None else values(name))))
    cookies = [(name, given or ()) for name, given in policy.cookies_in_key]
    choices = [("", *each) for _, each in (*named, *cookies)]
    if math.prod(map(len, choices)) > _MAX_VARIANTS:
        return
    for chosen in itertools.islice(itertools.product(*choices), 1, None):
        headers: dict[str, Any] = {}
        for (name, _), value in zip(named, chosen, strict=False):
            if value:
                headers[cgi_name(name)] = value
        pairs = [
            f"{name}={value}"
            for (name, _), value in zip(cookies, chosen[len(named) :], strict=True)
            if value
        ]
        if pairs:
            headers["HTTP_COOKIE"] = "; ".join(pairs)
        yield headers
