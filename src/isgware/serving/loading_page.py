"""What a visitor gets in place of a page that is not stored yet.

With ``fallback="not-found"`` that is a 404 if `listed_paths` says that the page does not exist.

With ``fallback="loading"`` the first visitor of a page gets a loading page at once, and the
promised render starts. Only those get one who open the page in a browser window
(`browser_navigation`). Everybody else waits, as with ``"blocking"``.

A promise is given once. If the render ends without a page (it failed, or its answer may not be
stored), or the page was not kept, the next visitor waits and gets the app's answer. So nobody is
sent from one loading page to the next. The script of a loading page asks for the progress of its
render by a HEAD request with the page's key. That is answered at once and never by the app; at most
it starts the render that a visit would start.
"""

from __future__ import annotations

import dataclasses
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..after_fork import OwnLock
from ..core.cache_key import Visitor
from ..core.decide import Action, Decision
from ..core.freshness import State
from ..http import cache_status as status
from ..regeneration.outcomes import Outcomes
from ..routing.planner import Planner, Target, shown
from ..settings import Settings
from ..storage.page_store import PageStore
from ..storage.process_cache import Page
from .answer import Reply
from .browser_navigation import is_bot, navigates
from .listed_paths import Listings
from .loading_page_html import BUILT_IN, Template, template, text_of

log: Final = logging.getLogger("isgware")
#: Seconds for which a promise is remembered. A visitor who comes back later gets a new one.
_REMEMBERED: Final = 60.0
_MAX_PROMISED: Final = 8_192
_KEY: Final = re.compile(r"[0-9a-f]{40}\Z")
_APP: Final = "app:"


