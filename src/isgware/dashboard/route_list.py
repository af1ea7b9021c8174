"""The page Routes: each route, how it is stored, and what that has brought."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ..build.inventory import Known
from ..errors import BackendUnavailable
from ..management.advice import advice_on
from ..management.fleet_counts import totals_of
from ..management.route_pages import known_routes
from ..management.why_reasons import policy_text
from ..runtime import Runtime
from .route_counts import RouteTotals, route_totals
from .survey import Survey, Surveyor


@dataclass(frozen=True, slots=True)
class RouteLine:
    """``pages``: of those that were looked at, ``all_pages`` tells whether they all were. Times in
    seconds. ``reason``: why most of its requests were not served; ``remedy``: what helps."""

    name: str
    pattern: str
    declared: bool
    policy: str
    pages: int | None
    all_pages: bool
    requests: int
    hit_ratio: float | None
    renders: int
    p50: float | None
    p95: float | None
    unchanged: float | None
    reason: str
    remedy: str


#: What the list can be sorted by. Numbers begin with the largest.
SORTS: Final[dict[str, Callable[[RouteLine], Any]]] = {
    "name": lambda line: line.name,
    "pages": lambda line: line.pages or 0,
    "requests": lambda line: line.requests,
    "hits": lambda line: -1.0 if line.hit_ratio is None else line.hit_ratio,
    "renders": lambda line: line.renders,
    "p50": lambda line: line.p50 or 0.0,
    "p95": lambda line: line.p95 or 0.0,
    "unchanged": lambda line: line.unchanged or 0.0,
}


def route_list(runtime: Runtime, surveyor: Surveyor, given: dict[str, str]) -> dict[str, Any]:
    """``given``: ``q``, part of a name or pattern; ``sort``, with ``order=asc`` or ``desc``."""
    wanted = given.get("q", "").strip().lower()
    sort = given.get("sort", "")
    sort = sort if sort in SORTS else "requests"
    order = given.get("order", "")
    order = order if order in ("asc", "desc") else "asc" if sort == "name" else "desc"
    lines = [line for line in lines_of(runtime, surveyor) if _found(line, wanted)]
    lines.sort(key=lambda line: line.name)
    lines.sort(key=SORTS[sort], reverse=order == "desc")
    return {"routes": lines, "q": given.get("q", ""), "sort": sort, "order": order}


def _found(line: RouteLine, wanted: str) -> bool:
    return wanted in line.name.lower() or wanted in line.pattern.lower()


def lines_of(runtime: Runtime, surveyor: Surveyor) -> list[RouteLine]:
    """Routes that the app knows, and others of which something was counted."""
    runtime.counts.flush_quietly()
    survey: Survey | None = None
    totals: dict[str, RouteTotals] = {}
    try:
        survey = surveyor()
        totals = route_totals(totals_of(runtime.store, runtime.now()))
    except BackendUnavailable:
        pass
    known = known_routes(runtime)
    names = [*known, *(name for name in totals if name and name not in known)]
    return [_line(name, known.get(name), totals.get(name), survey) for name in names]


def _line(
    name: str, known: Known | None, totals: RouteTotals | None, survey: Survey | None
) -> RouteLine:
    totals = totals or RouteTotals()
    policy = known.policy if known is not None else None
    reason = totals.main_reason
    return RouteLine(
        name=name,
        pattern=known.line.rule if known is not None else "",
        declared=policy is not None,
        policy=policy_text(policy) if policy is not None else "",
        pages=survey.routes.get(name, 0) if survey is not None else None,
        all_pages=survey is not None and survey.complete,
        requests=totals.requests,
        hit_ratio=totals.hit_ratio,
        renders=totals.renders.total(),
        p50=totals.quantile(0.5),
        p95=totals.quantile(0.95),
        unchanged=totals.unchanged_ratio,
        reason=reason,
        remedy=advice_on(reason),
    )
