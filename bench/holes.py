"""What a page with two holes costs: filled, as a plain hit, and as the app's own answer.

A Flask app whose view takes a while; CPU time per request in process, in turns in one run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

from flask import Flask, render_template_string, session

from bench.kit.apps import App, environ, ignored
from bench.kit.report import Column, Report, options
from isgware import hole, revalidate
from isgware.flask import ISG

ROUNDS, CALLS = 15, 200
PAGE = """{{ hole("account") }}{% for n in range(400) %}<li>article {{ n }} of the shop</li>
{% endfor %}{{ hole("basket") }}"""


def register() -> None:
    """Holes are registered once in a process: when they are measured, not when this is imported."""

    @hole("account")
    def account() -> str:
        return f"<b>{session.get('user', 'stranger')}</b>"

    @hole("basket")
    def basket() -> str:
        return f"<i>{len(session.get('items', []))} items</i>"


def shop(enabled: bool) -> Flask:
    app = Flask("shop")
    app.secret_key = "not a secret"

    @app.get("/page")
    @revalidate(3600)
    def page() -> str:
        return render_template_string(PAGE)

    @app.get("/empty")
    def empty() -> str:
        return f"<b>{session.get('user')}</b><i>{len(session.get('items', []))} items</i>"

    @app.post("/login")
    def login() -> str:
        session.update(user="ann", items=[1, 2])
        return "done"

    ISG(app, store="memory:", enabled=enabled)
    return app


def cookie_of(app: Flask) -> str:
    client = app.test_client()
    client.post("/login")
    known = client.get_cookie("session")
    assert known is not None
    return f"session={known.value}"


def cpu_per_call(app: App, request: dict[str, Any]) -> float:
    """Microseconds."""
    started = time.process_time()
    for _ in range(CALLS):
        for _chunk in app(request.copy(), ignored):
            pass
    return (time.process_time() - started) / CALLS * 1e6


def measure() -> list[tuple[str, float]]:
    """Microseconds of CPU per call, medians over interleaved rounds."""
    register()
    stored, bare = shop(True), shop(False)
    member = {"HTTP_COOKIE": cookie_of(stored)}
    gzip = {"HTTP_ACCEPT_ENCODING": "gzip"}
    cases: dict[str, tuple[App, dict[str, Any]]] = {
        "plain hit": (stored, environ("/page")),
        "filled": (stored, environ("/page") | member),
        "filled, gzip": (stored, environ("/page") | member | gzip),
        "a view that only looks at the session": (bare, environ("/empty") | member),
        "own answer": (bare, environ("/page") | member),
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    for app, request in cases.values():
        cpu_per_call(app, request)
    for _ in range(ROUNDS):
        for name, (app, request) in cases.items():
            times[name].append(cpu_per_call(app, request))
    return [(name, statistics.median(values)) for name, values in times.items()]


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options("holes", __doc__).parse_args(arguments)
    about = "CPU per call in process, Flask, 15 kB page with two holes, no server"
    report = Report("holes", about, chosen.save, ("Flask", "Werkzeug"))
    results = measure()
    own = results[-1][1]
    report.table(
        ("", Column("µs", ".1f"), Column("of an own answer", ".2f")),
        [(name, value, value / own) for name, value in results],
    )
    report.close()


if __name__ == "__main__":
    main()
