"""The loading page in a real browser: it becomes the page, whatever happens to the render."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from examples.flask_app import create_app, views
from isgware import ISG, Policy
from isgware.serving.loading_page_html import SCRIPT_HASH

Open = Callable[..., Page]
Serve = Callable[[Any], str]

FILLER = "<p>One of many lines.</p>" * 200
PAGE = (
    "<!doctype html><html><head><title>The page</title></head><body><h1>It is here</h1>"
    f'{FILLER}<h2 id="far">Far below</h2>{FILLER}</body></html>'
)
TALL = f"<!doctype html><html><head><title>Wait</title></head><body>{FILLER}{FILLER}</body></html>"
LOADING = Policy(revalidate=60, fallback="loading")


class Slow:
    """An app whose renders wait until the test lets them end, and fail if it says so."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.broken = False
        self.renders = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] not in ("/p", "/tall"):
            start_response("200 OK", [("Content-Type", "text/html")])
            return [b"fine"]
        self.renders += 1
        assert self.go.wait(60)
        broken = self.broken
        start_response("500 Oops" if broken else "200 OK", [("Content-Type", "text/html")])
        return [b"<h1>The app's own error</h1>" if broken else PAGE.encode()]


@pytest.fixture
def app() -> Iterator[Slow]:
    slow = Slow()
    yield slow
    slow.go.set()


@pytest.fixture
def site(app: Slow, serve: Serve) -> Iterator[str]:
    tall = Policy(revalidate=60, fallback="loading", loading_page=TALL)
    isg = ISG(app, store="memory:", routes={"/tall": tall, "/<any(p, proven):name>": LOADING})
    yield serve(isg)
    app.go.set()
    isg.close(5)


def test_the_loading_page_becomes_the_page(site: str, app: Slow, open_tab: Open) -> None:
    tab = open_tab()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    answer = tab.goto(f"{site}/p?q=1")
    assert answer is not None
    assert answer.headers["x-isg-cache"] == "LOADING"
    expect(tab.get_by_role("status")).to_have_text("This page is being made ready…")
    app.go.set()
    expect(tab.get_by_role("heading", name="It is here")).to_be_visible()
    assert tab.url == f"{site}/p?q=1"
    assert app.renders == 1
    assert errors == []


def test_it_does_without_javascript(site: str, app: Slow, open_tab: Open) -> None:
    tab = open_tab(java_script_enabled=False)
    tab.goto(f"{site}/p")
    expect(tab.get_by_role("status")).to_be_visible()
    app.go.set()
    expect(tab.get_by_role("heading", name="It is here")).to_be_visible()
    assert app.renders == 1


def test_without_javascript_a_failed_render_is_the_app_s_own_error(
    site: str, app: Slow, open_tab: Open
) -> None:
    tab = open_tab(java_script_enabled=False)
    app.broken = True
    tab.goto(f"{site}/p")
    app.go.set()
    expect(tab.get_by_role("heading", name="The app's own error")).to_be_visible()


def test_a_failed_render_is_said_and_a_retry_gets_the_page(
    site: str, app: Slow, open_tab: Open
) -> None:
    tab = open_tab()
    app.broken = True
    tab.goto(f"{site}/p")
    app.go.set()
    expect(tab.get_by_role("status")).to_have_text("This page could not be loaded.")
    app.broken = False
    tab.get_by_role("button", name="Try again").click()
    expect(tab.get_by_role("heading", name="It is here")).to_be_visible()


def test_a_retry_that_fails_too_shows_the_app_s_own_error(
    site: str, app: Slow, open_tab: Open
) -> None:
    tab = open_tab()
    tab.goto(f"{site}/proven")
    expect(tab.get_by_text("fine")).to_be_visible()
    app.broken = True
    tab.goto(f"{site}/p")
    app.go.set()
    tab.get_by_role("button", name="Try again").click()
    expect(tab.get_by_role("heading", name="The app's own error")).to_be_visible()


def test_the_page_opens_at_the_fragment_of_its_url(site: str, app: Slow, open_tab: Open) -> None:
    tab = open_tab()
    tab.goto(f"{site}/p#far")
    before = tab.evaluate("history.length")
    app.go.set()
    expect(tab.get_by_role("heading", name="Far below")).to_be_in_viewport()
    assert tab.url == f"{site}/p#far"
    assert tab.evaluate("[history.length, history.scrollRestoration]") == [before, "auto"]


def test_the_page_opens_where_the_visitor_had_scrolled_to(
    site: str, app: Slow, open_tab: Open
) -> None:
    tab = open_tab()
    tab.goto(f"{site}/tall#far")
    tab.evaluate("scrollTo(0, 900)")
    app.go.set()
    expect(tab.get_by_role("heading", name="It is here")).to_be_attached()
    tab.wait_for_function("Math.abs(scrollY - 900) < 100")


def test_a_server_that_goes_away_is_said_in_the_end(site: str, app: Slow, open_tab: Open) -> None:
    tab = open_tab()
    tab.goto(f"{site}/p")
    tab.route("**/*", lambda route: route.abort())
    expect(tab.get_by_role("button", name="Try again")).to_be_visible()


def test_a_site_with_a_strict_policy_allows_the_script_by_its_hash(
    site: str, app: Slow, open_tab: Open
) -> None:
    """As a proxy would that adds its Content-Security-Policy to every answer."""
    policy = f"default-src 'none'; connect-src 'self'; script-src '{SCRIPT_HASH}'"
    tab = open_tab()

    def through_a_proxy(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(
            response=answer, headers={**answer.headers, "content-security-policy": policy}
        )

    tab.route("**/tall", through_a_proxy)
    tab.goto(f"{site}/tall")
    app.go.set()
    expect(tab.get_by_role("heading", name="It is here")).to_be_visible()


def test_the_example_shows_the_data_it_has_until_its_page_is_there(
    serve: Serve, open_tab: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, render = threading.Event(), views.render

    def slowly(template: str, **values: Any) -> str:
        if template == "compare.html":
            assert done.wait(60)
        return render(template, **values)

    monkeypatch.setattr(views, "render", slowly)
    catalogue = create_app(
        {"CATALOGUE_DB": str(tmp_path / "notes.sqlite"), "ISGWARE_STORE": "memory:"}
    )
    try:
        tab = open_tab()
        site = serve(catalogue)
        tab.goto(f"{site}/compare/IS/NO")
        expect(tab.get_by_text("Official name: Kingdom of Norway")).to_be_visible()
        expect(tab.get_by_role("heading")).to_have_text("Comparing…")
        done.set()
        expect(tab.get_by_role("heading")).to_have_text("Iceland and Norway")
        expect(tab.get_by_role("table")).to_contain_text("Kingdom of Norway")
        data = tab.request.get(f"{site}/api/country/NO.json")
        assert data.headers["x-isg-cache"] == "HIT"
    finally:
        done.set()
        catalogue.extensions["isgware"].close(5)
