"""From a `Target` to an outcome: render in the clean room, decide (`page_maker`), encode, store.

Every page is made here, for visitors who wait and in the background alike.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Final

from ..core.page_versions import has_versions, packed
from ..core.storable import ViewDirectives, unread
from ..core.stored_page import Entry
from ..recording import Recording
from ..render_context import Rendering
from ..routing.learned_routes import LearnedRoute
from ..routing.planner import Planner, Target
from ..settings import Settings
from ..storage.page_store import PageStore
from .clean_room import GIVEN_UP, Unfit, WSGIApp, render
from .compress import encoded, encoders
from .notices import Notices
from .page_maker import PageMaker
from .placeholders import PlaceholderMaker
from .result import Elsewhere, Failed, Made, Outcome, Refused, Rendered
from .value_holes import for_one_visitor

log: Final = logging.getLogger("isgware")


class Producer:
    """Makes the pages of one app."""

    def __init__(
        self,
        application: WSGIApp,
        settings: Settings,
        planner: Planner,
        page_store: PageStore,
        now: Callable[[], float],
        records: bool = False,
        secret: Callable[[], str] = str,
        linked_mount: Callable[[str], str] = str,
    ) -> None:
        self._application = application
        self._settings = settings
        self._planner = planner
        self._page_store = page_store
        self._now = now
        self._encoders = encoders(settings.compress)
        self._records = records
        self._placeholders = PlaceholderMaker(application, settings, records, secret, linked_mount)
        self._notices = Notices()
        self._maker = PageMaker(
            settings, planner, page_store.memory, self._placeholders, self._notices, now
        )

    def produce(
        self,
        target: Target,
        order: int,
        replaces: Entry | None,
        wanted: Callable[[], bool],
        generation: Callable[[Entry], int] | None = None,
    ) -> Outcome:
        """Render ``target`` and store the page. ``order`` is that of its lease. ``wanted`` is
        called before the page is stored, since a render that was given up must not be.
        ``generation`` may return another generation for the page than the one its render began in.
        """
        mirror = self._page_store.mirror
        began, nonce = mirror.counter, mirror.nonce
        made = self.attempt(target, replaces, wanted)
        if not isinstance(made, Made):
            return Elsewhere() if made == Refused(GIVEN_UP) else made
        if not wanted():
            return Elsewhere()
        made = self.finish(made)
        return self.keep(
            target, made, order, generation(made.entry) if generation else began, nonce
        )

    def finish(self, made: Made) -> Made:
        """The page with its encodings, which are not needed to decide about it."""
        entry, found = made.entry, (made.entry.encodings, made.entry.pieces)
        wanted = {"gzip"} if entry.places else set(self._encoders)
        if not made.unchanged or set(entry.encodings) != wanted:
            found = encoded(entry, self._encoders)
        version = b""
        if self._settings.history and made.replaces is not None and not made.unchanged:
            version = packed(made.replaces) if has_versions(made.replaces) else b""
        return made._replace(encodings=found[0], pieces=found[1], version=version)

    def keep(self, target: Target, made: Made, order: int, generation: int, nonce: str) -> Rendered:
        """Store the result of `attempt`, with the order of its lease and the state of the table of
        invalidations when it began."""
        made, generation = self._past_own_writes(made, generation)
        entry = dataclasses.replace(
            made.entry, generation=generation, nonce=nonce, order=order, encodings=made.encodings,
            pieces=made.pieces, depended=made.depended,
        )  # fmt: skip
        page, stored = self._page_store.keep(
            entry, target.base, made.replaces, made.depending, made.version
        )
        self._notices.reads(entry)
        self._learn(target, made)
        return Rendered(page, made.learned, stored)

    def attempt(
        self, target: Target, replaces: Entry | None, wanted: Callable[[], bool] = lambda: True
    ) -> Made | Refused | Failed:
        """Render ``target`` and decide about it, without storing it. ``wanted`` is called at each
        chunk of the body: a render that was given up must stop."""
        request = target.request
        rendering = Rendering(
            True, request.scheme, request.host, request.script_name, key=target.key,
            mapped=self._planner.declarations.has_url_map,
            recording=Recording() if self._records else None, holes=self._placeholders.markers(),
        )  # fmt: skip
        dependencies = self._page_store.dependencies
        began_reading = None
        if dependencies is not None:
            from ..core.database_reads import DatabaseReads
            from ..core.dependency_names import hashed

            page = hashed("page", target.key)
            rendering.database, began_reading = DatabaseReads(page), dependencies.begin()
        started, clock = self._now(), time.perf_counter()
        try:
            response = render(
                self._application, request, rendering, self._settings.max_page,
                seconds=self._settings.render_timeout, wanted=wanted,
            )  # fmt: skip
        except Exception as error:
            return self._notices.failed(target, f"{type(error).__name__}: {error}", error=error)
        took = time.perf_counter() - clock
        of_view = ViewDirectives(rendering.revalidate, rendering.expire, rendering.refused)
        if isinstance(response, Unfit):
            if response.reason == GIVEN_UP:
                return Refused(GIVEN_UP)
            return self._notices.refused(target, unread(response.head, of_view, response.reason))
        if response.status[:1] == "5":
            failed = self._notices.failed(target, f"status {response.status}", response)
            made = rendering.recording is not None and bool(rendering.recording.tokens)
            personal = for_one_visitor(response, rendering.finders, made)
            return dataclasses.replace(failed, error=rendering.error, personal=personal)
        self._notices.works(target.route)
        made_page = self._maker.page(target, response, rendering, replaces, (started, took))
        if dependencies is None or began_reading is None or not isinstance(made_page, Made):
            return made_page
        depended, depending = dependencies.finish(rendering.database, began_reading)
        own = rendering.database.own.get(id(self._page_store), (0, 0))
        return made_page._replace(depended=depended, depending=depending, own_writes=own)

    def _past_own_writes(self, made: Made, generation: int) -> tuple[Made, int]:
        """What a render writes renews other pages, not its own."""
        dependencies = self._page_store.dependencies
        if dependencies is None or made.depending is None or not made.own_writes[0]:
            return made, generation

        def counter() -> int:
            self._page_store.sync()
            return self._page_store.mirror.counter

        depending, generation = dependencies.past_own_writes(
            made.depending, made.own_writes, counter, generation
        )
        return made._replace(depending=depending), generation

    def _learn(self, target: Target, made: Made) -> None:
        known = self._planner.learned_route(target.base)
        learned_route = LearnedRoute(
            tuple(sorted({*known.vary, *made.learned})),
            made.said,
            not made.declared,
            (known.vary_cookie or made.entry.vary_cookie) and made.entry.reads is None,
            known.http,
            known.nominated,
            made.default,
        )
        if made.said:
            self._planner.declarations.met(target.base)
        if learned_route != known or not self._planner.learned_routes.stands(
            target.base, learned_route
        ):
            self._planner.learn(
                target.base, learned_route, announce=learned_route.vary != known.vary
            )
