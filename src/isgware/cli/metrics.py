"""``isgware metrics``: the fleet's metrics, printed, or served on loopback for Prometheus."""

from __future__ import annotations

import re
import socketserver
from collections.abc import Callable, Iterable
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import click

from ..errors import ConfigurationError
from ..management.fleet_metrics import FleetMetrics
from .subject import Failed, Subject

_HOST: Final = "127.0.0.1"
#: Who is asked for under another name was led here by a page in a browser (DNS rebinding).
_OURS: Final = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.IGNORECASE)


@click.command
@click.option(
    "--port", type=click.IntRange(0, 65_535),
    help="Serve them at http://127.0.0.1:PORT/metrics; 0: any free port. Default: print them.",
)  # fmt: skip
def metrics(subject: Subject, port: int | None) -> None:
    """Print or serve the fleet's metrics for Prometheus.

    They are read from the store: no web process is asked, and no secret is needed.
    """
    try:
        import prometheus_client
    except ImportError:
        raise ConfigurationError(
            "Metrics need prometheus-client: pip install 'isgware[metrics]'"
        ) from None
    runtime = subject.isg.core.runtime if subject.isg is not None else None
    found = FleetMetrics(subject.catalogue, subject.breaker, runtime)
    if port is None:
        subject.need_store()
        click.echo(found.text().decode(), nl=False)
        return
    app = _application(found.text, prometheus_client.CONTENT_TYPE_LATEST)
    try:
        server = make_server(_HOST, port, app, _Server, _Handler)
    except OSError as error:
        raise Failed(f"Port {port} cannot be had: {error.strerror}.") from error
    with server:
        where = f"http://{_HOST}:{server.server_port}/metrics"
        click.echo(f"Serving {where}; Ctrl-C ends.", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


def _application(text: Callable[[], bytes], kind: str) -> Callable[..., Iterable[bytes]]:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        line, said, body = "200 OK", kind, b""
        if not _OURS.fullmatch(environ.get("HTTP_HOST", "")):
            line, said, body = "400 Bad Request", "text/plain", b"Ask 127.0.0.1\n"
        elif environ["PATH_INFO"] not in ("/", "/metrics"):
            line, said, body = "404 Not Found", "text/plain", b"Metrics are at /metrics\n"
        elif environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            line, said, body = "405 Method Not Allowed", "text/plain", b"Use GET\n"
        else:
            body = text()
        start_response(line, [("Content-Type", said), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return app


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """A client that stalls holds up no other."""

    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = 10

    def address_string(self) -> str:
        return str(self.client_address[0])

    def log_message(self, *_: Any) -> None:
        pass