class Fallback:
    """``under_way``: whether this process renders a key or is about to. ``start`` queues an urgent
    render and returns whether that was possible. ``background`` runs named work soon."""

    def __init__(
        self,
        settings: Settings,
        planner: Planner,
        page_store: PageStore,
        outcomes: Outcomes,
        *,
        under_way: Callable[[str], bool],
        start: Callable[[Target], bool],
        background: Callable[[str, Callable[[], None]], object],
        now: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._planner = planner
        self._page_store = page_store
        self._outcomes = outcomes
        self._under_way = under_way
        self._start = start
        self.listings = Listings(
            planner.paths, now, lambda: page_store.mirror.counter, background, settings.wait_time
        )
        self._promised: OrderedDict[str, float] = OrderedDict()
        self._renders: dict[str, set[str]] = {}  # keys being rendered, by route
        self._lock = OwnLock()
        self._templates: dict[str | Path, Template] = {}
        self._of_app: dict[str, tuple[Page, Template]] = {}

    def after_fork(self) -> None:
        """Forget the renders of the parent process."""
        self._renders = {}
        self.listings.after_fork()

    def unlisted(self, target: Target, state: State | None, decision: Decision) -> bool:
        """Whether a page that is not stored does not exist, according to its route's list."""
        return (
            target.policy.fallback == "not-found"
            and decision.action is not Action.SERVE
            and state not in (State.FRESH, State.STALE)
            and self.listings.lacks(target)
        )

    def loading(
        self, visitor: Visitor, target: Target, state: State | None, decision: Decision
    ) -> Reply | None:
        """The loading page, or the answer to its script; ``None``: as decided before."""
        asked = _polled(visitor)
        if asked:
            return self._progress(target, asked, state, decision)
        if not self.offers(visitor, target, state, decision) or not self.promise(target):
            return None
        return _page(self._template(visitor, target), target.key)

    def offers(
        self, visitor: Visitor, target: Target, state: State | None, decision: Decision
    ) -> bool:
        """Whether this visitor would get the loading page, if a render can be promised."""
        return (
            target.policy.fallback == "loading"
            and decision.action is Action.RENDER
            and state is None
            and navigates(visitor)
            and not self._is_bot(visitor)
        )

    def promise(self, target: Target) -> bool:
        """Whether the page is being rendered, or its render was started now. False: the visitor
        waits, since the page was tried, or since too many others of its route are being rendered.
        """
        key = target.key
        if self._under_way(key):
            return not self._outcomes.fails(key)  # or another try of a failed render is running
        over = self._over(key)  # may ask the store, so before the lock
        with self._lock():
            if self._under_way(key):  # promised to another visitor meanwhile
                return not self._outcomes.fails(key)
            if over or self._tried(key):
                return False
            if not self._has_room(target.route) or not self._start(target):
                return False
            self._renders.setdefault(target.route, set()).add(key)
            self._promised[key] = time.monotonic()
            self._promised.move_to_end(key)
            while len(self._promised) > _MAX_PROMISED:
                self._promised.popitem(last=False)
        return True

    def foresees(
        self, visitor: Visitor, target: Target, state: State | None, decision: Decision
    ) -> bool:
        """Whether this visitor would get the loading page. Starts nothing."""
        if not self.offers(visitor, target, state, decision):
            return False
        if self._under_way(target.key):
            return not self._outcomes.fails(target.key)
        with self._lock():
            return self._has_room(target.route) and not self._over(target.key)

    def _has_room(self, route: str) -> bool:
        renders = self._renders.get(route, set())
        if len(renders) >= self._settings.loading_renders:
            renders -= {key for key in renders if not self._under_way(key)}
        return len(renders) < self._settings.loading_renders

    def _over(self, key: str) -> bool:
        """Whether the page was tried, here or elsewhere, and is still missing."""
        return self._tried(key) or self._outcomes.failed_somewhere(key)

    def _tried(self, key: str) -> bool:
        """Whether a promise was given recently, and its render has ended here. If that found
        another process rendering, the promise may be repeated."""
        at = self._promised.get(key)
        if at is None or time.monotonic() - at > _REMEMBERED:
            return False
        return not self._outcomes.elsewhere(key)

    def _is_bot(self, visitor: Visitor) -> bool:
        chosen = self._settings.is_bot
        if chosen is None:
            return is_bot(visitor)
        if isinstance(chosen, re.Pattern):
            return chosen.search(visitor.header("User-Agent") or "") is not None
        try:
            return bool(chosen(shown(visitor)))
        except Exception:
            log.exception("is_bot= raised; the visitor waits for the page.")
            return True

    # The script's question.

    def _progress(
        self, target: Target, key: str, state: State | None, decision: Decision
    ) -> Reply | None:
        if key != target.key:  # a page that varies by a header in which fetch and navigation differ
            state = self._page_store.find(key, target.base, target.policy.fingerprint)[1]
            rendering = state is None and (self._under_way(key) or not self._over(key))
        elif decision.action is Action.SERVE:
            return None  # the page's own HEAD answer says the same
        else:
            rendering = decision.action is Action.RENDER and state is None and self.promise(target)
        if rendering:
            return _said("rendering", "202 Accepted")
        failed = state is None and self._outcomes.fails(key)
        return _said("failed" if failed else "ready", "204 No Content")

    # The page's text.

    def _template(self, visitor: Visitor, target: Target) -> Template:
        chosen = target.policy.loading_page or self._settings.loading_page
        if chosen is None:
            return BUILT_IN
        if isinstance(chosen, str) and chosen.startswith(_APP):
            return self._rendered_by_app(chosen.removeprefix(_APP), visitor)
        made = self._templates.get(chosen)
        if made is None:
            try:
                made = template(text_of(chosen))
            except (OSError, UnicodeDecodeError) as error:
                log.error("loading_page=%r: %s; the built-in page is shown.", str(chosen), error)
                made = BUILT_IN
            self._templates[chosen] = made
        return made

    def _rendered_by_app(self, path: str, visitor: Visitor) -> Template:
        """A page of the app that was stored before; until it is, the built-in one."""
        headers = {
            name: value for name, value in visitor.headers.items() if name.startswith("HTTP_ACCEPT")
        }
        plain = dataclasses.replace(
            visitor, path=path.encode().decode("latin-1"), query="", headers=headers
        )
        plan = self._planner.plan(plain, serving=True)
        target = plan.target if plan is not None and not plan.bypass else None
        if target is None:
            log.error("loading_page='app:%s' is no page that is kept; declare its route.", path)
            return BUILT_IN
        page, state = self._page_store.find(target.key, target.base, target.policy.fingerprint)
        if state is not State.FRESH:
            self._start(target)
        if page is None or state is State.GONE or page.entry.code != 200:
            return BUILT_IN
        known = self._of_app.get(target.key)
        if known is None or known[0] is not page:
            if len(self._of_app) >= 64:
                self._of_app.clear()
            text = page.entry.body.decode("utf-8", "replace")
            known = self._of_app[target.key] = page, template(text)
        return known[1]


def _polled(visitor: Visitor) -> str:
    """The key that the script of a loading page asks about; other values are ignored."""
    said = visitor.header("X-ISG-Poll") if visitor.method == "HEAD" else None
    return said if said is not None and _KEY.match(said) else ""


def _page(made: Template, key: str) -> Reply:
    body = made.body(key)
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("X-Robots-Tag", "noindex"),
        *_said_always(),
    ]
    if made.policy:
        headers.append(("Content-Security-Policy", made.policy))
    return Reply("200 OK", tuple(headers), body)


def _said(progress: str, line: str) -> Reply:
    length = (("Content-Length", "0"),) if line.startswith("202") else ()
    return Reply(line, (*length, ("X-ISG-Poll", progress), *_said_always()))


def _said_always() -> tuple[tuple[str, str], ...]:
    return (
        ("Cache-Control", "no-store"),
        ("X-ISG-Cache", "LOADING"),
        ("Cache-Status", status.forwarded("uri-miss", detail="loading")),
    )
