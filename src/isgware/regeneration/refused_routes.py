"""Routes whose pages may not be stored, and when another page of such a route is tried.

Each try costs the app one render more than without a cache, and if all pages of a route set a
cookie, none is ever stored. So the reason is remembered for the route. While it stays, further
pages are tried with a growing interval: after 64 skipped visits and a second, then 256 and two
seconds, and so on; on a route with few visitors after a minute, then two, up to an hour. A route of
which a page was once stored has pages of both kinds: there only many refusals in a row count.

Another page is tried at once when the policy changes, and when the app's own answer to a visitor
looks storable (`hints_at_change`). Hints that were wrong are counted, too, and followed less often.

Nothing is shared between processes: a new process, with new code, starts without this knowledge.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

_MAX_ROUTES: Final = 4_096
#: Refusals in a row until a route pauses, for a route without a stored page and for one with.
_TRIES: Final = 2
_TRIES_IF_STORED: Final = 32
#: Skipped visits until the next try; four times as many after each failed try.
_VISITS: Final = 64
#: Skipped visits until the next hint is followed, after a wrong one.
_VISITS_AFTER_HINT: Final = 16
_SECONDS: Final = 1.0
#: Seconds until a page is tried however few the visits are; doubled after each failed try.
_LONG: Final = 60.0
_LONGEST: Final = 3_600.0
#: Visits that look into the store first. After them those do that double their number, and one in
#: `_SELDOM`: a look costs as much as all else that isgware does for some dozens of such visits.
_LOOKUPS: Final = 16
_SELDOM: Final = 256
#: Reasons that show in the headers of each answer, to visitors with or without cookies.
_SHOWN: Final = frozenset({"private", "no-store", "vary-star", "revalidate-0"})


def looks_up(visits: int) -> bool:
    """Whether a visitor of a route looks into the store, where the ``visits`` before were in
    vain."""
    if visits < _LOOKUPS:
        return True
    return not visits % (_SELDOM if visits >= _SELDOM else 1 << visits.bit_length() - 1)


@dataclass(slots=True, eq=False)
class _Route:
    fingerprint: str
    reasons: set[str] = field(default_factory=set)
    reason: str = ""
    refused: int = 0
    stored: bool = False
    final: bool = False
    at: float = 0.0
    passed: int = 0
    wrong_hints: int = 0
    hint_at: int = 0
    hinted_key: str = ""

    @property
    def failed_tries(self) -> int:
        """Failed tries since the route was paused; negative if it is not paused yet."""
        return self.refused - (_TRIES_IF_STORED if self.stored else _TRIES)


class RefusedRoutes:
    """Bounded: at the limit the route whose last refusal is the oldest is dropped. Times are
    seconds."""

    def __init__(self) -> None:
        self._routes: OrderedDict[str, _Route] = OrderedDict()
        #: Incremented when a page may be tried, or found, that was skipped before.
        self.epoch = 0

    def knows(self, route: str) -> bool:
        return route in self._routes

    def tried_early(self, route: str, key: str) -> bool:
        """Whether this page was tried because the app's own answer looked storable."""
        known = self._routes.get(route)
        return known is not None and known.hinted_key == key

    def pause(self, route: str, fingerprint: str, now: float) -> str:
        """Why no page of a route is tried now; empty if one may be."""
        known = self._routes.get(route)
        if known is None or known.fingerprint != fingerprint:
            return ""
        if known.final:
            return known.reason
        failed = known.failed_tries
        if failed < 0:
            return ""
        # A time in the future was set before the clock was put back.
        elapsed = abs(now - known.at)
        failed = min(failed, 12)
        if known.passed >= _VISITS << 2 * failed and elapsed >= _SECONDS * 2**failed:
            return ""
        return "" if elapsed >= min(_LONG * 2**failed, _LONGEST) else known.reason

    def skips(self, route: str, fingerprint: str, now: float) -> str:
        """Why a visitor of the route gets the app's own answer without a look into the store, which
        has had no page of it for many visits; empty if the store is searched."""
        known = self._routes.get(route)
        if known is None or known.stored or known.hinted_key:
            return ""
        if looks_up(known.passed):
            return ""
        return self.pause(route, fingerprint, now)

    def passed(self, route: str) -> None:
        """A visitor got the app's own answer because pages of the route are refused."""
        if known := self._routes.get(route):
            known.passed += 1

    def trying(self, route: str, now: float) -> None:
        """A page is tried: others wait for its result."""
        known = self._routes.get(route)
        if known is not None and known.failed_tries >= 0:
            known.at, known.passed, known.hint_at = now, 0, 0

    def refuse(
        self, route: str, fingerprint: str, key: str, reason: str, now: float, *,
        final: bool = False,
    ) -> None:  # fmt: skip
        """A page of the route was refused; ``final``: this process tries no other."""
        known = self._routes.get(route)
        if known is None or known.fingerprint != fingerprint:
            known = self._keep(route, fingerprint)
        if known.failed_tries >= 0 and reason not in known.reasons:
            known.refused = _TRIES_IF_STORED if known.stored else _TRIES  # something has changed
        elif known.hinted_key != key or not key:
            known.refused += 1
        if key and known.hinted_key == key:
            known.wrong_hints, known.hinted_key = known.wrong_hints + 1, ""
        known.reason, known.at, known.final = reason, now, final
        if len(known.reasons) < 8:
            known.reasons.add(reason)
        self._routes.move_to_end(route)

    def found(self, route: str) -> None:
        """A page of the route is in the store, whatever others were refused for."""
        known = self._routes.get(route)
        if known is not None and not known.stored:
            known.stored = True
            self.epoch += 1

    def rendered(self, route: str, fingerprint: str) -> None:
        """A page of the route could be stored."""
        known = self._routes.get(route)
        if known is None or known.fingerprint != fingerprint:
            known = self._keep(route, fingerprint)
        self.epoch += not known.stored
        known.stored, known.final = True, False
        known.refused = known.wrong_hints = 0
        known.hinted_key = ""

    def _keep(self, route: str, fingerprint: str) -> _Route:
        known = self._routes[route] = _Route(fingerprint)
        while len(self._routes) > _MAX_ROUTES:
            self._routes.popitem(last=False)
        return known

    def hints_at_change(self, route: str, reason: str, *, cookies: bool) -> bool:
        """Whether the answer to a visitor's own request may show that ``reason`` no longer applies.
        With ``cookies``, a missing Set-Cookie shows nothing: the visitor may already have the
        cookie."""
        known = self._routes.get(route)
        if known is None or known.final:
            return False
        if not (reason in _SHOWN or reason.startswith("status-")):
            if reason != "set-cookie" or cookies:
                return False
        return (
            not known.wrong_hints
            or known.passed - known.hint_at >= _VISITS_AFTER_HINT << 2 * min(known.wrong_hints, 12)
        )

    def tries_early(self, route: str, key: str) -> None:
        """A page is tried because the answer to its visitor looked storable."""
        if known := self._routes.get(route):
            known.hinted_key, known.hint_at = key, known.passed
            self.epoch += 1
