"""The dashboard on a port of loopback, apart from the site: ``isgware dashboard``.

Under the site's own origin, a script that somebody has injected into the site could use a
dashboard that its owner is logged in to. Here it cannot.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable
from typing import Any, Final

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from ..management.operations import Operations
from ..management.wrong_guesses import WrongGuesses
from ..serving.passthrough import visitor_of
from ..setting_checks import MIN_SECRET
from .app import Dashboard
from .reply import Reply, see_other
from .sessions import Sessions

_HOST: Final = "127.0.0.1"
_NAMES: Final = (_HOST, "localhost")


class Loopback:
    """A WSGI app. Sessions are of this run alone; the site's secret, if it has one that is
    long enough, logs in, too.
    ``app``: there is an app, and not a store alone; ``name`` is what is shown of it."""

    def __init__(self, isg: Operations, *, app: bool, name: str) -> None:
        self._runtime = runtime = isg.core.runtime
        own = secrets.token_bytes(32)
        known = (runtime.settings.secret or "").encode().strip()

        def matches(given: bytes) -> bool:
            # Other users of this machine may guess, too.
            return len(known) >= MIN_SECRET and hmac.compare_digest(given, known)

        guesses = WrongGuesses(runtime.store, runtime.now)
        self._dashboard = Dashboard(isg, own, matches, guesses, False, app=app, name=name)
        self._sessions = Sessions(own, runtime.store, runtime.now)
        self._mount = runtime.settings.mount

    def link(self, port: int) -> str:
        """The URL that logs a browser in, once."""
        return f"http://{_HOST}:{port}{self._mount}/login?link={self._sessions.link()}"

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        reply = self._reply(environ)
        start_response(reply.line, reply.all_headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [reply.body]

    def _reply(self, environ: dict[str, Any]) -> Reply:
        visitor = visitor_of(environ)
        # A name of somebody else's that leads here would make pages of theirs our own origin.
        if visitor is None or visitor.host.rpartition(":")[0] not in _NAMES:
            return Reply(403, b"This is for browsers on this machine.\n", "text/plain")
        if not self._runtime.settings.is_control_path(visitor.path):
            return see_other(self._mount + "/")
        self._runtime.engine.renderer.maintenance.start()
        return self._dashboard(visitor, environ, bearer=False)


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """One's own clicks are no news."""


def serve(application: Loopback, port: int) -> BaseWSGIServer:
    """A server that listens already. Raises `OSError` for a port that cannot be had."""
    return make_server(_HOST, port, application, threaded=True, request_handler=_Quiet)
