"""The dashboard in a real browser, under its own Content-Security-Policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask, Response, make_response
from playwright.sync_api import Locator, Page, expect

from isgware import revalidate
from isgware.flask import ISG

Open = Callable[..., Page]
Serve = Callable[[Any], str]
SECRET = "a secret of the site's own"
#: What would run if text became markup, under a policy that let it.
PROBE = "<img src=x onerror=document.title='owned'>\"'"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = Flask("shop")
    isg = ISG(app, store=f"file:{tmp_path}/store", secret=SECRET, backend_timeout=30.0)

    @app.get("/posts/<slug>")
    @revalidate(600, tags=["posts", "post:{slug}"])
    def post(slug: str) -> str:
        return f"<!doctype html><title>{slug}</title><h1>Post {slug}</h1>"

    @app.get("/scripted")
    @revalidate(600)
    def scripted() -> str:
        return "<h1>As stored</h1><script>top.document.title='owned';parent.name='owned'</script>"

    @app.get("/tagged/<path:name>")
    @revalidate(600, tags=[PROBE])
    def tagged(name: str) -> str:
        return name

    yield app
    isg.close(5)


@pytest.fixture
def site(app: Flask, serve: Serve) -> str:
    client = app.test_client()
    for number in range(3):
        client.get(f"/posts/{number}")
    return serve(app)


def watched(tab: Page) -> list[str]:
    """What the browser complains of from now on."""
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    return errors


def log_in(tab: Page, site: str, path: str = "/") -> None:
    tab.goto(f"{site}/_isg{path}")
    tab.get_by_label("Secret").fill(SECRET)
    tab.get_by_role("button", name="Log in").click()
    expect(tab.get_by_role("navigation", name="Dashboard")).to_be_visible()


def follow(tab: Page, target: Locator) -> None:
    """Click, and return when the page that this leads to is there. Until then the one before can
    be looked at and clicked on, which may show the same."""
    with tab.expect_navigation():
        target.click()


def fits(tab: Page) -> bool:
    """Nothing is wider than the window, once the stylesheet is there: until then a script that
    asks for sizes is told those of the bare markup, which nobody sees."""
    tab.wait_for_load_state()
    return bool(tab.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_the_keyboard_is_enough_to_log_in_and_out(site: str, open_tab: Open) -> None:
    tab = open_tab()
    errors = watched(tab)
    tab.goto(f"{site}/_isg/")
    expect(tab.get_by_label("Secret")).to_be_focused()
    tab.keyboard.type(SECRET)
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", name="Overview")).to_be_visible()
    expect(tab.get_by_text("3 pages")).to_be_visible()
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("link", name="Skip to content")).to_be_focused()
    tab.get_by_role("button", name="Log out").press("Enter")
    expect(tab.get_by_role("heading", name="Log in")).to_be_visible()
    assert errors == []


def test_a_wrong_secret_is_told_and_pauses_follow(site: str, open_tab: Open) -> None:
    tab = open_tab()
    tab.goto(f"{site}/_isg/")
    for _ in range(4):
        tab.get_by_label("Secret").fill("wrong")
        follow(tab, tab.get_by_role("button", name="Log in"))
        expect(tab.get_by_role("alert")).to_have_text("That is not the secret.")
    tab.get_by_label("Secret").fill("wrong")
    with tab.expect_response("**/login") as answer:
        tab.get_by_role("button", name="Log in").click()
    expect(tab.get_by_role("alert")).to_contain_text("Too many wrong guesses")
    assert (answer.value.status, answer.value.headers["retry-after"]) == (429, "1")


def test_without_javascript_it_works_the_same(site: str, open_tab: Open) -> None:
    tab = open_tab(java_script_enabled=False)
    log_in(tab, site)
    expect(tab.get_by_role("heading", name="Overview")).to_be_visible()
    tab.get_by_role("button", name="Log out").click()
    expect(tab.get_by_label("Secret")).to_be_visible()


def test_numbers_refresh_and_can_be_paused(site: str, app: Flask, open_tab: Open) -> None:
    tab = open_tab()
    errors = watched(tab)
    tab.clock.install()
    log_in(tab, site)
    pages = tab.locator("#live-tiles")
    expect(pages).to_contain_text("3")
    app.test_client().get("/posts/another")
    app.extensions["isgware"].core.runtime.counts.flush()
    app.extensions["isgware"].core._control._dashboard.surveyor.forget()
    tab.clock.run_for(5_500)
    expect(pages.locator("div").nth(3)).to_contain_text("4")
    tab.get_by_role("button", name="Live").click()
    expect(tab.get_by_role("button", name="Paused")).to_have_attribute("aria-pressed", "false")
    assert errors == []


@pytest.mark.parametrize(
    "end",
    ["answer({ok: true, text: async () => document.documentElement.outerHTML})", "fail()"],
    ids=["answer", "failure"],
)
def test_a_refresh_under_way_does_not_undo_a_pause(site: str, open_tab: Open, end: str) -> None:
    tab = open_tab()
    log_in(tab, site)
    live = tab.get_by_role("button", name="Live")
    expect(live).to_be_visible()  # since the script is there
    tab.evaluate("""() => {
        fetch = () => new Promise((answer, fail) => Object.assign(window, {answer, fail}));
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    live.click()
    tab.evaluate(f"() => {{ {end}; return new Promise(done => setTimeout(done)) }}")
    assert tab.locator("#live").text_content() == "Paused"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_cut_off(site: str, open_tab: Open, width: int, scheme: str) -> None:
    tab = open_tab(viewport={"width": width, "height": 700}, color_scheme=scheme)
    log_in(tab, site)
    assert fits(tab)


def test_a_form_on_another_site_does_nothing(site: str, open_tab: Open, serve: Serve) -> None:
    form = (
        f'<form method="post" action="{site}/_isg/logout"><input name="token" value="x">'
        "<button>Win</button></form>"
    )

    def evil(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [form.encode()]

    tab = open_tab()
    log_in(tab, site)
    tab.goto(serve(evil).replace("127.0.0.1", "localhost"))
    with tab.expect_response("**/logout") as answer:
        follow(tab, tab.get_by_role("button", name="Win"))
    assert answer.value.status in (401, 403)
    tab.goto(f"{site}/_isg/")
    expect(tab.get_by_role("heading", name="Overview")).to_be_visible()


def test_every_page_works_under_the_policy(site: str, open_tab: Open) -> None:
    tab = open_tab(viewport={"width": 360, "height": 700})
    errors = watched(tab)
    log_in(tab, site)
    for name in ("Routes", "Pages", "Why", "Overview"):
        follow(tab, tab.get_by_role("navigation").get_by_role("link", name=name))
        expect(tab.get_by_role("heading", name=name, level=1)).to_be_visible()
        current = tab.get_by_role("navigation").get_by_role("link", name=name)
        expect(current).to_have_attribute("aria-current", "page")
        assert fits(tab), name
    assert errors == []


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "no script"])
def test_pages_are_searched_and_acted_on(site: str, open_tab: Open, scripts: bool) -> None:
    tab = open_tab(java_script_enabled=scripts)
    errors = watched(tab)
    log_in(tab, site, "/pages")
    tab.get_by_label("Path", exact=True).fill("/posts/1")
    follow(tab, tab.get_by_role("button", name="Search"))
    tab.get_by_label("Choose /posts/1").check()
    follow(tab, tab.get_by_role("button", name="Regenerate"))
    expect(tab.get_by_role("status")).to_have_text("Regenerated /posts/1.")
    expect(tab.get_by_label("Path", exact=True)).to_have_value("/posts/1")
    follow(tab, tab.get_by_role("link", name="/posts/1"))
    follow(tab, tab.get_by_role("button", name="Purge"))
    expect(tab.get_by_text("Nothing is stored under this path")).to_be_visible()
    follow(tab, tab.get_by_role("button", name="Why?"))
    expect(tab.get_by_text("Step by step")).to_be_visible()
    assert tab.url == f"{site}/_isg/why"
    follow(tab, tab.get_by_role("link", name="Routes"))
    follow(tab, tab.get_by_role("button", name="Revalidate post"))
    expect(tab.get_by_role("status")).to_have_text("Revalidated all pages of post.")
    assert errors == []


