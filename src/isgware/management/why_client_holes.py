"""`why` of the requests by which a browser asks for the holes of a page."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..core.cache_key import Request, Visitor
from ..core.client_holes import ASK_PATH, asked
from ..core.client_script import SCRIPT_PATH
from ..core.hole_places import hole_names
from ..serving.client_holes import NOTHING, UNKNOWN, holes_asked, page_visit
from ..serving.hole_filling import FILLED
from .advice import advice_on
from .why_report import Why

if TYPE_CHECKING:
    from ..core.stored_page import Entry
    from ..runtime import Runtime

_STAY: Final = "Nothing is put in: the placeholders stay."


def about_holes(runtime: Runtime, visitor: Visitor, page_of: Callable[[Visitor], Why]) -> Why:
    """What would become of such a request. ``page_of`` tells what would happen to one for the
    page, which decides first."""
    url = Request(
        visitor.scheme, visitor.host, visitor.script_name, visitor.path, visitor.query
    ).url
    mount = runtime.settings.mount
    if visitor.path == mount + SCRIPT_PATH:
        return Why(
            url=url, method=visitor.method, outcome="PASS", detail="control",
            follows="The script that fills holes in the browser.", decided_by="the URL",
        )  # fmt: skip
    what = asked(visitor.query) if visitor.path == mount + ASK_PATH else None
    if what is None:
        return Why(
            url=url, method=visitor.method, outcome="BYPASS", detail=UNKNOWN, follows=_STAY,
            decided_by="the query, which has to name a page and numbers of its holes",
            remedy=advice_on(UNKNOWN),
        )  # fmt: skip
    there = page_visit(what, visitor, visitor.headers)
    about = dataclasses.replace(page_of(there), url=url, method=visitor.method)
    page, outcome = what.path, about.outcome
    if outcome in ("MISS", "REVALIDATED"):
        return dataclasses.replace(
            about, follows=f"{page} is rendered first; then its holes are looked at.", holes=()
        )
    entry = _stored(runtime, there) if outcome in ("HIT", "STALE") else None
    holes = holes_asked(entry, what) if entry is not None else None
    if entry is None:
        told = UNKNOWN, _STAY, f"{page} would be {outcome} for this visitor: {about.decided_by}"
    elif holes is None:
        told = UNKNOWN, _STAY, f"other holes in {page} than those that are asked for"
    elif not about.holes:
        told = NOTHING, _STAY, "nothing that these holes read is this visitor's"
    else:
        told = FILLED, f"These holes of {page} are made in one run of the app.", about.decided_by
    detail, follows, decided_by = told
    return dataclasses.replace(
        about, outcome="BYPASS", detail=detail, follows=follows, decided_by=decided_by,
        holes=hole_names((), tuple(holes.values())) if holes and detail == FILLED else (),
        remedy="" if detail == FILLED else advice_on(detail),
    )  # fmt: skip


def _stored(runtime: Runtime, there: Visitor) -> Entry | None:
    """The page that answers, whether or not it is fresh."""
    engine = runtime.engine
    plan = engine.planner.plan(there, serving=True)
    target = plan.target if plan is not None else None
    if target is None:
        return None
    page, _ = engine.page_store.find(target.key, target.base, target.policy.fingerprint)
    return page.entry if page is not None else None
