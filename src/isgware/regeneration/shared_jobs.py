"""A job: a render that one process asks another for, as plain values.

It is the `Request` of a page and its key, in JSON. The process that takes it plans it anew, under
the same leases, back-off and rules. So a job is only a hint: one that is lost, late or repeated
costs at most one render, and one that is malformed, or whose page no longer exists, is dropped.
"""

from __future__ import annotations

import json
from typing import Final

from ..core.cache_key import Request, Visitor, cgi_name
from ..routing.planner import Planner, Target
from ..routing.variants import VARIANTS
from ..storage.page_store import PageStore
from .outcomes import Outcomes

_FORMAT: Final = 2


def encode_job(key: str, request: Request) -> bytes:
    parts = [request.scheme, request.host, request.script_name, request.path, request.query]
    keyed = [request.headers, request.cookies, request.variants]
    return json.dumps([_FORMAT, key, *parts, *keyed]).encode()


def decode_job(data: bytes | str) -> tuple[str, Visitor] | None:
    """The key of a job, and a visitor who would get its page; ``None`` if it is not a job."""
    try:
        number, key, scheme, host, script_name, path, query, *keyed = json.loads(data)
        headers, cookies, variants = keyed
        memo = {VARIANTS: dict(variants)}
        shown = {cgi_name(name): value for name, value in headers}
        if cookies:
            shown["HTTP_COOKIE"] = "; ".join(f"{name}={value}" for name, value in cookies)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    texts = [key, scheme, host, script_name, path, query, *shown.values()]
    if number != _FORMAT or not all(isinstance(text, str) for text in texts):
        return None
    return key, Visitor("GET", scheme, host, script_name, path, query, shown, memo)


def target_of(
    planner: Planner, page_store: PageStore, outcomes: Outcomes, data: bytes | str
) -> Target | None:
    """The target of a job, as this process plans it; ``None`` if it is no page, another page, or
    one whose back-off is not over."""
    job = decode_job(data)
    if job is None:
        return None
    key, visitor = job
    page_store.begin()
    try:
        page_store.sync()
        plan = planner.plan(visitor)
    finally:
        page_store.end()
    target = plan.target if plan is not None else None
    if target is None or target.key != key or not outcomes.due(key):
        return None
    return target
