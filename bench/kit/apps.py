"""The app that benchmarks without a server wrap, and how they ask it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

App = Callable[..., Any]
BODY: Final = (b"<p>The quick brown fox jumps over the lazy dog, page after page.</p>\n" * 450)[
    :30_000
]
HEADERS: Final = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(BODY)))]


def constant(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Constant bytes: the least a WSGI app can do."""
    start_response("200 OK", HEADERS.copy())
    return [BODY]


def saying(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The same, kept by what it says of itself; below ``/other`` it says nothing."""
    said = [] if environ["PATH_INFO"].startswith("/other") else [("Cache-Control", "max-age=3600")]
    start_response("200 OK", [*HEADERS, *said])
    return [BODY]


def environ(path: str = "/page") -> dict[str, Any]:
    """A browser's request as a server would pass it on."""
    from werkzeug.test import EnvironBuilder

    headers = [
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/130.0"),
        ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
        ("Accept-Language", "en-GB,en;q=0.5"),
    ]
    return EnvironBuilder(path=path, headers=headers).get_environ()


def ignored(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
    """A ``start_response`` for those who do not look."""


def asked(app: App, request: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The status line and the headers of an answer; its body is read, and dropped."""
    told: list[tuple[str, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        told.append((status, dict(headers)))

    for _ in app(request.copy(), start_response):
        pass
    return told[0]
