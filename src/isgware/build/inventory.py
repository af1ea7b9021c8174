"""The routes of an app for a build: static, prerendered, or dynamic and why."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Final

from ..adaptive import Adaptive, shortest
from ..errors import ConfigurationError
from ..policy import Policy, combined
from ..routing.framework import Catch, Route, Routes, Site
from ..routing.sample_paths import PLACEHOLDER
from .build_report import RouteReport

NOT_DECLARED: Final = "not declared"


@dataclass(slots=True)
class Known:
    """A route with its line in the report; ``policy`` if it is declared. ``plain``: one of its URLs
    needs no arguments."""

    name: str
    policy: Policy | None
    plain: bool
    line: RouteReport


def inventory(site: Site, routes: Routes) -> list[Known]:
    """All routes, in the order of the URL map, then those that the option ``routes`` adds.

    A route whose URLs a wider pattern of ``routes`` matches, such as ``/<path:page>``, is declared
    by it, and its line names the pattern. Raises `ConfigurationError` for an invalid declaration.
    """
    patterns = {_shape(route.rule): route for route in routes.routes()}
    found: dict[str, Known] = {}
    for route in site.routes():
        catch = routes.catching(route.rule)
        pattern = patterns.get(_shape(route.rule))
        if pattern is not None and catch.patterns and not catch.whole:
            pattern = None  # alike, but not for the same URLs: /posts/<int:id> and /posts/<slug>
        elif pattern is not None:
            del patterns[_shape(route.rule)]
        policy = combined(route.policy, pattern.policy if pattern else None)
        if policy is not None:
            _check(route, policy)
        known = _known(route, policy) if pattern else _caught(route, routes, catch)
        earlier = found.get(route.name)
        if earlier is None:
            found[route.name] = known
        elif earlier.line.kind == "dynamic" or (known.plain and not earlier.plain):
            known.plain |= earlier.plain  # several URLs of one view are one line
            found[route.name] = known
    lines = list(found.values())
    return lines + [_known(route, route.policy) for route in patterns.values()]


def _caught(route: Route, routes: Routes, catch: Catch) -> Known:
    """A route without a pattern of its own; wider patterns may match its URLs."""
    if not catch.patterns or _answers_no_get(route):
        return _known(route, route.policy)
    shown = ", ".join(catch.patterns)
    if not catch.whole:
        known = _known(route, route.policy)
        known.line.pattern = shown
        if route.policy is None:
            known.line.reason = (
                f"{'' if catch.every else 'some of '}its URLs are caught by {shown} of routes="
            )
        return known
    wider = routes.policy(shown)
    own_paths = route.policy.paths if route.policy is not None else None
    if wider.fallback == "not-found" and own_paths is None:
        known = _known(route, route.policy)
        known.line.kind, known.line.pattern = "dynamic", shown
        known.line.reason = f"caught by {shown} of routes=, whose paths= list the URLs that exist"
        return known
    # Paths that a wider pattern lists are built on the line of that pattern.
    policy = combined(route.policy, dataclasses.replace(wider, paths=None))
    known = _known(route, policy)
    known.line.pattern = shown
    if known.line.reason:
        known.line.reason = f"caught by {shown} of routes=; {known.line.reason}"
    return known


def _check(route: Route, policy: Policy) -> None:
    try:
        policy.check_arguments(
            route.arguments | frozenset(found[-1] for found in PLACEHOLDER.findall(route.rule))
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"{route.rule}: {error}") from None


def _known(route: Route, policy: Policy | None) -> Known:
    reason = _why_dynamic(route, policy)
    plain = not route.arguments
    lists = policy is not None and policy.paths is not None
    kind = "dynamic" if reason else "prerendered" if lists else "static"
    line = RouteReport(route.name, route.rule, kind, reason)
    if policy is not None and not reason.startswith("revalidate"):
        line.revalidate = float(shortest(policy.revalidate)) if policy.revalidate else None
        if isinstance(policy.revalidate, Adaptive):
            line.revalidate_most = float(policy.revalidate.high)
        line.expire = float(policy.expire)  # type: ignore[arg-type]
    return Known(route.name, policy, plain, line)


def _answers_no_get(route: Route) -> bool:
    return bool(route.methods) and "GET" not in route.methods


def _why_dynamic(route: Route, policy: Policy | None) -> str:
    if _answers_no_get(route):
        return f"answers {', '.join(sorted(route.methods - {'OPTIONS'}))} only"
    if policy is None:
        return NOT_DECLARED
    if policy.revalidate is not False and policy.revalidate == 0:
        return "revalidate=0"
    if route.arguments and policy.paths is None:
        return "takes arguments and has no paths=: rendered for its first visitor"
    return ""


def _shape(rule: str) -> str:
    """A pattern without its converters, whose names differ between frameworks."""
    return PLACEHOLDER.sub("<>", rule)
