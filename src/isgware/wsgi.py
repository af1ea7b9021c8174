"""`ISG`: wraps a WSGI app. This module is the way of a request: the hit path at its top, and what
to do when it is not a plain hit below. Nothing starts, and nothing is opened, at construction."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter
from time import time as wall_clock
from typing import TYPE_CHECKING, Any, Final, cast

from .backends.base import live_version
from .backends.read_ahead import ReadAhead
from .core.cache_key import Visitor
from .core.client_holes import ASK_PATH
from .core.preconditions import NOT_MODIFIED
from .errors import ConfigurationError
from .management.log import log_decision, log_to_stderr
from .management.operations import Operations
from .management.regenerate_now import Verbs
from .regeneration.handoff import JobExecutor
from .render_context import Rendering
from .rendering.clean_room import MARK, StartResponse, WSGIApp
from .routing.framework import Site
from .routing.inner_caches import warn_of_inner_caches
from .runtime import runtime_of
from .serving.answer import PREPARED, Answer
from .serving.filling import fill, private_with_holes
from .serving.hole_filling import fill_holes
from .serving.passthrough import Environ, call, not_there, passed_by, rendering_of, visitor_of
from .serving.prepared_hits import CREDENTIALS, PreparedFill, PreparedHit, PreparedStale
from .serving.request_line import ENCODED, UNENCODED, opens_websocket
from .serving.unsafe_methods import unsafe
from .settings import Settings
from .storage.process_cache import Raw

if TYPE_CHECKING:
    from .dashboard.app import Dashboard
    from .management.control_endpoint import Control
    from .management.metrics import Metrics

log: Final = logging.getLogger("isgware")


class ISG(Operations):
    """Incremental static regeneration around a WSGI app: ``application = ISG(application)``.

    Keyword arguments are the options of `isgware.settings.Settings`. Raises `ConfigurationError`
    for an option that is unknown or cannot be used.
    """

    def __init__(
        self,
        application: WSGIApp, *, site: Site | None = None,
        framework: Mapping[str, Any] | None = None, **options: Any,
    ) -> None:  # fmt: skip
        if not callable(application):
            raise ConfigurationError(f"ISG({application!r}): give a WSGI application.")
        settings = Settings.load(options, framework, os.environ)
        self.application = application
        self.runtime = runtime = runtime_of(application, settings, site or Site())
        self.verbs = Verbs(runtime.engine, runtime.catalogue, runtime.site)
        if settings.dependencies:
            from .management.record_writes import PagesOf, listen, recording, said_by

            self._recording = recording(runtime.site.recorder, settings, runtime.engine.page_store)
            listen(PagesOf(runtime.engine.page_store, runtime.mode.peek))
            said_by(self)
        self._control: Control | None = None
        self._metrics: Metrics | None = None
        if settings.secret or settings.metrics_secret:
            self._open_endpoints(settings)
        # The hit path, and nothing else, has these at hand.
        self._memo = cast(dict[Raw, PreparedHit], runtime.memory.memo)
        self._own_clock = settings.clock
        self._version = live_version(runtime.store.backend)
        self._line = runtime.line
        self._visitors = runtime.engine.visitors
        self._origin_headers = runtime.line.origin_headers
        self._watched = runtime.line.watched
        self._searched = False
        self._mount, self._client_path = settings.mount, settings.mount + ASK_PATH
        if settings.debug or settings.enabled == "report":
            log_to_stderr()
        if isinstance(settings.executor, JobExecutor):
            settings.executor.bind(runtime)

    def _open_endpoints(self, settings: Settings) -> None:
        from .management.metrics import Metrics
        from .management.wrong_guesses import WrongGuesses

        guesses = WrongGuesses(self.runtime.store, self.runtime.now)
        self._metrics = Metrics(self.runtime, guesses)
        if self.runtime.drafts is not None:
            from .management.control_endpoint import Control

            self._control = Control(
                self, settings, self.runtime.drafts, guesses, self._open_dashboard
            )

    def _open_dashboard(self, *secrets: Any) -> Dashboard:
        from .dashboard.app import Dashboard

        return Dashboard(self, *secrets)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            raw = ENCODED(environ) if "HTTP_ACCEPT_ENCODING" in environ else UNENCODED(environ)
            if self._origin_headers and not environ.keys().isdisjoint(self._origin_headers):
                raw = self._line.origin(environ), raw
            ready = self._memo[raw]
        except KeyError:  # nothing ready; or a server left something out: the slow way has defaults
            ready = None
        if ready is None:  # not in the except clause: what the app raises is not of our making
            return self._slow(environ, start_response)
        now = wall_clock() if self._own_clock is None else self._own_clock()
        if (
            ready.version != self._version[0][0]
            or ((now < ready.since or now >= ready.until) and not ready.renew(now))
            or (
                "HTTP_COOKIE" in environ
                and (
                    (ready.cookies_matter and not self._admitted(ready, environ, now))
                    or (self._watched and self._line.is_watched(environ))
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
            or "HTTP_SEC_PURPOSE" in environ
            or "HTTP_UPGRADE" in environ
            or (
                ready.dated
                and ("HTTP_IF_UNMODIFIED_SINCE" in environ or (ready.own and ready.unlike(environ)))
            )
        ):
            return self._special(ready, environ, start_response)
        if "HTTP_IF_NONE_MATCH" in environ:
            if environ["HTTP_IF_NONE_MATCH"] != ready.etag:
                return self._special(ready, environ, start_response)
            ready.cell.value += 1
            start_response(NOT_MODIFIED, ready.unchanged.copy())
            return []
        if "HTTP_IF_MODIFIED_SINCE" in environ:
            return self._special(ready, environ, start_response)
        ready.cell.value += 1
        start_response(ready.line, ready.headers.copy())
        return [ready.body]  # a list: some servers send one far faster than anything else

    def _special(
        self, ready: PreparedHit, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """A hit for who has the page, wants a part of it, is known, or fetches it ahead."""
        answer = ready.conditional(environ)
        if answer is None:
            return self._slow(environ, start_response)
        self.runtime.answers.served(ready, environ).value += 1
        start_response(answer[0], answer[1].copy())
        return [*answer[2]]

    def _admitted(self, ready: PreparedHit, environ: Environ, now: float) -> bool:
        """Whether it is remembered that nothing the page reads is among these cookies."""
        shape = ready.shape
        return shape is not None and self._visitors.admits(environ["HTTP_COOKIE"], shape, now)

    def _slow(
        self, environ: Environ, start_response: StartResponse, ready: PreparedHit | None = None
    ) -> Iterable[bytes]:
        runtime, mode = self.runtime, self.runtime.mode()
        if mode == "off" or MARK in environ or opens_websocket(environ):
            return self.application(environ, start_response)
        pid = runtime.process.settle()
        if not self._searched:
            self._searched = True
            warn_of_inner_caches(runtime.site, runtime.engine.planner.routes.catches)
        runtime.engine.renderer.maintenance.start(pid)
        if ready is not None and mode == "on":
            answered = self._prepared(ready, environ, start_response)
            if answered is not None:
                return answered
        visitor = visitor_of(environ)
        if visitor is None:
            return self.application(environ, start_response)
        rendering = rendering_of(visitor, runtime.site)
        if mode == "on":
            start_response = private_with_holes(start_response, rendering)
            raw = self._line.of(visitor, environ)
            passes = runtime.passed.find(raw)
            if passes is not None and (passes.answer is None or self._is_anybody(environ)):
                passes.cell.value += 1
                return self._pass(visitor, passes.answer, environ, start_response, rendering)
        if visitor.path.startswith(self._mount):
            answered = self._at_mount(visitor, environ, start_response, rendering, mode)
            if answered is not None:
                return answered
        if visitor.method not in ("GET", "HEAD"):
            if mode != "on":
                return call(self.application, environ, start_response, rendering)
            return unsafe(
                visitor, runtime.engine, runtime.shared_cache, self.application, environ,
                runtime.answers.heard(visitor, start_response), rendering,
            )  # fmt: skip
        if mode == "develop" and runtime.settings.panel:
            from .dashboard.panel import with_panel

            return with_panel(
                self, visitor, start_response,
                lambda told: runtime.learner.without_store(
                    mode, visitor, self.application, environ, told, rendering
                ),
            )  # fmt: skip
        if mode != "on":
            return runtime.learner.without_store(
                mode, visitor, self.application, environ, start_response, rendering
            )
        return self._get(visitor, raw, environ, start_response, rendering)

    def _is_anybody(self, environ: Environ) -> bool:
        """Whether a visitor without credentials and drafts asks."""
        watched = "HTTP_COOKIE" in environ and self._line.is_watched(environ)
        return not watched and environ.keys().isdisjoint(CREDENTIALS)

    def _prepared(
        self, ready: PreparedHit, environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes] | None:
        """The answer out of a page that was served by this request line: as it is, though stale, or
        filled for the visitor. ``None`` if it is to be looked for again."""
        runtime, page = self.runtime, ready.page
        holds = isinstance(ready, PreparedStale) and self._holds(ready, environ)
        if holds and not isinstance(ready, PreparedFill):
            return self._special(ready, environ, start_response)
        visitor = visitor_of(environ) if holds or self._has_holes(ready, environ) else None
        if visitor is None:
            return None
        if not holds and not runtime.engine.visitors.fills(visitor, page.entry, ready.shape or ()):
            return None
        fills: Callable[..., Iterable[bytes]] = fill if holds else fill_holes
        return fills(
            visitor, PREPARED, page, runtime.now(), runtime.site, self.application, environ,
            runtime.answers.heard(visitor, start_response, page.entry),
            rendering_of(visitor, runtime.site),
        )  # fmt: skip

    def _at_mount(
        self, visitor: Visitor, environ: Environ, start_response: StartResponse,
        rendering: Rendering, mode: str,
    ) -> Iterable[bytes] | None:  # fmt: skip
        """isgware's own answer at its URLs; ``None`` for those of the app."""
        if mode == "on" and visitor.path.startswith(self._client_path):
            from .serving.client_holes import ClientHoles

            run = self.runtime
            holes = ClientHoles(self._mount, run.engine, run.site, self.application, run.answers)
            return holes(visitor, environ, start_response)
        if self._metrics is not None and visitor.path == self._metrics.path:
            return self._metrics(visitor, start_response)
        if self._control is not None and self._control.covers(visitor.path):
            return self._control(visitor, environ, start_response, rendering)
        return None

    def _holds(self, ready: PreparedStale, environ: Environ) -> bool:
        """Whether a page that was served by this request line is still for whoever asks."""
        now = self.runtime.now()
        if not ready.lasts(self._version[0][0], now):
            return False
        if "HTTP_COOKIE" in environ and (
            self._line.is_watched(environ)
            or (ready.cookies_matter and not self._admitted(ready, environ, now))
        ):
            return False
        if isinstance(ready, PreparedFill):
            return environ.keys().isdisjoint(CREDENTIALS)
        return self.runtime.engine.background.awaited(ready.page.entry.key)

    def _has_holes(self, ready: PreparedHit, environ: Environ) -> bool:
        """Whether the page of this request line has holes, and nothing but what the two ask of a
        visitor decides who gets it filled."""
        if not ready.page.entry.holes or ready.shape is None:
            return False
        return (
            ready.stands(self._version[0][0], self.runtime.now())
            and "HTTP_COOKIE" in environ
            and environ.keys().isdisjoint(CREDENTIALS)
            and not self._line.is_watched(environ)
        )

    def _get(
        self, visitor: Visitor, raw: Raw, environ: Environ, start_response: StartResponse,
        rendering: Rendering,
    ) -> Iterable[bytes]:  # fmt: skip
        runtime = self.runtime
        counted, http = runtime.answers, runtime.shared_cache
        read_ahead = None if http is None else ReadAhead()
        if http is not None and http.passes_at_once(raw, environ):
            heard = counted.heard(visitor, start_response)
            return http.glance(visitor, raw, environ, heard, rendering)
        started, answer = perf_counter(), self._decide(visitor, read_ahead)
        if runtime.settings.debug:
            log_decision(visitor, answer, runtime.now(), perf_counter() - started)
        if answer is None and http is not None and read_ahead is not None:
            heard = counted.heard(visitor, start_response)
            return http(visitor, raw, environ, heard, rendering, read_ahead)
        if answer is None:
            runtime.delivery.check_credentials(visitor)
            passed, nothing_to_store = runtime.learner.undeclared(
                visitor, self.application, environ, counted.heard(visitor, start_response),
                rendering,
            )  # fmt: skip
            if nothing_to_store and not runtime.settings.debug:
                runtime.passed.add(raw, counted.passes(visitor))
            return passed
        return self._send(visitor, raw, answer, environ, start_response, rendering)

    def _send(
        self, visitor: Visitor, raw: Raw, answer: Answer, environ: Environ,
        start_response: StartResponse, rendering: Rendering,
    ) -> Iterable[bytes]:  # fmt: skip
        """What was decided about a declared URL: a filled page, a stored one, isgware's own reply,
        or the app's own answer."""
        runtime, page = self.runtime, answer.page
        cell = runtime.answers.answers(visitor, answer)
        if page is None or not (answer.holes or page.entry.places):
            cell.value += 1
        else:
            start_response = runtime.answers.heard(visitor, start_response, page.entry)
        if page is not None and answer.holes:
            now = runtime.now()
            if answer.label == "HIT" and answer.judged and page.entry.reads is not None:
                kind = PreparedFill if page.entry.places else PreparedHit
                runtime.delivery.prepare(kind, answer, page, visitor, environ, now)
            return fill_holes(
                visitor, answer, page, now, runtime.site, self.application,
                environ, start_response, rendering,
            )  # fmt: skip
        if page is not None and page.entry.places:
            now = runtime.now()
            if answer.label == "HIT":
                runtime.delivery.prepare(PreparedFill, answer, page, visitor, environ, now)
            return fill(
                visitor, answer, page, now, runtime.site, self.application, environ,
                start_response, rendering,
            )  # fmt: skip
        if page is not None:
            return runtime.delivery.send(visitor, answer, page, environ, start_response)
        if answer.reply is not None:
            start_response(answer.reply.status, list(answer.reply.headers))
            return [answer.reply.body]
        if answer.absent:
            return not_there(
                visitor, runtime.site, self.application, environ, start_response, rendering
            )
        if answer.detail == "authorization":
            runtime.delivery.check_credentials(visitor)
        if answer.refused:
            runtime.passed.add(raw, cell, answer)
        return self._pass(visitor, answer, environ, start_response, rendering)

    def _pass(
        self, visitor: Visitor, answer: Answer | None, environ: Environ,
        start_response: StartResponse, rendering: Rendering,
    ) -> Iterable[bytes]:  # fmt: skip
        """The app's own answer. ``answer``: why, where a page is declared and this visitor does not
        get it."""
        if answer is None:
            return call(self.application, environ, start_response, rendering)
        watch = None
        if answer.refused:
            self.runtime.engine.outcomes.routes.passed(answer.refused)
            watch = self.runtime.learner.watching_refused(
                visitor, answer.refused, answer.detail, rendering
            )
        return passed_by(
            visitor, answer, self.application, environ, start_response, rendering, watch
        )

    def _decide(self, visitor: Visitor, read_ahead: ReadAhead | None) -> Answer | None:
        """A defect of isgware's own must not become a visitor's error page."""
        try:
            return self.runtime.engine.visit(visitor, read_ahead)
        except ConfigurationError:
            raise
        except Exception:
            log.exception("isgware failed; the app answers for itself.")
            return Answer("BYPASS", "isgware-failed")

    @property
    def core(self) -> ISG:
        """The middleware itself; integrations have one behind them."""
        return self
