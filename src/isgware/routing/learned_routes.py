"""*Learned routes*: what must be known about a URL before a key can be built, and is not declared.

That is which headers the URL varies by, and the policy of a view that was only seen running. It is
kept as notes in the backend under the URL's base key, so it survives restarts and is shared.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from ..backends.base import notes_of
from ..errors import BackendUnavailable
from ..storage.page_store import PageStore
from ..storage.process_cache import base_name

log: Final = logging.getLogger("isgware")
_MAX_LEARNED: Final = 8_192
_TTL: Final = 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class LearnedRoute:
    """What was learned about a URL. ``fingerprint``: the policy of its view, if learned.
    ``undeclared``: its pages are stored though nothing declares them. ``default``: the
    ``ISG(revalidate=)`` that made them storable, if nothing else did. ``http`` and ``nominated``
    are for responses to visitors' own requests: that one is stored, and the headers of its Vary
    fields."""

    vary: tuple[str, ...] = ()
    fingerprint: str = ""
    undeclared: bool = False
    vary_cookie: bool = False
    http: bool = False
    nominated: tuple[str, ...] = ()
    default: str = ""

    @property
    def kept(self) -> bool:
        """Whether pages of the URL are, or may be, stored."""
        return bool(self.http or self.undeclared or self.fingerprint)

    def encode(self) -> bytes:
        return json.dumps(dataclasses.asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes | None) -> LearnedRoute | None:
        if data is None:
            return None
        try:
            raw = json.loads(data)
            vary = tuple(str(name) for name in raw["vary"])
            nominated = tuple(str(name) for name in raw.get("nominated", ()))
            return cls(
                vary, str(raw["fingerprint"]), bool(raw["undeclared"]), bool(raw["vary_cookie"]),
                bool(raw.get("http")), nominated, str(raw.get("default", "")),
            )  # fmt: skip
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None


NOTHING_LEARNED: Final = LearnedRoute()


class LearnedRoutes:
    """The learned routes that this process has read, and the store's notes behind them."""

    def __init__(self, page_store: PageStore, now: Callable[[], float]) -> None:
        self._page_store = page_store
        self._now = now
        #: Each with the counter when it was read or written, and whether the store has it, too.
        self._known: dict[str, tuple[LearnedRoute, int, bool]] = {}

    def find(
        self, base: str, expected: Callable[[], str] | None = None, *, again: bool = False
    ) -> LearnedRoute:
        """What was learned of a URL; cached here until the backend announces a change.
        ``expected``: see `PageStore.read_note`.

        That pages of a URL are stored at all is not announced: a process that does not know renders
        at most once more. ``again``: look whether another process has learned it since.
        """
        mirror = self._page_store.mirror
        found = self._known.get(base)
        if found and found[1] >= max(mirror.forgotten, mirror.published.get(base_name(base), 0)):
            if not again or found[0].kept:
                return found[0]
        seen = mirror.counter
        try:
            note = self._page_store.read_note("s:" + base, expected)
        except BackendUnavailable:
            return found[0] if found else NOTHING_LEARNED
        learned_route = LearnedRoute.decode(note) or NOTHING_LEARNED
        self._keep(base, learned_route, seen)
        return learned_route

    def foresee(self, bases: Iterable[str]) -> None:
        """Read in one operation what has been learned of many URLs."""
        unknown = [base for base in dict.fromkeys(bases) if base not in self._known]
        backend, seen = self._page_store.backend, self._page_store.mirror.counter
        try:
            notes = notes_of(backend, ["s:" + base for base in unknown], self._now())
        except BackendUnavailable:
            return
        for base, note in zip(unknown, notes, strict=True):
            self._keep(base, LearnedRoute.decode(note) or NOTHING_LEARNED, seen)

    def stands(self, base: str, learned_route: LearnedRoute) -> bool:
        """Whether the store has this note, as far as is known here."""
        found = self._known.get(base)
        return found is not None and found[2] and found[0] == learned_route

    def learn(self, base: str, learned_route: LearnedRoute, *, announce: bool) -> None:
        """Store what was learned of a URL. ``announce``: keys change, so all processes must see
        it.
        """
        self.remember(base, learned_route)
        backend, seen = self._page_store.backend, self._page_store.mirror.counter
        try:
            if learned_route == NOTHING_LEARNED:
                backend.drop_note("s:" + base)
            else:
                backend.write_note("s:" + base, learned_route.encode(), _TTL, self._now())
            self._keep(base, learned_route, seen)
            if announce:
                backend.publish([base_name(base)])
        except BackendUnavailable as error:
            log.debug("What was learned of a URL stays in this process: %s", error)

    def remember(self, base: str, learned_route: LearnedRoute) -> None:
        """Cache what was learned of a URL in this process only."""
        self._keep(base, learned_route, self._page_store.mirror.counter, stands=False)

    def _keep(
        self, base: str, learned_route: LearnedRoute, seen: int, *, stands: bool = True
    ) -> None:
        if len(self._known) >= _MAX_LEARNED:
            self._known.clear()  # read again from the backend as needed
        self._known[base] = (learned_route, seen, stands)
