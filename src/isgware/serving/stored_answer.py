"""The answer with a stored page without places: the whole page, a part, 304, or headers alone."""

from __future__ import annotations

from typing import Any

from ..core.cache_key import Visitor
from ..core.preconditions import Answer as Sent
from ..core.preconditions import fitted
from ..core.redirects import redirected
from ..http import cache_status as status
from ..storage.process_cache import Page
from .answer import Answer


def stored_answer(
    page: Page, answer: Answer, visitor: Visitor, environ: dict[str, Any], now: float
) -> Sent:
    accepted = visitor.header("Accept-Encoding")
    if answer.label == "STALE":
        made = page.stale_answer(accepted, now, answer.detail)
    else:
        made = page.answer(accepted, now, answer.label, said_of(answer, page, now))
    made = made[0], redirected(made[1], page.entry, visitor.query), made[2]
    return fitted(made, page.entry, environ)


def said_of(answer: Answer, page: Page, now: float, detail: str = "") -> str:
    """The Cache-Status of ``page`` for this answer, with another ``detail`` if one is given."""
    detail = detail or answer.detail
    if answer.label == "HIT":
        return status.hit(page.ttl(now), detail)
    if answer.label == "STALE":
        left = min(page.ttl(now) or 0.0, 0.0)
        return status.forwarded("stale", ttl=left, detail=detail)
    return status.forwarded(
        answer.forward, ttl=page.ttl(now), stored=answer.stored, collapsed=answer.collapsed,
        detail=detail,
    )  # fmt: skip
