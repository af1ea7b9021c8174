"""Which routes have pages that may not be stored, and when another page of them is tried.

Each try costs the app a render more than no cache would, and of a route whose pages all set a
cookie none is ever stored. So what a route was refused for is remembered, and further pages of it
are tried seldom and seldomer while that stays: after 64 visits that were passed over and a second,
then 256 and two seconds, and so on; a route with few visitors after a minute, then two, up to an
hour. A route of which a page was stored has pages of both kinds, and only many refusals in a row
count. At once another page is tried when the policy changes, and when the app's own answer to a
visitor looks as if it could be stored (`heeds`); of such signs those that misled are counted, too.

Nothing is shared between processes: a new one, with new code, begins anew.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

_MAX_ROUTES: Final = 4_096
#: So many refusals in a row are tried before a route pauses: of one that never had a page stored,
#: and of one that had.
_TRIES: Final = 2
_TRIES_OF_MIXED: Final = 32
#: Visits passed over until the next try; four times as many with each try in vain.
_VISITS: Final = 64
#: The same until the next sign is heeded, after one that misled.
_SIGNS: Final = 16
_SECONDS: Final = 1.0
#: Seconds after which a page is tried whatever the number of visits; twice as many with each.
_LONG: Final = 60.0
_LONGEST: Final = 3_600.0
#: A store without a page of the route is looked into by the first visits, then by one of these.
_LOOKS: Final = 16
#: Reasons that the head of an answer shows to everybody who asks, with cookies or without.
_SHOWN: Final = frozenset({"private", "no-store", "vary-star", "revalidate-0"})


@dataclass(slots=True)
class _Route:
    fingerprint: str
    reasons: set[str] = field(default_factory=set)
    reason: str = ""
    refused: int = 0
    stored: bool = False
    final: bool = False
    at: float = 0.0
    passed: int = 0
    signs: int = 0
    heeded_at: int = 0
    sign: str = ""

    @property
    def vain(self) -> int:
        """Tries in vain since the route pauses; negative while it does not yet."""
        return self.refused - (_TRIES_OF_MIXED if self.stored else _TRIES)


class RefusedRoutes:
    """At the limit the route that was refused longest ago is forgotten. Times are seconds."""

    def __init__(self) -> None:
        self._routes: OrderedDict[str, _Route] = OrderedDict()
        #: Grows when a page may be tried, or found, that was passed over before.
        self.epoch = 0

    def knows(self, route: str) -> bool:
        return route in self._routes

    def signed(self, route: str, key: str) -> bool:
        """Whether the answer to its own visitor looked as if this page could be stored."""
        known = self._routes.get(route)
        return known is not None and known.sign == key

    def pause(self, route: str, fingerprint: str, now: float) -> str:
        """Why no page of a route is tried now; empty if one may be."""
        known = self._routes.get(route)
        if known is None or known.fingerprint != fingerprint:
            return ""
        if known.final:
            return known.reason
        vain = known.vain
        if vain < 0:
            return ""
        # A time from the future was set by a clock that has since been put back.
        elapsed = abs(now - known.at)
        vain = min(vain, 12)
        if known.passed >= _VISITS << 2 * vain and elapsed >= _SECONDS * 2**vain:
            return ""
        return "" if elapsed >= min(_LONG * 2**vain, _LONGEST) else known.reason

    def skips(self, route: str, fingerprint: str, now: float) -> str:
        """Why a visitor of the route gets the app's own answer without a look into the store, which
        has had no page of it for many visits; empty if it is looked into."""
        known = self._routes.get(route)
        if known is None or known.stored or known.sign:
            return ""
        if known.passed < _LOOKS or not known.passed % _LOOKS:
            return ""
        return self.pause(route, fingerprint, now)

    def passed(self, route: str) -> None:
        """A visitor got the app's own answer for what became of the route's pages."""
        if known := self._routes.get(route):
            known.passed += 1

    def trying(self, route: str, now: float) -> None:
        """A page is tried: others wait for what comes of it."""
        known = self._routes.get(route)
        if known is not None and known.vain >= 0:
            known.at, known.passed, known.heeded_at = now, 0, 0

    def refuse(
        self, route: str, fingerprint: str, key: str, reason: str, now: float, *,
        final: bool = False,
    ) -> None:  # fmt: skip
        """A page of the route was refused; ``final``: none is tried again by this process."""
        known = self._routes.get(route)
        if known is None or known.fingerprint != fingerprint:
            known = self._keep(route, fingerprint)
        if known.vain >= 0 and reason not in known.reasons:
            known.refused = _TRIES_OF_MIXED if known.stored else _TRIES  # something has changed
        elif known.sign != key or not key:
            known.refused += 1
        if key and known.sign == key:
            known.signs, known.sign = known.signs + 1, ""
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
        known.refused = known.signs = 0
        known.sign = ""

    def _keep(self, route: str, fingerprint: str) -> _Route:
        known = self._routes[route] = _Route(fingerprint)
        while len(self._routes) > _MAX_ROUTES:
            self._routes.popitem(last=False)
        return known

    def heeds(self, route: str, reason: str, *, cookies: bool) -> bool:
        """Whether the answer to a visitor's own request may show that the ``reason`` is gone. One
        who has ``cookies`` may have been given theirs before."""
        known = self._routes.get(route)
        if known is None or known.final:
            return False
        if not (reason in _SHOWN or reason.startswith("status-")):
            if reason != "set-cookie" or cookies:
                return False
        return not known.signs or known.passed - known.heeded_at >= _SIGNS << 2 * min(
            known.signs, 12
        )

    def heed(self, route: str, key: str) -> None:
        """A page is tried since the answer to its visitor looked as if it could be stored."""
        if known := self._routes.get(route):
            known.sign, known.heeded_at = key, known.passed
            self.epoch += 1
