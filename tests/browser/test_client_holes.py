"""Holes that the browser fills, in a real one: with and without JavaScript, under a strict policy,
when the answer is slow, an error or not there, and with nginx as a caching proxy in front."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, render_template_string, session
from playwright.sync_api import Page, Route, expect

from isgware import hole, holes, revalidate
from isgware.flask import ISG
from tests.integration.nginx import Nginx, app_server
from tests.integration.test_caches_in_front import CachingNginx

Open = Callable[..., Page]
Serve = Callable[[Any], str]

STRICT = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
PAGE = """<!doctype html><html lang=en><head><title>Shop</title></head><body>
<h1>Shop</h1>
<p id=who>{% call hole("who", client=true) %}<a href="/login">Log in</a>{% endcall %}</p>
<table><tr><td>{{ hole("basket", client=true) }}</td></tr></table>
<p id=odd>{% call hole("odd", client=true) %}nothing odd{% endcall %}</p>
</body></html>"""


class Shop:
    """A page of three holes. ``go``: their functions wait for it; ``broken``: before they run, the
    app fails."""

    def __init__(self) -> None:
        self.renders = self.runs = 0
        self.broken = False
        self.go = threading.Event()
        self.go.set()
        self.app = app = Flask("shop")
        app.secret_key = "not a secret"

        @app.get("/page")
        @revalidate(60)
        def shown() -> str:
            self.renders += 1
            return render_template_string(PAGE)

        @app.get("/become/<name>")
        def become(name: str) -> str:
            session.update(user=name)
            return name

        @app.before_request
        def before() -> None:
            if self.broken:
                raise RuntimeError("broken")

        @app.after_request
        def after(response: Response) -> Response:
            response.headers["Content-Security-Policy"] = STRICT
            return response

        @hole("who")
        def who() -> str:
            self.runs += 1
            assert self.go.wait(60)
            return f"<a href=/account>Hello, {session.get('user', 'guest')} &lt;3</a>"

        @hole("basket")
        def basket() -> str:
            return f"<b>{len(session.get('user', ''))}</b>"

        @hole("odd")
        def odd() -> str:
            raise LookupError("odd")

        self.isg = ISG(app, store="memory:", enabled=True, backend_timeout=30.0)


@pytest.fixture
def shop() -> Iterator[Shop]:
    before = dict(holes.registered)
    shop = Shop()
    yield shop
    shop.go.set()
    shop.isg.close(5)
    holes.registered.clear()
    holes.registered.update(before)


@pytest.fixture
def site(shop: Shop, serve: Serve) -> str:
    return serve(shop.app)


def ann(open_tab: Open, site: str, **options: Any) -> Page:
    tab = open_tab(**options)
    tab.goto(f"{site}/become/ann")
    return tab


def complaints(tab: Page) -> list[str]:
    said: list[str] = []
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    return said


def test_holes_are_filled_under_a_strict_policy(site: str, shop: Shop, open_tab: Open) -> None:
    tab = ann(open_tab, site)
    said = complaints(tab)
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url.partition("?")[0]))
    answer = tab.goto(f"{site}/page")
    assert answer is not None
    assert answer.headers["cache-control"].startswith("public")
    expect(tab.locator("#who")).to_have_text("Hello, ann <3")
    expect(tab.locator("td b")).to_have_text("3")
    expect(tab.locator("#odd")).to_have_text("nothing odd")
    assert said == []
    assert [url.removeprefix(site).partition(".")[0] for url in asked] == [
        "/page", "/_isg/holes", "/_isg/holes",
    ]  # fmt: skip
    tab.goto(f"{site}/become/eve")
    answer = tab.goto(f"{site}/page")
    assert answer is not None
    assert answer.headers["x-isg-cache"] == "HIT"
    expect(tab.locator("#who")).to_have_text("Hello, eve <3")
    assert shop.renders == 1


def test_without_javascript_placeholders_stay(site: str, shop: Shop, open_tab: Open) -> None:
    tab = ann(open_tab, site, java_script_enabled=False)
    tab.goto(f"{site}/page")
    expect(tab.get_by_role("link", name="Log in")).to_be_visible()
    expect(tab.locator("td b")).to_have_text("0")
    assert shop.runs == 0


def test_while_the_answer_is_slow_placeholders_stay(site: str, shop: Shop, open_tab: Open) -> None:
    tab = ann(open_tab, site)
    shop.go.clear()
    tab.goto(f"{site}/page", wait_until="commit")
    expect(tab.get_by_role("link", name="Log in")).to_be_visible()
    shop.go.set()
    expect(tab.locator("#who")).to_have_text("Hello, ann <3")


@pytest.mark.parametrize("trouble", ["offline", "500", "nonsense", "script"])
def test_when_there_is_no_answer_placeholders_stay(
    site: str, shop: Shop, open_tab: Open, trouble: str
) -> None:
    tab = ann(open_tab, site)
    tab.goto(f"{site}/page")
    expect(tab.locator("#who")).to_have_text("Hello, ann <3")
    met: list[str] = []

    def answer(route: Route) -> None:
        met.append(route.request.url)
        if trouble == "nonsense":
            route.fulfill(status=200, content_type="application/json", body='{"a": 1}')
        elif trouble == "500":
            shop.broken = True
            route.continue_()
        else:
            route.abort("internetdisconnected")

    tab.route("**/_isg/holes.*" if trouble == "script" else "**/_isg/holes?*", answer)
    with tab.expect_event("requestfinished" if trouble in ("500", "nonsense") else "requestfailed"):
        tab.goto(f"{site}/page", wait_until="networkidle")
    assert met
    expect(tab.get_by_role("link", name="Log in")).to_be_visible()
    expect(tab.locator("td b")).to_have_text("0")


def test_changes_are_announced_politely_and_the_focus_is_left_alone(
    site: str, shop: Shop, open_tab: Open
) -> None:
    tab = ann(open_tab, site)
    shop.go.clear()
    tab.goto(f"{site}/page", wait_until="commit")
    tab.get_by_role("link", name="Log in").focus()
    tab.evaluate("""addEventListener("isg-filled",event=>{
        document.title+=" "+event.target.getAttribute("n")})""")
    shop.go.set()
    expect(tab.locator("td b")).to_have_text("3")
    expect(tab.get_by_role("link", name="Log in")).to_be_focused()
    expect(tab).to_have_title("Shop 1")
    tab.evaluate("document.activeElement.blur()")
    expect(tab.locator("#who")).to_have_text("Hello, ann <3")
    expect(tab).to_have_title("Shop 1 0")
    assert tab.locator("#who isg-hole").get_attribute("aria-live") == "polite"
    assert tab.evaluate("document.activeElement==document.body")


def test_behind_a_caching_proxy(shop: Shop, open_tab: Open) -> None:
    with app_server(shop.app) as port:
        front = CachingNginx(port)
        front.start()
        try:
            site = f"http://127.0.0.1:{front.port}"
            for name in ("ann", "eva", "ann"):
                tab = open_tab()
                tab.goto(f"{site}/become/{name}")
                answers: dict[str, str] = {}

                def note(answer: Any, into: dict[str, str] = answers) -> None:
                    path = answer.url.removeprefix(site).partition("?")[0]
                    into[path.partition(".")[0] + path[-3:]] = answer.headers.get("x-front", "")

                tab.on("response", note)
                tab.goto(f"{site}/page")
                expect(tab.locator("#who")).to_have_text(f"Hello, {name} <3")
            assert answers == {
                "/pageage": "HIT", "/_isg/holes.js": "HIT", "/_isg/holesles": "MISS",
            }  # fmt: skip
            assert shop.renders == 1
        finally:
            front.close()


def test_a_page_out_of_the_browsers_own_cache_asks_once_more(
    site: str, shop: Shop, open_tab: Open
) -> None:
    tab = ann(open_tab, site)
    tab.goto(f"{site}/page")
    expect(tab.locator("#who")).to_have_text("Hello, ann <3")
    tab.context.clear_cookies()
    tab.evaluate('dispatchEvent(new PageTransitionEvent("pageshow",{persisted:true}))')
    expect(tab.locator("#who")).to_have_text("Hello, guest <3")
    expect(tab.locator("td b")).to_have_text("0")


def test_a_page_that_is_a_file_of_nginx(shop: Shop, open_tab: Open, tmp_path: Path) -> None:
    with app_server(shop.app) as port:
        front = Nginx(tmp_path / "tree", port)
        # The configuration that the documentation shows passes on this Host, with its port.
        site = f"http://127.0.0.1:{front.port}"
        shop.app.test_client().get("/page", base_url=site)
        assert shop.isg.export(tmp_path / "tree", base_url=site).written == 1
        front.start()
        try:
            tab = ann(open_tab, site)
            answer = tab.goto(f"{site}/page")
            assert answer is not None
            assert "x-isg-cache" not in answer.headers
            expect(tab.locator("#who")).to_have_text("Hello, ann <3")
        finally:
            front.close()
