"""An `ISG` that nobody refers to any more ends its threads and is collected, its app too."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import pytest
from cachelib import SimpleCache

from isgware import ISG, Policy
from tests.promises.kit import Clock, Gate, Site, eventually, html, visit

ROUTES = {"/<path:x>": Policy(revalidate=60)}


@pytest.fixture(params=["memory", "file", "foreign", "full", "loading", "redis"])
def options(request, tmp_path) -> dict[str, Any]:
    given: dict[str, dict[str, Any]] = {
        "memory": {},
        "file": {"store": f"file:{tmp_path}"},
        "foreign": {"store": SimpleCache(), "coordinator": f"file:{tmp_path}"},
        "full": {"cache_control": "full", "routes": {}},
        "loading": {"routes": {"/<path:x>": Policy(revalidate=60, fallback="loading")}},
    }
    if request.param == "redis":
        given["redis"] = {"store": request.getfixturevalue("redis_url")}
    return {"store": "memory:", "routes": ROUTES, **given[request.param]}


def used(site: Any, clock: Clock, **options: Any) -> ISG:
    """One that has rendered in the background."""
    isg = ISG(
        site, clock=clock, enabled=True, secret="s" * 16, base_url="http://site.test", **options
    )
    visit(isg, "/p")
    clock.tick(61)
    visit(isg, "/p")
    if options["routes"]:
        isg.regenerate("/p")
        eventually(lambda: visit(isg, "/p").cache == "HIT")
    return isg


def gone(*those: weakref.ref[Any]) -> bool:
    gc.collect()
    return all(it() is None for it in those)


def test_an_isg_that_nobody_refers_to_is_collected_with_its_app(options, clock):
    before = set(threading.enumerate())
    site = Site()
    if options.get("cache_control"):
        site.views["/p"] = lambda environ: html("p", ("Cache-Control", "max-age=60"))
    isg = used(site, clock, **options)
    assert set(threading.enumerate()) - before
    left = weakref.ref(isg), weakref.ref(site)
    del isg, site
    eventually(lambda: gone(*left))
    eventually(lambda: set(threading.enumerate()) <= before)


def test_one_that_is_referred_to_stays_and_works(clock):
    isg = used(Site(), clock, store="memory:", routes=ROUTES)
    gc.collect()
    clock.tick(61)
    assert visit(isg, "/p").cache == "STALE"
    eventually(lambda: visit(isg, "/p").cache == "HIT")
    isg.close(0)


def test_a_render_under_way_is_ended_first(clock):
    site, gate = Site(), Gate()
    isg = ISG(site, store="memory:", clock=clock, enabled=True, routes=ROUTES)
    visit(isg, "/p")

    def view(environ: Any) -> Any:
        gate.pass_through()
        return html("new")

    site.views["/p"] = view
    clock.tick(61)
    visit(isg, "/p")
    gate.wait()
    left = weakref.ref(isg.runtime.engine.renderer)
    del isg
    gc.collect()
    assert left() is not None
    gate.open.set()
    eventually(lambda: gone(left))


def test_a_flask_app_of_a_factory_is_collected(clock):
    flask = pytest.importorskip("flask")
    from isgware.flask import ISG as FlaskISG

    def create_app() -> Any:
        app = flask.Flask(__name__)
        isg = FlaskISG(app, store="memory:", enabled=True, clock=clock, routes=ROUTES)
        app.add_url_rule("/p", view_func=lambda: f"page of {isg}")
        return app

    app = create_app()
    for _ in range(2):
        assert app.test_client().get("/p").status_code == 200
        clock.tick(61)
    rules = [weakref.ref(rule) for rule in app.url_map.iter_rules()]
    left = weakref.ref(app)
    del app
    eventually(lambda: gone(left, *rules))
