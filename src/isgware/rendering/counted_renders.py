"""A `Producer` whose renders are counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..core.stored_page import Entry
from ..routing.target import Target
from ..storage.counting import Counts
from .producer import Producer
from .result import Failed, Made, Refused


class CountedProducer(Producer):
    """Counts each render by route and outcome: ``rendered``, ``refused`` (the page may not be
    stored) or ``failed``."""

    def __init__(self, counts: Counts, *args: Any) -> None:
        super().__init__(*args)
        self._counts = counts

    def attempt(
        self, target: Target, replaces: Entry | None, wanted: Callable[[], bool] = lambda: True
    ) -> Made | Refused | Failed:
        started = time.perf_counter()
        made = super().attempt(target, replaces, wanted)
        if not isinstance(made, Made):
            outcome = "refused" if isinstance(made, Refused) else "failed"
            self._counts.rendered(target.route, outcome, time.perf_counter() - started)
            return made
        entry = made.entry
        self._counts.takes(entry.route, entry.render_seconds)
        self._counts.rendered(
            entry.route, "rendered", entry.render_seconds, len(entry.body),
            unchanged=made.unchanged,
        )  # fmt: skip
        return made