def test_a_stored_page_runs_no_script_in_its_frame(site: str, app: Flask, open_tab: Open) -> None:
    app.test_client().get("/scripted")
    tab = open_tab()
    log_in(tab, site, "/page?path=/scripted")
    tab.get_by_text("Show it in a sandbox").click()
    frame = tab.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="As stored")).to_be_visible()
    assert "owned" not in tab.title()
    tab.goto(tab.locator("iframe").get_attribute("src") and tab.url.split("/page")[0] + "/pages")
    assert tab.evaluate("document.title") == "Pages · isgware"


def test_text_of_visitors_and_apps_runs_nowhere(site: str, app: Flask, open_tab: Open) -> None:
    app.test_client().get(f"/tagged/{PROBE}")
    tab = open_tab()
    errors = watched(tab)
    log_in(tab, site)
    for path, query in (
        ("/", {}),
        ("/routes", {"q": PROBE}),
        ("/pages", {"path": PROBE, "tag": PROBE}),
        ("/pages", {"tag": PROBE}),
        ("/page", {"path": f"/tagged/{PROBE}"}),
    ):
        tab.goto(f"{site}/_isg{path}?{urlencode(query)}")
        assert tab.locator("img").count() == 0
        assert tab.title() != "owned"
    assert errors == []


@pytest.mark.parametrize("policy", ["", "default-src 'self'", "style-src 'nonce-abc'"])
def test_the_panel_in_development_offends_no_policy(
    serve: Serve, open_tab: Open, policy: str
) -> None:
    app = Flask("shop")
    app.debug = True
    ISG(app, store="memory:", panel=True)

    @app.get("/")
    @revalidate(60)
    def front() -> Response:
        answer = make_response("<!doctype html><html><body><h1>Shop</h1></body></html>")
        if policy:
            answer.headers["Content-Security-Policy"] = policy
        return answer

    tab = open_tab()
    errors = watched(tab)
    tab.goto(serve(app))
    summary = tab.locator("#isgware-panel summary")
    expect(summary).to_have_text("isgware: would be stored")
    summary.click()
    expect(tab.get_by_text("revalidate=60")).to_be_visible()
    fixed = tab.locator("#isgware-panel details").evaluate("it => getComputedStyle(it).position")
    assert (fixed == "fixed") == ("default-src" not in policy)
    assert [error for error in errors if "favicon" not in error and "404" not in error] == []
