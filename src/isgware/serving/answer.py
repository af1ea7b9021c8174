"""`Answer`: what a visitor gets, as `isgware.serving.engine` has decided it."""

from __future__ import annotations

from dataclasses import dataclass

from ..rendering.result import Failed
from ..storage.process_cache import Page
from .loading_page import Reply


@dataclass(slots=True)
class Answer:
    """What a visitor gets: a stored page, an error made for them, isgware's own ``reply``, or (all
    ``None``) the app's own answer. ``forward`` is RFC 9211's reason for having asked the app;
    ``version``: the store's version from before the page was judged; the page may be served again
    while it holds.
    ``judged``: who may have the page follows from its reads alone.
    ``holes``: those of the page are to be filled for this visitor.
    ``absent``: the page is known not to exist, so that there is no need to ask the view.
    ``refused``: the `Target.group` whose pages are not stored; ``skipped``: nor looked for, whoever
    asks.
    Nobody changes one that was decided; frozen, it would take three times as long to make.
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
