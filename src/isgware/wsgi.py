"""`ISG`: wraps a WSGI app. This module is the way of a request: the hit path at its top, and what
to do when it is not a plain hit below. Nothing starts, and nothing is opened, at construction."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any, Final, cast

from .after_fork import settling
from .backends.base import live_version
from .backends.read_ahead import ReadAhead
from .core.cache_key import Visitor
from .core.preconditions import NOT_MODIFIED
from .core.reads import joined_reads, shape_of
from .core.redirects import location_for
from .errors import ConfigurationError
from .management.control_endpoint import Control
from .management.log import log_decision, log_to_stderr
from .management.operations import Operations
from .management.regenerate_now import Verbs
from .page import Rendering
from .regeneration.handoff import JobExecutor
from .rendering.clean_room import MARK, StartResponse, WSGIApp
from .routing.drafts import COOKIE, Drafts
from .routing.framework import Site
from .routing.inner_caches import warn_of_inner_caches
from .runtime import engine_of
from .serving.engine import Answer
from .serving.filling import fill
from .serving.hole_filling import fill_holes
from .serving.learning import Learner
from .serving.passthrough import Environ, call, not_there, passed_by, rendering_of, visitor_of
from .serving.prepared_hits import (
    CREDENTIALS,
    PreparedFill,
    PreparedHit,
    PreparedStale,
    credentials_unlisted,
    target_of,
)
from .serving.refused_urls import RefusedURLs
from .serving.stored_answer import stored_answer
from .serving.unsafe_methods import unsafe
from .settings import Settings
from .shared_cache.cache import REROUTED, SharedCache
from .shared_cache.responses import ResponseStore
from .storage.catalogue import Catalogue
from .storage.open_store import open_store
from .storage.process_cache import Memory, Page, Raw, worth_remembering

log: Final = logging.getLogger("isgware")
#: For how long an URL that had nothing to be learned from passes without being looked at.
_PASS_SECONDS: Final = 5.0
_MAX_PASSED: Final = 8_192
#: The request line in parts; `ISG._raw` puts together the same of one that lacks some.
_UNENCODED: Final[Callable[[Environ], Raw]] = itemgetter(
    "REQUEST_METHOD", "wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"
)
_ENCODED: Final[Callable[[Environ], Raw]] = itemgetter(
    "REQUEST_METHOD", "wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING",
    "HTTP_ACCEPT_ENCODING",
)  # fmt: skip


class ISG(Operations):
    """Incremental static regeneration around a WSGI app: ``application = ISG(application)``.

    Keyword arguments are the options of `isgware.settings.Settings`. Raises `ConfigurationError`
    for an option that is unknown or cannot be used.
    """

    def __init__(
        self,
        application: WSGIApp,
        *,
        site: Site | None = None,
        framework: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        if not callable(application):
            raise ConfigurationError(f"ISG({application!r}): give a WSGI application.")
        self.application = application
        self.settings = settings = Settings.load(options, framework, os.environ)
        self.site = site or Site()
        self._clock: Callable[[], float] = settings.clock or (lambda: time.time())
        self._backend = breaker = open_store(settings)
        self._memory = Memory(settings.memory)
        self._memo = cast(dict[Raw, PreparedHit], self._memory.memo)
        self._own_clock = settings.clock
        self._version = live_version(breaker.backend)
        drafts = Drafts(settings.secret, self._clock) if settings.secret else None
        self.engine = engine_of(
            application, settings, self.site, breaker, self._memory, drafts, self._clock
        )
        self._visitors = self.engine.visitors
        self.engine.maintenance.tasks += [self._probe, self.engine.page_store.maintain]
        self.catalogue = Catalogue(self.engine.page_store, settings.build_id, self._clock)
        self.verbs = Verbs(self.engine, self.catalogue, self.site)
        self._learner = Learner(self.engine, self.site)
        self._shared_cache: SharedCache | None = None
        if settings.cache_control == "full":
            response_store = ResponseStore(self.engine, self.site, drafts)
            self._shared_cache = SharedCache(
                self.engine, self._learner, response_store, application, self._serve
            )
        self._mode = "" if settings.enabled is None else _MODES[settings.enabled]
        self._origin_headers = self.site.origin_headers
        self._watched = (*self.site.bypass_cookies, *((COOKIE,) if drafts else ()))
        if self._shared_cache is not None:
            self._origin_headers += REROUTED
            self._watched += self.site.language_cookies
        self._control = Control(self, settings, drafts) if settings.secret and drafts else None
        if settings.debug or settings.enabled == "report":
            log_to_stderr()
        self._pid = os.getpid()
        self._passed: dict[Raw, float] = {}
        self._refused_urls = RefusedURLs(self.engine.outcomes.routes)
        self._wary = self._searched = False
        if isinstance(settings.executor, JobExecutor):
            settings.executor.bind(self)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            raw = _ENCODED(environ) if "HTTP_ACCEPT_ENCODING" in environ else _UNENCODED(environ)
            if self._origin_headers and not environ.keys().isdisjoint(self._origin_headers):
                raw = self._origin_of(environ), raw
            ready = self._memo[raw]
        except KeyError:  # nothing ready; or a server left something out: the slow way has defaults
            ready = None
        if ready is None:  # not in the except clause: what the app raises is not of our making
            return self._slow(environ, start_response)
        now = time.time() if self._own_clock is None else self._own_clock()
        if (
            ready.version != self._version[0][0]
            or (not ready.since <= now < ready.until and not ready.renew(now))
            or (
                "HTTP_COOKIE" in environ
                and (
                    (ready.cookies_matter and not self._admitted(ready, environ, now))
                    or (self._watched and self._is_watched(environ))
                )
            )
        ):
            return self._slow(environ, start_response, ready)
        # `CREDENTIALS`, and the rarer of `CONDITIONS`: name by name, which costs half of what
        # Python takes for a set of them.
        if (
            "HTTP_AUTHORIZATION" in environ
            or "REMOTE_USER" in environ
            or "AUTH_TYPE" in environ
            or "SSL_CLIENT_VERIFY" in environ
            or "SSL_CLIENT_S_DN" in environ
            or "SSL_CLIENT_CERT" in environ
            or "HTTP_RANGE" in environ
            or "HTTP_IF_MATCH" in environ
            or (ready.dated and "HTTP_IF_UNMODIFIED_SINCE" in environ)
            or (ready.own and ready.unlike(environ))
        ):
            return self._special(ready, environ, start_response)
        if "HTTP_IF_NONE_MATCH" in environ:
            if environ["HTTP_IF_NONE_MATCH"] != ready.etag:
                return self._special(ready, environ, start_response)
            start_response(NOT_MODIFIED, ready.unchanged.copy())
            return []
        if "HTTP_IF_MODIFIED_SINCE" in environ:
            return self._special(ready, environ, start_response)
        start_response(ready.line, ready.headers.copy())
        return [ready.body]  # a list: some servers send one far faster than anything else

    def _special(
        self, ready: PreparedHit, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """A hit for somebody who has the page, wants a part of it, or is known."""
        answer = ready.conditional(environ)
        if answer is None:
            return self._slow(environ, start_response)
        start_response(answer[0], answer[1].copy())
        return [*answer[2]]

    def _origin_of(self, environ: Environ) -> tuple[Any, ...]:
        if environ.keys().isdisjoint(self._origin_headers):
            return ()
        return tuple(environ.get(name) for name in self._origin_headers)

    def _admitted(self, ready: PreparedHit, environ: Environ, now: float) -> bool:
        """Whether it is remembered that nothing the page reads is among these cookies."""
        shape = ready.shape
        return shape is not None and self._visitors.admits(environ["HTTP_COOKIE"], shape, now)

    def _is_watched(self, environ: Environ) -> bool:
        cookies = environ["HTTP_COOKIE"]
        return any(name in cookies for name in self._watched)

    # Everything that is not a plain hit.

    def _slow(
        self, environ: Environ, start_response: StartResponse, ready: PreparedHit | None = None
    ) -> Iterable[bytes]:
        mode = self._acts
        if mode == "off" or MARK in environ:
            return self.application(environ, start_response)
        self._settle_process()
        if not self._searched:
            self._searched = True
            warn_of_inner_caches(self.site, self.engine.planner.routes.catches)
        self.engine.maintenance.start()
        holds = isinstance(ready, PreparedStale) and self._holds(ready, environ)
        fills = holds and isinstance(ready, PreparedFill)
        if ready and holds and not fills:
            return self._special(ready, environ, start_response)
        visitor = visitor_of(environ)
        if visitor is None:
            return self.application(environ, start_response)
        rendering = rendering_of(visitor, self.site)
        if ready and fills:
            return fill(
                visitor, Answer("HIT"), ready.page, self._clock(), self.site, self.application,
                environ, start_response, rendering,
            )  # fmt: skip
        if self._control is not None and self._control.covers(visitor.path):
            return self._control(visitor, environ, start_response, rendering)
        if visitor.method not in ("GET", "HEAD"):
            if mode != "on":
                return call(self.application, environ, start_response, rendering)
            return unsafe(
                visitor, self.engine, self._shared_cache, self.application, environ, start_response,
                rendering,
            )  # fmt: skip
        if mode != "on":
            return self._learner.without_store(
                mode, visitor, self.application, environ, start_response, rendering
            )
        return self._get(visitor, environ, start_response, rendering)

    def _holds(self, ready: PreparedStale, environ: Environ) -> bool:
        """Whether a page that was served by this request line is still for whoever asks."""
        now = self._clock()
        if not ready.lasts(self._version[0][0], now):
            return False
        if "HTTP_COOKIE" in environ and (
            self._is_watched(environ)
            or (ready.cookies_matter and not self._admitted(ready, environ, now))
        ):
            return False
        if isinstance(ready, PreparedFill):
            return environ.keys().isdisjoint(CREDENTIALS)
        return self.engine.awaited(ready.page.entry.key)

    def _get(
        self, visitor: Visitor, environ: Environ, start_response: StartResponse,
        rendering: Rendering,
    ) -> Iterable[bytes]:  # fmt: skip
        raw = self._raw(visitor, environ)
        if self._passed.get(raw, 0.0) > time.monotonic():
            return call(self.application, environ, start_response, rendering)
        http, read_ahead = self._shared_cache, ReadAhead()
        if http is not None and http.dull(raw, environ):
            return http.glance(visitor, raw, environ, start_response, rendering)
        started = time.perf_counter()
        known = self._refused_urls.find(raw) if environ.keys().isdisjoint(CREDENTIALS) else None
        if known is not None and not ("HTTP_COOKIE" in environ and self._is_watched(environ)):
            return self._own(visitor, known, environ, start_response, rendering)
        answer = self._decide(visitor, read_ahead)
        if self.settings.debug:
            log_decision(visitor, answer, self._clock(), time.perf_counter() - started)
        if answer is None and http is not None:
            return http(visitor, raw, environ, start_response, rendering, read_ahead)
        if answer is None:
            self._heed(visitor)
            passed, dull = self._learner.undeclared(
                visitor, self.application, environ, start_response, rendering
            )
            if dull and not self.settings.debug and worth_remembering(raw):
                if len(self._passed) >= _MAX_PASSED:
                    self._passed.clear()
                self._passed[raw] = time.monotonic() + _PASS_SECONDS
            return passed
        if answer.page is not None and answer.holes:
            return fill_holes(
                visitor, answer, answer.page, self._clock(), self.site, self.application,
                environ, start_response, rendering,
            )  # fmt: skip
        if answer.page is not None and answer.page.entry.places:
            now = self._clock()
            if answer.label == "HIT":
                self._prepare(PreparedFill, answer, answer.page, visitor, environ, now)
            return fill(
                visitor, answer, answer.page, now, self.site, self.application, environ,
                start_response, rendering,
            )  # fmt: skip
        if answer.page is not None:
            return self._serve(visitor, answer, answer.page, environ, start_response)
        if answer.reply is not None:
            start_response(answer.reply.status, list(answer.reply.headers))
            return [answer.reply.body]
        if answer.absent:
            return not_there(
                visitor, self.site, self.application, environ, start_response, rendering
            )
        if answer.detail == "authorization":
            self._heed(visitor)
        if answer.refused:
            self._refused_urls.remember(raw, answer)
        return self._own(visitor, answer, environ, start_response, rendering)

    def _own(
        self, visitor: Visitor, answer: Answer, environ: Environ, start_response: StartResponse,
        rendering: Rendering,
    ) -> Iterable[bytes]:  # fmt: skip
        if answer.refused:
            start_response = self._learner.heeding(
                visitor, answer.refused, answer.detail, start_response, rendering
            )
        return passed_by(visitor, answer, self.application, environ, start_response, rendering)

    def _decide(self, visitor: Visitor, read_ahead: ReadAhead) -> Answer | None:
        """A defect of isgware's own must not become a visitor's error page."""
        try:
            return self.engine.visit(visitor, read_ahead)
        except ConfigurationError:
            raise
        except Exception:
            log.exception("isgware failed; the app answers for itself.")
            return Answer("BYPASS", "isgware-failed")

    def _raw(self, visitor: Visitor, environ: Environ) -> Raw:
        raw: Raw = (
            visitor.method, visitor.scheme, environ.get("HTTP_HOST"), visitor.script_name,
            visitor.path, visitor.query,
        )  # fmt: skip
        if "HTTP_ACCEPT_ENCODING" in environ:
            raw = *raw, environ["HTTP_ACCEPT_ENCODING"]
        origin = self._origin_of(environ)
        return (origin, raw) if origin else raw

    def _serve(
        self, visitor: Visitor, answer: Answer, page: Page, environ: Environ,
        start_response: StartResponse,
    ) -> Iterable[bytes]:  # fmt: skip
        now = self._clock()
        if answer.label != "MISS":  # a page counts as visited when somebody comes back to it
            page.used = page.visited = True
        if answer.label == "HIT":
            self._prepare(PreparedHit, answer, page, visitor, environ, now)
        elif answer.label == "STALE" and not answer.detail:
            self._prepare(PreparedStale, answer, page, visitor, environ, now)
        made = stored_answer(page, answer, visitor, environ, now)
        start_response(made[0], made[1].copy())
        return [*made[2]]

    def _prepare(
        self, kind: type[PreparedHit], answer: Answer, page: Page, visitor: Visitor,
        environ: Environ, now: float,
    ) -> None:  # fmt: skip
        """Let the next plain visit of this page be a look-up."""
        version = answer.version
        if (
            not answer.cacheable_by_request_line
            or version < 0
            or self.settings.debug
            or self.settings.memory == 0
        ):
            return
        self._heed(visitor)
        if self._wary:
            return
        entry = page.entry
        if location_for(entry, visitor.query) is not None:
            return
        cookies = answer.cookies or entry.vary_cookie or entry.anonymous or bool(entry.holes)
        accepted, target = visitor.header("Accept-Encoding"), target_of(environ)
        ready = kind(page, visitor.method, accepted, version, cookies, now, target)
        if cookies and entry.reads and answer.judged and not (answer.cookies or entry.anonymous):
            ready.shape = shape_of(joined_reads(entry.reads, entry.hole_reads))
        self._memory.remember(self._raw(visitor, environ), ready)
        if self._wary or self.engine.page_store.settled != version:
            ready.version = (
                -1
            )  # meanwhile; or unsettled, by a purge that the store has not taken yet

    def _heed(self, visitor: Visitor) -> None:
        """A server that tells of its users under names that a hit does not look for: from now on
        every visitor is looked at."""
        if not self._wary and credentials_unlisted(visitor.headers):
            self._wary = True
            self._memory.unready()

    def _settle_process(self) -> None:
        """Let go of what belongs to a parent process."""
        if self._pid != os.getpid():
            with settling():
                if self._pid != os.getpid():
                    self._after_fork()

    def _after_fork(self) -> None:
        self._memory.reset_lock()
        self.engine.after_fork()
        self._pid = os.getpid()  # last: from here on other threads look no further

    def _probe(self) -> None:
        self._backend.probe()

    # What `Operations` stands on.

    @property
    def core(self) -> ISG:
        """The middleware itself; integrations have one behind them."""
        return self

    @property
    def _acts(self) -> str:
        """Its mode: ``on``, ``off``, ``report`` or ``develop``."""
        if not self._mode:
            self._mode = self.site.mode()
        return self._mode

    @property
    def active(self) -> bool:
        """False when isgware is switched off, and operations do nothing."""
        return self._acts != "off"

    def _invalidate(self, names: list[str], *, hard: bool) -> None:
        if self.active:
            self._backend.retry()
            self.catalogue.invalidate(names, hard=hard)

    @property
    def report(self) -> dict[str, int]:
        return dict(self._learner.report)

    def close(self, timeout: float | None = None) -> None:
        self.engine.pool.close(timeout)
        self.engine.maintenance.close()
        self._backend.close()


_MODES: Final[dict[Any, str]] = {True: "on", False: "off", "report": "report"}
