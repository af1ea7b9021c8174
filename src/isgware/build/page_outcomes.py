"""What the report of a build says about one page."""

from __future__ import annotations

from ..core.cache_key import Request
from ..core.hole_places import hole_names
from ..rendering.result import Made as Page
from .build_report import Made
from .page_targets import Job


def outcome_of(page: Page, lenient: bool) -> Made:
    entry = page.entry
    url = page_name(entry.request)
    if entry.anonymous:  # a temporary redirect, such as to a login form
        location = next((text for name, text in entry.headers if name.lower() == "location"), "")
        reason = f"redirects to {location} ({entry.code}), as a page behind a login does"
        return Made("dynamic", url, reason, route=entry.route)
    if entry.code >= 400:
        if lenient:
            return Made("dynamic", url, f"answered {entry.code}", route=entry.route)
        return Made("failed", url, f"answered {entry.status}", route=entry.route)
    compressed = min((len(data) for data in page.encodings.values()), default=len(entry.body))
    return Made(
        "rendered", url, "", entry.render_seconds, len(entry.body), compressed, entry.route,
        hole_names(entry.holes, entry.client_holes),
    )  # fmt: skip


def failed(job: Job, reason: str) -> Made:
    return Made("failed", page_name(job.target.request), reason, route=job.target.route)


def page_name(request: Request) -> str:
    """The name of a page in the report: its URL and variant."""
    return f"{request.url} ({request.variant})" if request.variant else request.url
