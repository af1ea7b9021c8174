"""`isgware.management.route_pages`: all pages of a route."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from isgware import Policy, revalidate
from isgware.flask import ISG
from isgware.management.route_pages import invalidate_route
from tests.promises.kit import visit

PATTERN = "/<any(p):first>/<path:rest>"


def test_a_pattern_has_the_pages_of_every_route_that_it_catches() -> None:
    """They are named by the routes of the framework, those that are being rendered, too."""
    app, purges = Flask("caught"), [False]
    routes = {PATTERN: Policy(revalidate=60), "/o": Policy(revalidate=60)}
    isg = ISG(app, store="memory:", enabled=True, routes=routes)

    def purge() -> None:
        invalidate_route(isg.core.runtime, PATTERN, hard=True)

    def view(**given: object) -> str:
        if purges[0]:
            purge()
        return str(given)

    for rule, name in (("/p/<slug>", "post"), ("/p/q/<int:number>", "number"), ("/o", "other")):
        app.add_url_rule(rule, name, view)

    def states() -> list[str]:
        return [visit(app.wsgi_app, path).cache for path in ("/p/a", "/p/q/1", "/o")]

    states()
    purge()
    assert states() == ["REVALIDATED", "REVALIDATED", "HIT"]
    purges[0] = True
    visit(app.wsgi_app, "/p/b")
    purges[0] = False
    assert visit(app.wsgi_app, "/p/b").cache != "HIT"


def test_a_route_has_the_pages_that_were_stored_under_its_old_name(tmp_path: Path) -> None:
    isgs = []
    for name in ("old", "new"):
        app = Flask("renamed")
        app.add_url_rule("/p/<slug>", name, revalidate(60)(lambda slug: slug))
        isgs.append(ISG(app, store=f"file:{tmp_path}", enabled=True))
        state = visit(app.wsgi_app, "/p/a").cache
    assert state != "MISS"
    invalidate_route(isgs[1].core.runtime, "new", hard=True)
    assert visit(app.wsgi_app, "/p/a").cache == "REVALIDATED"


def test_a_pattern_has_the_pages_that_it_alone_tells_apart() -> None:
    """No example of the route's URLs is one of the pattern's."""
    app = Flask("told apart")
    app.add_url_rule("/p/<slug>", "post", lambda slug: slug)
    isg = ISG(
        app, store="memory:", enabled=True,
        routes={"/<any(p):first>/<any(news):slug>": Policy(revalidate=60)},
    )  # fmt: skip
    visit(app.wsgi_app, "/p/news")
    assert visit(app.wsgi_app, "/p/news").cache == "HIT"
    invalidate_route(isg.core.runtime, "/<any(p):first>/<any(news):slug>", hard=True)
    assert visit(app.wsgi_app, "/p/news").cache == "REVALIDATED"
