"""What observers are told: a decision about a request, and a render of a page.

``ISG(observer=...)`` takes callables that are given these, see `isgware.storage.observing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionEvent:
    """What a visitor got. ``at``: seconds since the epoch; ``path``: as the visitor sees it,
    percent-decoded; ``query``: as it was sent; ``route``: as it is counted; ``result``: ``hit``,
    ``stale``, ``miss``, ``revalidated``, ``bypass``, ``loading``, ``filled``, ``prefetch`` or
    ``pass``; ``reason``: the ``detail`` of ``Cache-Status``, if there is one."""

    kind: ClassVar[str] = "decision"

    at: float
    method: str
    scheme: str
    host: str
    path: str
    query: str
    route: str
    result: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderEvent:
    """A render of a page that has ended. ``at``: when it began, in seconds since the epoch;
    ``seconds``: how long it took; ``outcome``: ``rendered``, ``refused`` (the page may not be
    stored, for ``reason``) or ``failed``; ``status``: 0 if there is no answer; ``size``: bytes of
    the body; ``by``: who asked for it, ``visitor``, ``background``, ``worker``, ``build`` or
    ``regenerate``; ``unchanged``: status and body are those of the page that it replaces."""

    kind: ClassVar[str] = "render"

    at: float
    seconds: float
    scheme: str
    host: str
    path: str
    query: str
    route: str
    outcome: str
    reason: str = ""
    status: int = 0
    size: int = 0
    unchanged: bool = False
    by: str = ""


Event = DecisionEvent | RenderEvent
