"""What a page with two holes costs: filled, as a plain hit, and as the app's own answer.

A Flask app whose view takes a while, and a Django site with the middleware of a new project; CPU
time per request in process, in turns in one run, and what a filled page takes more than a view
behind the same middleware that looks up the same things. Then the Flask page over loopback: filled
by isgware, and by Varnish with ESI, which asks the app for each piece by a request of its own.
There the CPU of all processes of a server counts. Varnish takes part where it is installed.
"""

from __future__ import annotations

import contextlib
import http.client
import statistics
import time
from collections.abc import Sequence
from typing import Any

from flask import Flask, render_template_string, session

from bench.contenders import cpu_of
from bench.kit.apps import App, environ, ignored
from bench.kit.django_holes import django_shop
from bench.kit.esi import app_server, ask, varnish
from bench.kit.machine import missing, program
from bench.kit.report import Column, Report, options
from isgware import hole, revalidate
from isgware.flask import ISG

ROUNDS, CALLS = 15, 200
#: The same over loopback.
SERVED_ROUNDS, REQUESTS = 5, 1_000
PAGE = """{{ hole("account") }}{% for n in range(400) %}<li>article {{ n }} of the shop</li>
{% endfor %}{{ hole("basket") }}"""
#: The same page for Varnish: each piece is a URL of its own.
ESI = PAGE.replace('{{ hole("account") }}', '<esi:include src="/piece/account"/>').replace(
    '{{ hole("basket") }}', '<esi:include src="/piece/basket"/>'
)


def account() -> str:
    return f"<b>{session.get('user', 'stranger')}</b>"


def basket() -> str:
    return f"<i>{len(session.get('items', []))} items</i>"


def register() -> None:
    """Holes are registered once in a process: when they are measured, not when this is imported."""
    hole("account")(account)
    hole("basket")(basket)


def shop(enabled: bool) -> Flask:
    app = Flask("shop")
    app.secret_key = "not a secret"
    app.add_url_rule("/piece/account", "account", account)
    app.add_url_rule("/piece/basket", "basket", basket)

    @app.get("/esi")
    def esi() -> str:
        return render_template_string(ESI)

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


def wrapped_site() -> Flask:
    """For a server: with isgware in front. `bare_site` is without."""
    register()
    return shop(True)


def bare_site() -> Flask:
    register()
    return shop(False)


def cpu_per_call(app: App, request: dict[str, Any]) -> float:
    """Microseconds."""
    started = time.process_time()
    for _ in range(CALLS):
        chunks = app(request.copy(), ignored)
        for _chunk in chunks:
            pass
        close = getattr(chunks, "close", None)
        if close is not None:  # as a server does: frameworks end a request by it
            close()
    return (time.process_time() - started) / CALLS * 1e6


Cases = dict[str, tuple[App, dict[str, Any]]]
#: What a filled page is compared with: a view behind the same middleware that does what its holes
#: do.
LOOKS, MASKS = "a view that only looks at the session", "such a view with a token"


def flask_cases() -> Cases:
    register()
    stored, bare = shop(True), shop(False)
    member = {"HTTP_COOKIE": cookie_of(stored)}
    gzip = {"HTTP_ACCEPT_ENCODING": "gzip"}
    return {
        "plain hit": (stored, environ("/page")),
        "filled": (stored, environ("/page") | member),
        "filled, gzip": (stored, environ("/page") | member | gzip),
        LOOKS: (bare, environ("/empty") | member),
        "own answer": (bare, environ("/page") | member),
    }


def django_cases() -> Cases:
    stored, bare, cookies = django_shop()
    member = {"HTTP_COOKIE": cookies}
    gzip = {"HTTP_ACCEPT_ENCODING": "gzip"}
    return {
        "plain hit": (stored, environ("/page")),
        "filled": (stored, environ("/page") | member),
        "filled, gzip": (stored, environ("/page") | member | gzip),
        "filled, with a CSRF token": (stored, environ("/form") | member),
        LOOKS: (bare, environ("/look") | member),
        MASKS: (bare, environ("/token") | member),
    }


