"""`Answer`: what a visitor gets, as `isgware.serving.engine` has decided it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..rendering.result import Failed
from ..storage.process_cache import Page


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that isgware makes itself."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""


@dataclass(slots=True, eq=False)
class Answer:
    """What a visitor gets: a stored page, an error made for them, isgware's own ``reply``, or (all
    ``None``) the app's own answer. ``forward`` is RFC 9211's reason for asking the app.
    ``version``: the store's version from before the page was judged; while it is current, the page
    may be served again. ``judged``: the page's reads alone decide who may have it. ``holes``: the
    holes of the page are to be filled for this visitor. ``absent``: the page is known not to exist,
    so the view need not be called. ``refused``: the `Target.group` whose pages are not stored;
    ``skipped``: nor looked up, for any visitor.

    Treat it as immutable. Frozen, it would take three times as long to create.
    """

    label: str
    detail: str = ""
    page: Page | None = None
    failure: Failed | None = None
    forward: str = "bypass"
    collapsed: bool = False
    stored: bool = False
    cacheable_by_request_line: bool = False
    cookies: bool = False
    judged: bool = False
    holes: bool = False
    version: int = -1
    reply: Reply | None = None
    absent: bool = False
    refused: str = ""
    skipped: bool = False


#: What was decided about a visitor whose page was served by the same request line before.
PREPARED: Final = Answer("HIT")
