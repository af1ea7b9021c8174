"""`Target`: a page that may be rendered, as `planner` makes it of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.cache_key import Request
from ..core.render_log import VISITOR
from ..policy import Policy


@dataclass(frozen=True, slots=True)
class Target:
    """A page that may be rendered: plain values, all that a regeneration needs.

    ``names`` are those by which it can be invalidated, as far as they are known before its render.
    ``forced``: the page may be much shorter than the one before, whatever its policy says. ``by``:
    who asks for its render, see `core.render_log`.
    """

    request: Request
    key: str
    base: str
    route: str
    policy: Policy
    declared: bool
    tags: tuple[str, ...]
    keyed: frozenset[str]
    names: tuple[str, ...]
    #: The fingerprint of the decorator that must run for the page to be stored, if it has one.
    decorator: str = ""
    #: Of the ``keyed`` headers, those that are keyed by their best match in a learned list.
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    forced: bool = False
    by: str = VISITOR

    @property
    def group(self) -> str:
        """Pages that are refused together: those of a route, or of an undeclared URL."""
        return self.route if self.declared else "url:" + self.base