def measure(cases: Cases, rounds: int = ROUNDS) -> list[tuple[str, float, float | None]]:
    """Microseconds of CPU per call, the smallest of interleaved rounds: what else the machine does
    only ever adds. Of filled pages also what they take more than the view to compare with."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for app, request in cases.values():
        cpu_per_call(app, request)
    for _ in range(rounds):
        for name, (app, request) in cases.items():
            times[name].append(cpu_per_call(app, request))
    least = {name: min(values) for name, values in times.items()}

    def added(name: str) -> float | None:
        if not name.startswith("filled"):
            return None
        return least[name] - least[MASKS if "token" in name else LOOKS]

    return [(name, value, added(name)) for name, value in least.items()]


def served(rounds: int, requests: int) -> list[tuple[str, float, float]]:
    """Microseconds of CPU of the servers for a request, and milliseconds until its answer is whole,
    one client at a time: medians over interleaved rounds."""
    cookie = cookie_of(shop(False))  # all sites have the same key
    own = b"<b>ann</b>", b"<i>2 items</i>"
    strangers = b"<b>stranger</b>", b"<i>0 items</i>"
    with contextlib.ExitStack() as stack:
        pid, port = stack.enter_context(app_server("bench.holes:wrapped_site"))
        origin, behind = stack.enter_context(app_server("bench.holes:bare_site"))
        cases: dict[str, tuple[Sequence[int], int, str, str, Sequence[bytes]]] = {
            "isgware, plain hit": ((pid,), port, "/page", "", strangers),
            "isgware, filled": ((pid,), port, "/page", cookie, own),
            "own answer": ((origin,), behind, "/page", cookie, own),
        }
        if program("varnishd"):
            front, at = stack.enter_context(varnish(behind))
            both = front, origin
            cases["Varnish with ESI, a stranger"] = (both, at, "/esi", "", strangers)
            cases["Varnish with ESI, a member"] = (both, at, "/esi", cookie, own)
        found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in cases}
        for number in range(rounds + 1):  # the first warms up
            for name, (pids, where, path, sent, shown) in cases.items():
                cpu, took = _asked(pids, where, path, sent, shown, requests)
                if number:
                    found[name][0].append(cpu)
                    found[name][1].append(took)
    median = statistics.median
    return [(name, median(cpu), median(took)) for name, (cpu, took) in found.items()]


def _asked(
    pids: Sequence[int], port: int, path: str, cookie: str, shown: Sequence[bytes], requests: int
) -> tuple[float, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    before, began = sum(map(cpu_of, pids)), time.perf_counter()
    for _ in range(requests):
        body = ask(connection, path, cookie)
        if any(piece not in body for piece in shown):
            raise SystemExit(f"{path} of port {port} shows something else than it should.")
    took = time.perf_counter() - began
    connection.close()
    return (sum(map(cpu_of, pids)) - before) / requests * 1e6, took / requests * 1e3


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("holes", __doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    parser.add_argument("--no-server", action="store_true", help="in process alone")
    parser.add_argument("--requests", type=int, default=REQUESTS, help=f"default: {REQUESTS:,}")
    chosen = parser.parse_args(arguments)
    about = "A 15 kB page of a Flask app with two holes"
    report = Report(
        "holes", about, chosen.save, ("Flask", "Werkzeug", "Django", "granian", "varnishd")
    )
    for name, made in (("Flask", flask_cases), ("Django", django_cases)):
        report.table(
            (name, Column("µs", ".0f"), Column("more than such a view, µs", ".0f")),
            measure(made(), chosen.rounds),
            name.lower(), f"{name}: CPU per call in process, no server",
        )  # fmt: skip
    if chosen.no_server:
        report.close()
        return
    if not program("varnishd"):
        report.say(missing("varnishd"))
    report.table(
        ("", Column("CPU µs", ".0f"), Column("ms", ".2f")),
        served(min(chosen.rounds, SERVED_ROUNDS), chosen.requests),
        "served", "Over loopback, one client at a time: CPU of all processes of the server",
    )  # fmt: skip
    report.close()


if __name__ == "__main__":
    main()
