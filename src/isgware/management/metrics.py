"""``GET MOUNT/metrics``: who may read the metrics over HTTP.

prometheus-client is imported with the first request.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Final

from ..core.cache_key import Visitor
from ..rendering.clean_room import StartResponse
from ..runtime import Runtime
from .fleet_metrics import FleetMetrics
from .wrong_guesses import WrongGuesses

_PLAIN: Final = "text/plain; charset=utf-8"
_MISSING: Final = b"Metrics need prometheus-client: pip install 'isgware[metrics]'\n"


class Metrics:
    """Answers the one URL. It is open to ``metrics_secret``, or else to ``secret``, as Bearer."""

    def __init__(self, runtime: Runtime, guesses: WrongGuesses) -> None:
        settings = runtime.settings
        self._guesses = guesses
        self.path = settings.mount + "/metrics"
        self._fleet = FleetMetrics(runtime.catalogue, runtime.store, runtime)
        secrets = (settings.secret, settings.metrics_secret)
        self._secrets = [secret.encode().strip() for secret in secrets if secret]

    def __call__(self, visitor: Visitor, start_response: StartResponse) -> Iterable[bytes]:
        line, kind, body, more = self._reply(visitor)
        headers = [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *more,
        ]
        start_response(line, headers)
        return [] if visitor.method == "HEAD" else [body]

    def _reply(self, visitor: Visitor) -> tuple[str, str, bytes, list[tuple[str, str]]]:
        header = visitor.header("Authorization") or ""
        if not self._authorized(header):
            peer = str(visitor.headers.get("REMOTE_ADDR", ""))
            wait = self._guesses.wrong(peer) if header else 0
            if wait:
                pause = ("Retry-After", str(wait))
                return "429 Too Many Requests", _PLAIN, b"Invalid token\n", [pause]
            challenge = ("WWW-Authenticate", 'Bearer realm="isgware"')
            return "401 Unauthorized", _PLAIN, b"Invalid token\n", [challenge]
        if visitor.method not in ("GET", "HEAD"):
            return "405 Method Not Allowed", _PLAIN, b"Use GET\n", [("Allow", "GET, HEAD")]
        try:
            from prometheus_client import CONTENT_TYPE_LATEST
        except ImportError:
            return "501 Not Implemented", _PLAIN, _MISSING, []
        return "200 OK", CONTENT_TYPE_LATEST, self._fleet.text(), []

    def _authorized(self, header: str) -> bool:
        """Compared as bytes, each in constant time."""
        scheme, _, token = header.partition(" ")
        given = token.encode("latin-1", "replace").strip()
        known = [hmac.compare_digest(given, secret) for secret in self._secrets]
        return scheme.lower() == "bearer" and any(known)
