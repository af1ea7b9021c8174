"""`Rates`: what happens in a fleet per second, over the last minute or two, as its store tells."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..backends.base import MINUTES
from ..backends.breaker import Breaker
from ..core import series
from ..core.series import parts_of
from ..storage.counting import SERVED, wants_page


@dataclass(frozen=True, slots=True)
class Rates:
    """All per second. ``requests``: by route, result and reason, the most frequent first;
    ``hit_ratio``: of GET and HEAD requests, ``None`` without any; ``window``: seconds over which
    they were counted."""

    window: float = 0.0
    total: float = 0.0
    hit_ratio: float | None = None
    renders: float = 0.0
    requests: dict[tuple[str, str, str], float] = field(default_factory=dict)


def rates(store: Breaker, now: float) -> Rates:
    """Over the current minute and the one before. Raises `BackendUnavailable`."""
    begin = now // MINUTES * MINUTES - MINUTES
    window = now - begin
    requests: Counter[tuple[str, str, str]] = Counter()
    renders = 0.0
    for _, name, amount in store.counts_between(MINUTES, begin, now):
        kind, *labels = parts_of(name) or ("",)
        if kind == series.REQUESTS and len(labels) == 3:
            requests[labels[0], labels[1], labels[2]] += int(amount)
        elif kind == series.RENDERS:
            renders += amount
    asked = [
        (result, number)
        for (_, result, reason), number in requests.items()
        if wants_page(result, reason)
    ]
    pages = sum(number for _, number in asked)
    served = sum(number for result, number in asked if result in SERVED)
    return Rates(
        window=window,
        total=requests.total() / window,
        hit_ratio=served / pages if pages else None,
        renders=renders / window,
        requests={at: number / window for at, number in requests.most_common()},
    )
