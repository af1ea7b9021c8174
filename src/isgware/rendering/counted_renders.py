"""A `Producer` whose renders are counted and passed to observers."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from ..core.cache_key import decoded
from ..core.stored_page import Entry
from ..routing.target import Target
from ..storage.counting import Counts
from ..storage.observing import Observing
from .clean_room import GIVEN_UP, entering
from .producer import Producer
from .result import Failed, Made, Refused


class CountedProducer(Producer):
    """Counts each render by route and outcome: ``rendered``, ``refused`` (the page may not be
    stored) or ``failed``."""

    def __init__(self, counts: Counts, observing: Observing, *args: Any) -> None:
        super().__init__(*args)
        self._counts = counts
        self._observing = observing

    def attempt(
        self, target: Target, replaces: Entry | None, wanted: Callable[[], bool] = lambda: True
    ) -> Made | Refused | Failed:
        if not self._observing.spans:
            return self._attempt(target, replaces, wanted)
        with self._observing.around(_path(target)) as enter:
            token = entering.set(enter)
            try:
                return self._attempt(target, replaces, wanted)
            finally:
                entering.reset(token)

    def _attempt(
        self, target: Target, replaces: Entry | None, wanted: Callable[[], bool]
    ) -> Made | Refused | Failed:
        began, started = self._now(), time.perf_counter()
        made = super().attempt(target, replaces, wanted)
        seconds = time.perf_counter() - started
        if isinstance(made, Made):
            self._rendered(target, made, began)
            return made
        given_up = made == Refused(GIVEN_UP)
        outcome = "refused" if isinstance(made, Refused) and not given_up else "failed"
        route = self._planner.names.of_page(target.route, target.request)
        self._counts.rendered(route, outcome, seconds)
        if self._observing.active:
            self._tell(target, began, route=route, outcome=outcome, seconds=seconds,
                       reason=made.reason, status=_status(made))  # fmt: skip
        return dataclasses.replace(made, seconds=seconds)

    def _rendered(self, target: Target, made: Made, began: float) -> None:
        entry, size, unchanged = made.entry, len(made.entry.body), made.unchanged
        route, seconds = (
            self._planner.names.of_page(entry.route, target.request),
            entry.render_seconds,
        )
        self._counts.takes(route, seconds)
        self._counts.rendered(route, "rendered", seconds, size, unchanged=unchanged)
        if self._observing.active:
            self._tell(target, began, route=route, outcome="rendered", seconds=seconds,
                       status=entry.code, size=size, unchanged=unchanged)  # fmt: skip

    def _tell(self, target: Target, began: float, **told: Any) -> None:
        from ..events import RenderEvent  # for those who have observers

        at = target.request
        event = RenderEvent(
            at=began,
            by=target.by,
            scheme=at.scheme,
            host=at.host,
            path=_path(target),
            query=at.query,
            **told,
        )
        self._observing.tell(event)


def _path(target: Target) -> str:
    return decoded(target.request.script_name + target.request.path)


def _status(made: Refused | Failed) -> int:
    response = getattr(made, "response", None)
    return int(response.status[:3]) if response is not None else 0
