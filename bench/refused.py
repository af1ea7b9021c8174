"""What wrapping costs a site whose declared pages are all refused, since each sets a cookie.

Bare and wrapped site get the same visits in turns; CPU time of the whole process, so that renders
in the background count, too. The first visits, in which pages are tried, are part of it.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Sequence
from typing import Any, Final

from bench.kit.apps import App, environ, ignored
from bench.kit.report import Column, Report, options

ROUTES, PAGES, VISITS, ROUNDS = 8, 2_000, 100, 40
_PAGE: Final = """<html><title>{{ title }}</title>{% for row in rows %}
<div><h2>{{ row.name|title }}</h2><p>{{ row.text|truncate(80) }}</p>
<a href="/{{ row.id }}">{{ loop.index }}</a></div>
{% endfor %}<input type=hidden value="{{ token }}"></html>"""


def site() -> Any:
    """A Flask site of which each page writes the session, as one with a CSRF token does."""
    from flask import Flask, render_template, session
    from jinja2 import DictLoader

    from isgware import revalidate

    app = Flask("refused")
    app.secret_key = "bench"
    app.jinja_loader = DictLoader({"page.html": _PAGE})
    rows = [{"id": n, "name": f"name {n}", "text": "lorem ipsum " * 12} for n in range(60)]

    def view(number: int) -> str:
        token = session["token"] = f"{random.random()}"
        return render_template("page.html", title=f"page {number}", rows=rows, token=token)

    for route in range(ROUTES):
        endpoint, rule = f"route{route}", f"/route{route}/<int:number>"
        app.add_url_rule(rule, endpoint, revalidate(60)(lambda number: view(number)))
    return app


def visited(chance: random.Random) -> list[str]:
    """Paths of visits: few pages have many, and many have few."""
    return [
        f"/route{chance.randrange(ROUTES)}/{int(chance.paretovariate(0.6)) % PAGES}"
        for _ in range(VISITS)
    ]


def cpu(app: App, paths: Sequence[str]) -> float:
    started = time.process_time()
    for path in paths:
        chunks = app(environ(path), ignored)
        for _chunk in chunks:
            pass
        getattr(chunks, "close", lambda: None)()
    return time.process_time() - started


def measure(rounds: int = ROUNDS) -> tuple[float, float]:
    """Seconds of CPU for a visit of the bare and of the wrapped site."""
    from isgware.flask import ISG

    bare, wrapped, chance = site(), site(), random.Random(1)
    with tempfile.TemporaryDirectory() as directory:
        isg = ISG(wrapped, store=f"file:{directory}/store", enabled=True)
        # What each imports and compiles with its first visit is not what wrapping costs.
        cpu(bare, ["/route0/0"]), cpu(wrapped, ["/route0/0"])
        times = {"bare": 0.0, "wrapped": 0.0}
        for number in range(rounds):
            paths = visited(chance)
            turns = [("bare", bare), ("wrapped", wrapped)]
            for name, app in turns if number % 2 else reversed(turns):
                times[name] += cpu(app.wsgi_app, paths)
        isg.core.close(0)
    visits = rounds * VISITS
    return times["bare"] / visits, times["wrapped"] / visits


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("refused", __doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of {VISITS} visits each")
    chosen = parser.parse_args(arguments)
    report = Report(
        "refused", "CPU of a visit, a site whose declared pages all set a cookie", chosen.save,
        ("Flask", "Jinja2"),
    )  # fmt: skip
    bare, wrapped = measure(chosen.rounds)
    report.table(
        ("", Column("µs", ",.0f"), Column("x bare", ".3f")),
        [("bare", bare * 1e6, 1.0), ("wrapped", wrapped * 1e6, wrapped / bare)],
    )
    report.close()


if __name__ == "__main__":
    main()
