"""Holes in a plain WSGI app: functions get the environ, and nobody records what they read."""

from __future__ import annotations

import pytest
from werkzeug.test import Client

from isgware import ISG, ConfigurationError, Policy, hole, holes, page, revalidate
from tests.flask.test_client_holes import asks, made

EURO = "\u20ac"
FILLER = "<p>text that makes a page of it</p>\n" * 60


@pytest.fixture(autouse=True)
def registry():
    before = dict(holes.registered)

    @hole("who")
    def who(environ, mark=""):
        return f"<b>{mark}{environ.get('HTTP_COOKIE', 'nobody')}</b>"

    yield
    holes.registered.clear()
    holes.registered.update(before)


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html; charset=latin-1")])
    return [view(environ).encode("latin-1")]


@revalidate(60)
def view(environ):
    return f"<p>caf\xe9</p>{page.hole('who', mark=EURO, request=environ)}{FILLER}"


def get(isg, cookie=None, **headers):
    sent = {**headers, **({"Cookie": cookie} if cookie else {})}
    return Client(isg, use_cookies=False).get("/page", headers=sent)


def test_who_sends_a_cookie_gets_what_is_theirs():
    isg = ISG(app, store="memory:", routes={"/page": Policy(revalidate=60)})
    get(isg)
    for cookie in ("a=1", None, "b=2", "a=1"):
        got = get(isg, cookie)
        assert "hit" in got.headers["Cache-Status"]
        assert f"<p>caf\xe9</p><b>&#8364;{cookie or 'nobody'}</b>".encode("latin-1") in got.data
        assert ("detail=filled" in got.headers["Cache-Status"]) is bool(cookie)
    assert "filled" not in get(isg, "_ga=GA1.2").headers["Cache-Status"]


def test_a_hole_that_raises_leaves_its_placeholder(caplog):
    @hole("odd")
    def odd(environ):
        return "<i>fine</i>" if "HTTP_COOKIE" not in environ else 1 / 0

    def other(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html")])
        return [(page.hole("odd") + page.hole("who") + FILLER).encode()]

    isg = ISG(other, store="memory:", routes={"/page": Policy(revalidate=60)})
    get(isg)
    assert get(isg, "a=1").text.startswith("<i>fine</i><b>a=1</b>")
    assert "ZeroDivisionError" in caplog.text


def test_without_isgware():
    assert page.hole("who", request={"HTTP_COOKIE": "a=1"}) == "<b>a=1</b>"
    with pytest.raises(ConfigurationError, match=r"request=\.\.\."):
        page.hole("who")
    with pytest.raises(ConfigurationError, match="register a function"):
        page.hole("_account.html", request={})


def test_only_text_stands_in_a_page():
    hole("number")(lambda environ: 5)
    hole("nothing")(lambda environ: None)
    with pytest.raises(TypeError, match="'number' returned 5"):
        page.hole("number", request={})
    assert page.hole("nothing", request={}) == ""


def test_the_browser_fills_holes_of_plain_wsgi_apps():
    @hole("mine")
    def mine(environ):
        return f"<b>{environ['PATH_INFO']} {environ.get('HTTP_COOKIE', 'nobody')} {EURO}</b>"

    def other(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html; charset=latin-1")])
        return [f"<p>{page.hole('mine', client=True)}</p>{FILLER}".encode("latin-1")]

    isg = ISG(other, store="memory:", routes={"/page": Policy(revalidate=60)})
    first = get(isg)
    assert "<b>/page nobody &#8364;</b></isg-hole>" in first.text
    assert get(isg, "a=1").data == first.data
    assert first.headers["Cache-Control"].startswith("public")
    client = Client(isg, use_cookies=False)
    got = client.get(asks(first.text), headers={"Cookie": "a=1"})
    assert made(got) == {"0": f"<b>/page a=1 {EURO}</b>"}
    assert client.get("/_isg/holes?page=/page&holes=0").status_code == 404
