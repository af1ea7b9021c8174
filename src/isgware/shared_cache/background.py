"""Validates stale responses in the background (``stale-while-revalidate``), on a pool thread. The
request to the app and the handling of its response are those of `forward`, except that no visitor
made the request.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Final

from ..backends.base import Lease
from ..core.cache_key import Visitor
from ..core.freshness import State
from ..core.storable import Refusal
from ..errors import BackendUnavailable
from ..http.validation import conditions, updated
from ..policy import NOTHING
from ..regeneration.local_queue import Work
from ..render_context import Rendering
from ..rendering.clean_room import Unfit, WSGIApp, render
from ..serving.engine import Engine
from ..storage.process_cache import Page
from .locations import Exchange, Place
from .response_entry import confirms
from .responses import ResponseStore
from .rules import may_store, withdraws

log: Final = logging.getLogger("isgware")


class Background:
    def __init__(self, engine: Engine, response_store: ResponseStore, application: WSGIApp) -> None:
        self._engine = engine
        self._response_store = response_store
        self._application = application

    def refresh(self, place: Place) -> bool:
        """Queue the validation of a page, or a new request for it. False if the queue is full."""
        engine = self._engine
        key = "own:" + place.key
        try:
            if engine.background.pool.count_request(key) or not engine.outcomes.due(place.key):
                return True
            engine.renderer.maintenance.start()
            ended = threading.Event()
            leases: list[Lease] = []

            def give_up() -> None:
                ended.set()
                for lease in leases:
                    engine.renderer.maintenance.end(lease)

            work = Work(key, lambda: self._refresh(place, ended, leases), give_up)
            return engine.background.pool.submit(work)
        except Exception:  # the visitor has a page all the same
            log.exception("%s could not be revalidated.", place.url)
            return False

    def _refresh(self, place: Place, ended: threading.Event, leases: list[Lease]) -> None:
        """Send a request of nobody's: it has only those fields of the first visitor that Vary
        names. ``ended``: set if it was given up. ``leases``: gets its lease."""
        engine = self._engine
        engine.page_store.begin()
        engine.page_store.sync()
        page, state = engine.page_store.find(place.key, place.base, NOTHING.fingerprint, again=True)
        if page is None or state is State.FRESH or state is State.GONE:
            return  # purged since: its validators must not bring it back
        try:
            lease = engine.page_store.acquire(place.key, engine.settings.lease_time, page.names)
            if lease is None:
                return
        except BackendUnavailable:
            lease = None
        if lease is not None:
            leases.append(lease)
            engine.renderer.maintenance.hold(lease)
        try:
            reason = self._renew(place, page, ended)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        finally:
            engine.renderer.maintenance.end(lease)
        failures = engine.outcomes.failures
        if reason:
            log.warning("%s could not be revalidated: %s", place.url, reason)
            failures.add(place.key, engine.now(), reason, page.entry.revalidate or 1.0, False)
        else:
            failures.clear(place.key)

    def _renew(self, place: Place, page: Page, ended: threading.Event) -> str:
        """Ask the app; returns why the page stays as it is, or an empty string."""
        response_store, request, entry = self._response_store, place.request, page.entry
        visitor = Visitor(
            "GET", request.scheme, request.host, request.script_name, request.path, "", {}
        )
        rendering = Rendering(True, request.scheme, request.host, request.script_name)
        exchange = Exchange(response_store.begin(visitor), rendering, self._engine.now())
        found: Mapping[str, str] = conditions(entry.validator, entry.last_modified)
        settings = self._engine.settings
        response = render(
            self._application, request, rendering, settings.max_page, found,
            seconds=settings.render_timeout, wanted=lambda: not ended.is_set(),
        )  # fmt: skip
        if ended.is_set():
            return "it took too long"
        if isinstance(response, Unfit):
            response_store.drop(place, exchange)
            return ""
        if response.code == 304 and found and confirms(response.headers, entry):
            fresh = updated(entry.headers, response.headers)
            response_store.update(place, page, fresh, response.headers, exchange)
            return ""
        if response.code >= 500 or response.code == 304:
            return f"status {response.status}"
        now = self._engine.now()
        verdict = may_store(
            response.status, response.headers, credentials=False, requested=exchange.requested,
            received=now, heuristic=self._engine.settings.heuristic,
        )  # fmt: skip
        if rendering.refused:
            verdict = Refusal("no-store")
        if isinstance(verdict, Refusal):
            if withdraws(response.status, verdict):
                response_store.withdraw(place, exchange)
            elif response.code >= 400:
                return f"status {response.status}"
            else:
                response_store.drop(place, exchange)
        elif not place.tells_apart(verdict.vary):
            response_store.drop(place, exchange)  # the next visitor asks the app
        else:
            status, headers, body = response.status, response.headers, response.body
            response_store.keep(place, status, headers, body, verdict, now, exchange)
        return ""
