"""The routes of an app as a build sees them: static, prerendered, or dynamic and why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..errors import ConfigurationError
from ..policy import Policy, combined
from ..routing.framework import Route, Routes, Site
from .build_report import RouteReport

NOT_DECLARED: Final = "not declared"
_CONVERTED: Final = re.compile(r"<(?:[^<>:]*:)?([^<>:]+)>")


@dataclass(slots=True)
class Known:
    """A route with its line in the report; ``policy`` if it is declared. ``plain``: one of its
    URLs needs no arguments."""

    name: str
    policy: Policy | None
    plain: bool
    line: RouteReport


def inventory(site: Site, routes: Routes) -> list[Known]:
    """Every route, in the order of the URL map, then what the option ``routes`` adds.

    Raises `ConfigurationError` for a declaration that cannot be meant.
    """
    patterns = {_shape(route.rule): route for route in routes.routes()}
    found: dict[str, Known] = {}
    for route in site.routes():
        pattern = patterns.pop(_shape(route.rule), None)
        policy = combined(route.policy, pattern.policy if pattern else None)
        if policy is not None:
            _check(route, policy)
        known = _known(route, policy)
        earlier = found.get(route.name)
        if earlier is None:
            found[route.name] = known
        elif earlier.line.kind == "dynamic" or (known.plain and not earlier.plain):
            known.plain |= earlier.plain  # several URLs of one view are one line
            found[route.name] = known
    lines = list(found.values())
    return lines + [_known(route, route.policy) for route in patterns.values()]


def _check(route: Route, policy: Policy) -> None:
    try:
        policy.check_arguments(route.arguments | frozenset(_CONVERTED.findall(route.rule)))
    except ConfigurationError as error:
        raise ConfigurationError(f"{route.rule}: {error}") from None


def _known(route: Route, policy: Policy | None) -> Known:
    reason = _why_dynamic(route, policy)
    plain = not route.arguments
    lists = policy is not None and policy.paths is not None
    kind = "dynamic" if reason else "prerendered" if lists else "static"
    line = RouteReport(route.name, route.rule, kind, reason)
    if policy is not None and not reason.startswith("revalidate"):
        line.revalidate = float(policy.revalidate) if policy.revalidate else None  # type: ignore[arg-type]
        line.expire = float(policy.expire)  # type: ignore[arg-type]
    return Known(route.name, policy, plain, line)


def _why_dynamic(route: Route, policy: Policy | None) -> str:
    if route.methods and "GET" not in route.methods:
        return f"answers {', '.join(sorted(route.methods - {'OPTIONS'}))} only"
    if policy is None:
        return NOT_DECLARED
    if policy.revalidate is not False and policy.revalidate == 0:
        return "revalidate=0"
    if route.arguments and policy.paths is None:
        return "takes arguments and has no paths=: rendered for its first visitor"
    return ""


def _shape(rule: str) -> str:
    """A pattern without its converters, whose spelling differs between frameworks."""
    return _CONVERTED.sub("<>", rule)
