"""`ISG.prerender`: what is rendered, what is reported, and what a failure leaves alone."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort, redirect, request, session
from werkzeug.test import Client

import isgware.flask
from isgware import ISG, ConfigurationError, Policy, page, revalidate
from isgware.build import batch
from isgware.build.build_report import Made, Report, RouteReport
from isgware.build.page_targets import Batch, Origin, visitor_for
from isgware.build.prerender import Build, Options, Source
from isgware.build.workers import BuildWorkers, Worker
from isgware.flask import FlaskSite
from isgware.routing.seen_paths import Seen
from isgware.testing import FakeClock

BASE = "https://example.com"
ORIGIN = Origin("https", "example.com")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def app() -> Flask:
    app = Flask("site")
    app.secret_key = "not a secret"
    return app


@pytest.fixture
def built(app: Flask, clock: FakeClock) -> Iterator[Callable[..., Any]]:
    """``built(**options)``: an ISG around ``app``."""
    made: list[isgware.flask.ISG] = []

    def make(**options: Any) -> isgware.flask.ISG:
        options = {"store": "memory:", "base_url": BASE, "clock": clock, "enabled": True, **options}
        made.append(isgware.flask.ISG(app, **options))
        return made[0]

    yield make
    for isg in made:
        isg.close(0)


def route(app: Flask, rule: str, view: Callable[..., Any], **policy: Any) -> None:
    policy = {"revalidate": 60, **policy}
    seconds = policy.pop("revalidate")
    app.add_url_rule(rule, rule, revalidate(seconds, **policy)(view))


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.rendered, report.fresh, report.dynamic, report.failed


def failures(report: Report) -> dict[str, str]:
    return {failure.page: failure.reason for failure in report.failures}


def stored(isg: Any) -> list[str]:
    return [info.url for info in isg.pages()]


# What is rendered.


def test_routes_without_arguments_and_what_paths_lists(app: Flask, built: Any) -> None:
    route(app, "/", lambda: "home")
    route(app, "/posts/<slug>", lambda slug: slug, paths=lambda: [{"slug": "a"}, "/posts/b?page=2"])
    route(app, "/users/<name>", lambda name: name)
    app.add_url_rule("/about", "about", lambda: "about")
    isg = built()
    report = isg.prerender()
    assert counts(report) == (3, 0, 0, 0)
    assert stored(isg) == [f"{BASE}/", f"{BASE}/posts/a", f"{BASE}/posts/b?page=2"]
    kinds = {line.rule: (line.kind, line.reason) for line in report.routes}
    assert kinds["/"] == ("static", "")
    assert kinds["/posts/<slug>"] == ("prerendered", "")
    assert kinds["/users/<name>"][0] == "dynamic"
    assert "no paths=" in kinds["/users/<name>"][1]
    assert kinds["/about"] == ("dynamic", "not declared")
    assert report.ok


def test_visitors_find_what_was_built(app: Flask, built: Any) -> None:
    route(app, "/posts/<slug>", lambda slug: slug, paths=["/posts/a"])
    built().prerender()
    answer = Client(app).get("/posts/a", base_url=BASE)
    assert (answer.headers["X-ISG-Cache"], answer.text) == ("HIT", "a")


def test_patterns_of_the_option_routes(app: Flask, built: Any) -> None:
    app.add_url_rule("/posts/<slug>", "post", lambda slug: slug)
    policies = {"/posts/<path:slug>": Policy(paths=[{"slug": "a"}]), "/x": Policy(revalidate=5)}
    app.add_url_rule("/<any>", "any", lambda any: any)
    isg = built(routes=policies)
    assert counts(isg.prerender()) == (2, 0, 0, 0)
    assert stored(isg) == [f"{BASE}/posts/a", f"{BASE}/x"]


def test_paths_that_are_named_take_the_place_of_what_is_declared(app: Flask, built: Any) -> None:
    route(app, "/", lambda: "home")
    route(app, "/posts/<slug>", lambda slug: slug)
    isg = built()
    assert counts(isg.prerender(["/posts/a", "/posts/b"])) == (2, 0, 0, 0)
    assert counts(isg.prerender(lambda: ["/posts/c"])) == (1, 0, 0, 0)
    assert stored(isg) == [f"{BASE}/posts/{slug}" for slug in "abc"]
    with pytest.raises(ConfigurationError):
        isg.prerender("/posts/a")
    assert failures(isg.prerender([{"slug": "a"}, "b"]))["{'slug': 'a'}"] == "not a path"  # type: ignore[list-item]


def test_a_plain_app_s_decorator_is_learned_while_building(clock: FakeClock) -> None:
    @revalidate(60)
    def view() -> list[bytes]:
        return [b"page"]

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return view()

    isg = ISG(app, store="memory:", base_url=BASE, clock=clock)
    assert counts(isg.prerender()) == (0, 0, 0, 0)
    assert counts(isg.prerender(["/a"])) == (1, 0, 0, 0)
    assert Client(isg).get("/a").headers["X-ISG-Cache"] == "HIT"


def test_every_base_url_is_built(app: Flask, built: Any) -> None:
    route(app, "/", lambda: request.host)
    other = "https://example.org"
    isg = built(base_url=[BASE, other])
    assert counts(isg.prerender()) == (2, 0, 0, 0)
    for base in (BASE, other):
        answer = Client(app).get("/", base_url=base)
        assert (answer.headers["X-ISG-Cache"], f"https://{answer.text}") == ("HIT", base)


def test_a_base_url_that_is_given_says_scheme_host_and_mount(app: Flask, built: Any) -> None:
    route(app, "/", lambda: request.base_url)
    built(base_url=())
    isg = app.extensions["isgware"]
    with pytest.raises(ConfigurationError, match="base_url="):
        isg.prerender()
    assert counts(isg.prerender(base_url="https://example.com/shop")) == (1, 0, 0, 0)
    answer = Client(app).get("/", base_url="https://example.com/shop")
    assert answer.headers["X-ISG-Cache"] == "HIT"
    assert answer.text == "https://example.com/shop/"
    assert counts(isg.prerender(base_url="https://example.com/caf%C3%A9/")) == (1, 0, 0, 0)
    answer = Client(app).get("/", base_url="https://example.com/café")
    assert answer.headers["X-ISG-Cache"] == "HIT"
    with pytest.raises(ConfigurationError, match="no base URL"):
        isg.prerender(base_url="example.com")


def test_a_host_that_is_not_trusted_is_said_before_anything_is_rendered(
    app: Flask, built: Any
) -> None:
    isg = built(base_url=(), trusted_hosts=["example.com"])
    with pytest.raises(ConfigurationError, match="trusted_hosts"):
        isg.prerender(base_url="https://example.org")


def test_each_named_value_of_vary_is_a_page(app: Flask, built: Any) -> None:
    def view() -> str:
        return f"{request.headers.get('Accept-Language')} {request.cookies.get('currency')}"

    route(
        app,
        "/",
        view,
        vary={"Accept-Language": ["en", "fr"], "cookie:currency": ["eur"], "X": None},
    )
    isg = built()
    assert isg.prerender().rendered == 6
    client = Client(app, use_cookies=False)
    for language in (None, "en", "fr"):
        for cookie in (None, "currency=eur"):
            headers = {"Accept-Language": language, "Cookie": cookie}
            given = {name: value for name, value in headers.items() if value}
            answer = client.get("/", base_url=BASE, headers=given)
            assert answer.headers["X-ISG-Cache"] == "HIT"


def test_only_says_which_paths(app: Flask, built: Any) -> None:
    route(app, "/", lambda: "home")
    route(app, "/posts/<slug>", lambda slug: slug, paths=["/posts/a", "/posts/b"])
    isg = built()
    isg.prerender(only="/posts/*")
    assert stored(isg) == [f"{BASE}/posts/a", f"{BASE}/posts/b"]


def test_several_threads_render(app: Flask, built: Any) -> None:
    paths = [f"/posts/{number}" for number in range(200)]
    route(app, "/posts/<slug>", lambda slug: slug, paths=paths)
    isg = built()
    seen = []
    report = isg.prerender(jobs=4, on_progress=lambda report: seen.append(report.done))
    assert counts(report) == (200, 0, 0, 0)
    assert len(stored(isg)) == 200
    assert seen == sorted(seen)
    assert seen[-1] == 200


# What is left alone.


@pytest.mark.parametrize("jobs", [0, -1, True, "2", 1.5])
def test_fewer_than_one_job_is_an_error_not_an_empty_build(
    jobs: Any, app: Flask, built: Any
) -> None:
    route(app, "/", lambda: "home")
    with pytest.raises(ConfigurationError, match="1 or more"):
        built().prerender(jobs=jobs)


def test_stale_leaves_what_is_fresh(app: Flask, built: Any, clock: FakeClock) -> None:
    rendered = []
    route(app, "/posts/<slug>", lambda slug: rendered.append(slug) or slug, paths=["/posts/a"])
    route(app, "/slow/<slug>", lambda slug: slug, revalidate=600, paths=["/slow/a", "/slow/b"])
    isg = built()
    isg.prerender()
    assert counts(isg.prerender(stale=True)) == (0, 3, 0, 0)
    clock.advance(90)
    isg.revalidate_path("/slow/b")
    assert counts(isg.prerender(stale=True)) == (2, 1, 0, 0)
    isg.purge_path("/slow/b")
    assert counts(isg.prerender(stale=True)) == (1, 2, 0, 0)
    assert counts(isg.prerender()) == (3, 0, 0, 0)
    assert rendered == ["a", "a", "a"]


def test_a_policy_that_changed_makes_a_page_stale(app: Flask, built: Any) -> None:
    route(app, "/a", lambda: "a")
    isg = built()
    isg.prerender()
    app.view_functions["/a"] = revalidate(90)(lambda: "a")
    assert counts(isg.prerender(stale=True)) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda: abort(500), "status 500"),
        (lambda: 1 / 0, "status 500 INTERNAL SERVER ERROR, ZeroDivisionError: division by zero"),
        (lambda: "", "may not be stored: empty-body"),
    ],
    ids=["abort", "error", "empty"],
)
def test_a_page_that_fails_stays_as_it_was(
    app: Flask, built: Any, change: Callable[[], Any], reason: str
) -> None:
    answers: list[Callable[[], Any]] = [lambda: "old"]
    route(app, "/a", lambda: answers[-1]())
    isg = built()
    isg.prerender()
    answers.append(change)
    report = isg.prerender()
    assert (counts(report), report.ok) == ((0, 0, 0, 1), False)
    assert failures(report)[f"{BASE}/a"].startswith(reason)
    answer = Client(app).get("/a", base_url=BASE)
    assert (answer.headers["X-ISG-Cache"], answer.text) == ("HIT", "old")


@pytest.mark.parametrize(
    "change",
    [lambda: page.no_store() or "new", lambda: session.update(a=1) or "new"],
    ids=["no_store", "set-cookie"],
)
def test_a_page_that_is_not_for_everybody_any_more_is_withdrawn(
    app: Flask, built: Any, change: Callable[[], Any]
) -> None:
    answers: list[Callable[[], Any]] = [lambda: "old"]
    route(app, "/a", lambda: answers[-1]())
    route(app, "/b", lambda: "b")
    isg = built()
    isg.prerender()
    answers.append(change)
    report = isg.prerender()
    assert (counts(report), report.ok) == ((1, 0, 1, 0), True)
    answer = Client(app).get("/a", base_url=BASE)
    assert (answer.headers["X-ISG-Cache"], answer.text) == ("BYPASS", "new")
    assert [info.path for info in isg.pages()] == ["/b"]


def test_accept_may_refuse_a_new_page(app: Flask, built: Any) -> None:
    texts = ["old"]
    route(app, "/a", lambda: texts[-1], accept=lambda old, new: new.body != b"bad")
    isg = built()
    isg.prerender()
    texts.append("bad")
    assert failures(isg.prerender()) == {f"{BASE}/a": "may not be stored: not-accepted"}
    texts.append("good")
    assert counts(isg.prerender()) == (1, 0, 0, 0)


# What is said.


def test_pages_that_may_not_be_stored_are_dynamic_with_the_reason(app: Flask, built: Any) -> None:
    route(app, "/cookie", lambda: session.update(a=1) or "page")
    route(app, "/never", lambda: "page", revalidate=0)
    route(app, "/some/<x>", lambda x: page.no_store() if x == "a" else "x", paths=["/some/b"])
    app.add_url_rule("/form", "form", lambda: "", methods=["POST"])
    report = built().prerender()
    assert counts(report) == (1, 0, 1, 0)
    kinds = {line.rule: (line.kind, line.reason) for line in report.routes}
    assert kinds["/cookie"] == ("dynamic", "set-cookie")
    assert kinds["/never"] == ("dynamic", "revalidate=0")
    assert kinds["/form"] == ("dynamic", "answers POST only")
    assert report.ok


def test_a_redirect_to_the_same_page_elsewhere_is_a_failure(app: Flask, built: Any) -> None:
    route(app, "/a", lambda: redirect("http://example.com/a"))
    reason = "may not be stored: redirect-to-other-origin"
    assert failures(built().prerender()) == {f"{BASE}/a": reason}


def test_what_paths_should_not_have_given_is_named_with_its_route(app: Flask, built: Any) -> None:
    def paths() -> Iterator[Any]:
        yield from ("/posts/a", "/posts/%61", "https://example.org/b", "/nowhere", {"x": 1})
        yield "/posts/b"
        raise RuntimeError("the database went away")

    route(app, "/posts/<slug>", lambda slug: slug, paths=paths)
    route(app, "/last", lambda: "last")
    isg = built()
    report = isg.prerender()
    assert stored(isg) == [f"{BASE}/last", f"{BASE}/posts/a", f"{BASE}/posts/b"]
    assert counts(report) == (3, 0, 0, 5)
    assert {failure.route for failure in report.failures} == {"/posts/<slug>"}
    found = failures(report)
    assert found["/posts/%61"] == "listed twice"
    assert found["https://example.org/b"] == "an absolute URL; give its path alone"
    assert found["/nowhere"] == "no declared route matches this path"
    assert "No URL" in found["{'x': 1}"]
    assert found[""] == "RuntimeError: the database went away"


def test_a_route_may_list_its_own_url(app: Flask, built: Any) -> None:
    listed = ["/docs/", "/docs/intro", "/docs/%69ntro", "/docs/"]

    @app.get("/docs/", defaults={"slug": ""})
    @app.get("/docs/<path:slug>")
    @revalidate(False, paths=lambda: listed)
    def docs(slug: str) -> str:
        return slug

    report = built(base_url=["http://a.test", "http://b.test"]).prerender()
    assert failures(report) == {"/docs/%69ntro": "listed twice", "/docs/": "listed twice"}
    assert counts(report) == (4, 0, 0, 2)
    assert report.total == 8


def test_a_page_that_is_listed_and_not_there_is_a_failure(app: Flask, built: Any) -> None:
    route(app, "/posts/<slug>", lambda slug: abort(404), paths=["/posts/a"])
    assert failures(built().prerender()) == {f"{BASE}/posts/a": "answered 404 NOT FOUND"}


def test_fail_fast_stops_at_the_first_failure(app: Flask, built: Any) -> None:
    paths = ["https://example.org/", *(f"/posts/{number}" for number in range(500))]
    route(app, "/posts/<slug>", lambda slug: slug, paths=paths)
    report = built().prerender(fail_fast=True)
    assert report.failed == 1
    assert report.rendered < 500
    assert "first failure" in report.stopped
    assert not report.ok


def test_a_view_that_exits_fails_its_page_only(app: Flask, built: Any) -> None:
    def view(slug: str) -> str:
        if slug == "a":
            raise SystemExit(3)
        return slug

    route(app, "/posts/<slug>", view, paths=["/posts/a", "/posts/b"])
    report = built().prerender()
    assert failures(report) == {f"{BASE}/posts/a": "SystemExit: 3"}
    assert report.rendered == 1


def test_a_render_that_hangs_is_given_up_and_the_rest_goes_on(app: Flask, built: Any) -> None:
    import threading

    released = threading.Event()

    def view(number: str) -> str:
        if number == "50":
            released.wait(60)
        return number

    paths = [f"/posts/{number}" for number in range(100)]
    route(app, "/posts/<number>", view, paths=paths)
    try:
        report = built(render_timeout=3).prerender(jobs=2)
    finally:
        released.set()
    assert failures(report) == {"/posts/50": "the render took too long and was given up"}
    assert report.rendered == 99


def test_the_report_keeps_the_slowest_pages_and_the_sizes(app: Flask, built: Any) -> None:
    route(app, "/posts/<slug>", lambda slug: "x" * 1000, paths=["/posts/a", "/posts/b"])
    (line,) = [line for line in built().prerender().routes if line.rendered]
    assert (line.pages, line.size) == (2, 2000)
    assert 0 < line.compressed < 200
    assert {path for _, path in line.slowest} == {f"{BASE}/posts/a", f"{BASE}/posts/b"}
    assert (line.revalidate, line.expire) == (60.0, 31_536_000.0)


def test_switched_off_it_does_nothing(app: Flask, built: Any) -> None:
    route(app, "/", lambda: "home")
    isg = built(enabled=False)
    assert isg.prerender() == Report()
    assert stored(isg) == []


# Beside others.


def test_a_process_that_serves_shows_the_new_page_at_once(
    app: Flask, clock: FakeClock, tmp_path: Path
) -> None:
    texts = ["old"]
    route(app, "/a", lambda: texts[-1])
    options = {"store": f"file:{tmp_path}/pages", "base_url": BASE, "clock": clock}
    builds, serves = (ISG(app.wsgi_app, site=FlaskSite(app), **options) for _ in range(2))
    builds.prerender()
    client = Client(serves)
    assert client.get("/a").text == "old"
    texts.append("new")
    builds.prerender()
    answer = client.get("/a")
    assert (answer.headers["X-ISG-Cache"], answer.text) == ("HIT", "new")


def test_what_was_learned_of_a_batch_s_pages_is_read_at_once(
    app: Flask, built: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [f"/posts/{number}" for number in range(50)]
    route(app, "/posts/<slug>", lambda slug: slug, paths=paths)
    isg = built(store=f"file:{tmp_path}/pages").core
    backend, asked = isg.runtime.engine.page_store.backend.backend, []
    at_once, one = backend.read_notes, backend.read_note
    monkeypatch.setattr(backend, "read_notes", lambda *a: asked.append("many") or at_once(*a))
    monkeypatch.setattr(backend, "read_note", lambda *a: asked.append("one") or one(*a))
    found = batch.Renderer(isg.runtime.engine, [ORIGIN], stale=False).render(Batch(0, tuple(paths)))
    assert {made.outcome for made in found} == {"rendered"}
    assert asked == ["many"]


def test_a_page_that_somebody_renders_is_not_rendered_again(
    app: Flask, clock: FakeClock, tmp_path: Path
) -> None:
    """Whoever holds the lease has until the rest is done; then it is overtaken."""
    rendered: list[str] = []
    route(app, "/posts/<slug>", lambda slug: rendered.append(slug) or slug, paths=["/posts/a"])
    route(app, "/z", lambda: builds_elsewhere() or "z")
    options = {"store": f"file:{tmp_path}/pages", "base_url": BASE, "clock": clock}
    one, other = (ISG(app.wsgi_app, site=FlaskSite(app), **options) for _ in range(2))
    plan = one.runtime.engine.planner.plan(visitor_for("/posts/a", Origin("https", "example.com")))
    assert plan is not None
    assert plan.target is not None
    page_store = other.runtime.engine.page_store
    lease = page_store.acquire(plan.target.key, 10.0, ())

    def builds_elsewhere() -> None:
        page_store.release(lease)
        other.prerender(["/posts/a"])

    assert counts(one.prerender(stale=True)) == (1, 1, 0, 0)
    assert rendered == ["a"]
    one.purge_all()
    page_store.acquire(plan.target.key, 10.0, ())  # by somebody who will not come back
    app.view_functions["/z"] = revalidate(60)(lambda: "z")
    assert counts(one.prerender(stale=True)) == (2, 0, 0, 0)


def test_a_store_that_is_away_for_a_moment_is_waited_for(
    app: Flask, built: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    route(app, "/a", lambda: "a")
    isg = built()
    backend = isg.core.runtime.engine.page_store.backend
    backend.trip(OSError("restarting"))
    assert counts(isg.prerender()) == (1, 0, 0, 0)
    monkeypatch.setattr(batch, "PATIENCE", 0.0)
    monkeypatch.setattr(backend.backend, "ping", lambda: 1 / 0)
    backend.trip(OSError("gone"))
    assert failures(isg.prerender())[f"{BASE}/a"].startswith("The store is out of reach")


def test_the_total_is_known_if_the_lists_are(app: Flask, built: Any) -> None:
    route(app, "/", lambda: "home")
    lists: list[Any] = [["/posts/a", "/posts/b"]]
    route(app, "/posts/<slug>", lambda slug: slug, paths=lambda: lists[-1])
    isg = built(base_url=[BASE, "https://example.org"])
    assert isg.prerender().total == 6
    assert isg.prerender(["/posts/a"]).total == 2
    assert isg.prerender(only="/posts/*").total is None
    lists.append(iter(["/posts/a"]))
    assert isg.prerender().total is None


class Idle(BuildWorkers):
    """Says of every page at once that it was rendered."""

    def __init__(self) -> None:
        super().__init__(0, 1.0)

    def _hire(self) -> Worker:
        pytest.fail("nobody is needed")

    def _wait(self, seconds: float) -> list[tuple[Worker, list[Made]]]:
        pytest.fail("there is nobody to wait for")

    def run(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, list[Made]]]:
        for each in batches:
            yield each, [Made("rendered", path, "", 0.0, 10, 5) for path in each.paths]


def test_what_a_build_remembers_does_not_grow_with_its_pages() -> None:
    def peak(pages: int) -> int:
        line = RouteReport("post", "/posts/<slug>", "prerendered")
        source = Source(line, (f"/posts/{number}" for number in range(pages)))
        report = Report(routes=[line])
        build = Build(report, [source], Options(), None)
        build._seen = Seen(1 << 10)  # which is bounded, too
        tracemalloc.start()
        build.run(Idle())
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            assert report.rendered == pages

    assert peak(10_000) < 200_000


def test_a_page_behind_a_login_is_dynamic_and_not_stored(app: Flask, built: Any) -> None:
    route(app, "/account", lambda: redirect("/login?next=/account"))
    isg = built()
    report = isg.prerender()
    [line] = [line for line in report.routes if line.rule == "/account"]
    assert (report.ok, line.kind) == (True, "dynamic")
    assert line.reason == "redirects to /login?next=/account (302), as a page behind a login does"
    assert list(isg.pages()) == []


def test_a_page_that_is_behind_a_login_from_now_on_does_not_stay(app: Flask, built: Any) -> None:
    answers = ["everybody's", redirect("/login")]
    route(app, "/account", lambda: answers.pop(0))
    isg = built()
    isg.prerender()
    isg.prerender()
    assert [info.status for info in isg.pages()] == [302]
