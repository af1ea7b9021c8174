"""What one may try with holes: none hurts the page, other visitors, or what lies in the store."""

from __future__ import annotations

import gzip
import re
import secrets
import threading

import pytest
from flask import (
    Response,
    after_this_request,
    redirect,
    render_template,
    request,
    session,
    stream_with_context,
)
from markupsafe import escape

from isgware import hole, page, revalidate
from isgware.build.prerender import prerender
from isgware.testing import FakeClock, ManualExecutor
from tests.flask.test_client_holes import asks, made
from tests.flask.test_holes import FILLER, Shop
from tests.flask.test_holes import registry as registry
from tests.stores import Redis

ACCOUNT = '{{ hole("_account.html") }}'


def test_a_hole_that_hangs_keeps_nobody_else_waiting():
    shop, reached, go = Shop(ACCOUNT + '{{ hole("slow") }}' + FILLER), *_events(2)

    @hole("slow")
    def slow():
        if session.get("user") == "ann":
            reached.set()
            assert go.wait(60)
        return str(session.get("user"))

    shop.visitor().get("/page")
    ann, got = shop.visitor("ann"), []
    thread = threading.Thread(target=lambda: got.append(ann.get("/page").text))
    thread.start()
    try:
        assert reached.wait(60)
        assert "hit" in shop.visitor().get("/page").headers["Cache-Status"]
        assert shop.visitor("bob").get("/page").text.startswith("<b>bob of the shop</b>bob")
    finally:
        go.set()
        thread.join(60)
    assert got[0].startswith("<b>ann of the shop</b>ann")


def _events(count):
    return [threading.Event() for _ in range(count)]


def test_a_hole_that_answers_by_itself_leaves_its_placeholder(caplog):
    shop = Shop('{{ hole("moved") }}{{ hole("raw") }}' + ACCOUNT + FILLER)

    @hole("moved")
    def moved():
        return redirect("/login") if session.get("user") else "<u>here</u>"

    @hole("raw")
    def raw():
        return b"bytes" if session.get("user") else "<u>there</u>"

    shop.visitor().get("/page")
    got = shop.visitor("ann").get("/page")
    assert got.text.startswith("<u>here</u><u>there</u><b>ann of the shop</b>")
    assert "Location" not in got.headers
    assert "The hole 'moved' returned" in caplog.text


def test_what_a_hole_does_to_session_and_cookies_is_its_visitors_alone():
    shop = Shop('{{ hole("visits") }}' + ACCOUNT + FILLER)

    @hole("visits")
    def visits():
        if not session.get("user"):
            return "0"
        session["visits"] = session.get("visits", 0) + 1
        if session["visits"] == 3:
            del session["user"]

        @after_this_request
        def mark(response):
            response.set_cookie("seen", str(session["visits"]))
            response.headers["X-Hole"] = "1"
            return response

        return str(session["visits"])

    shop.visitor().get("/page")
    ann, bob = shop.visitor("ann"), shop.visitor("bob")
    for turn, (who, shown) in enumerate(((ann, 1), (bob, 1), (ann, 2), (ann, 3), (bob, 2))):
        got = who.get("/page")
        assert got.text.startswith(f"{shown}<b>"), turn
        assert f"seen={shown};" in " ".join(got.headers.getlist("Set-Cookie"))
        assert "X-Hole" not in got.headers
    assert ann.get("/page").text.startswith("0<b>stranger")
    stranger = shop.visitor().get("/page")
    assert "Set-Cookie" not in stranger.headers
    assert stranger.text.startswith("0<b>stranger")


@pytest.mark.parametrize("headers", [
    {}, {"Accept-Encoding": "gzip"}, {"Range": "bytes=0-5"}, {"If-None-Match": "*"},
    {"Accept-Encoding": "gzip", "Range": "bytes=-9"}, {"If-Range": '"x"', "Range": "bytes=0-5"},
    {"Accept-Encoding": "br, gzip", "If-None-Match": '"x"'},
])  # fmt: skip
@pytest.mark.parametrize("method", ["get", "head"])
def test_under_every_condition_a_member_gets_the_whole_page(method, headers):
    shop = Shop()
    whole = shop.visitor().get("/page")
    ann = shop.visitor("ann")
    expected = ann.get("/page")
    got = getattr(ann, method)("/page", headers=headers)
    assert got.status_code == 200
    assert "ETag" not in got.headers
    assert "Content-Range" not in got.headers
    body = gzip.decompress(got.data) if got.headers.get("Content-Encoding") == "gzip" else got.data
    assert body == (expected.data if method == "get" else b"")
    plain = shop.visitor().get("/page", headers={"If-None-Match": whole.headers["ETag"]})
    assert plain.status_code == 304
    part = shop.visitor().get("/page", headers={"Range": "bytes=0-5"})
    assert (part.status_code, part.data) == (206, whole.data[:6])


@pytest.mark.parametrize("client", [False, True])
def test_hole_syntax_of_users_is_text(client):
    shop = Shop(
        f'{{{{ hole("_account.html", client={client}) }}}}|{{{{ request.args.q }}}}|'
        '{{ request.headers.get("X-Said", "") }}|' + FILLER
    )
    shop.visitor().get("/page?q=x")
    for text in (
        '<isg-hole n="0">', '{{ hole("_account.html") }}', '{% hole "x" %}', "isgh" + "0" * 62,
        '<template data-n="0">mine</template>', '<script data-url="/evil">', "isgh", "\x00isgh",
    ):  # fmt: skip
        for who in (shop.visitor(), shop.visitor("ann"), shop.visitor()):
            got = who.get("/page", query_string={"q": text}, headers={"X-Said": "isgh<isg-hole>"})
            assert got.text.split("|")[1] == str(escape(text))
            assert got.text.count("<isg-hole") == client
            if client and "isg-hole" in got.text:
                answer = shop.visitor("bob").get(asks(got.text))
                assert made(answer) == {"0": "<b>bob of the shop</b>"}


def test_streamed_and_long_pages():
    shop = Shop(max_page=4_000)

    @shop.app.get("/<kind>")
    @revalidate(60)
    def other(kind):
        def parts():
            yield "<p>"
            yield str(page.hole("_account.html"))
            yield FILLER if kind == "streamed" else FILLER * 3

        return Response(stream_with_context(parts()), content_type="text/html")

    for path, stored in (("/streamed", True), ("/long", False)):
        shop.visitor().get(path)
        for name in ("ann", None):
            got = shop.visitor(name).get(path)
            assert got.text.startswith(f"<p><b>{name or 'stranger'} of the shop</b>")
            assert ("hit" in got.headers["Cache-Status"]) is stored


def test_a_build_renders_placeholders():
    shop = Shop(base_url="http://localhost")
    report = prerender(shop.isg.core.runtime)
    assert (report.rendered, report.failed) == (1, 0)
    assert report.routes[0].holes == ("_account.html", "basket") or any(
        route.holes == ("_account.html", "basket") for route in report.routes
    )
    assert "<b>stranger of the shop</b>" in shop.visitor().get("/page").text
    got = shop.visitor("ann").get("/page")
    assert "<b>ann of the shop</b>" in got.text
    assert "hit" in got.headers["Cache-Status"]


def test_five_hundred_holes_in_the_browser():
    shop = Shop("{% for n in range(500) %}<li>{{ hole('item', n=n, client=true) }}{% endfor %}")
    hole("item")(lambda n: f"{n}:{session.get('user', '-')};")
    text = shop.visitor().get("/page").text
    url = asks(text)
    assert len(url) < 4_000
    got = made(shop.visitor("ann").get(url))
    assert got == {str(n): f"{n}:ann;" for n in range(500)}
    assert text.count("<script") == 1


def test_holes_of_a_404_in_the_browser():
    shop = Shop()

    @shop.app.errorhandler(404)
    def missing(error):
        return render_template("page.html"), 404

    shop.app.jinja_loader.mapping["page.html"] = '{{ hole("_account.html", client=true) }}' + FILLER

    @shop.app.get("/gone/<name>")
    @revalidate(60)
    def gone(name):
        from flask import abort

        abort(404)

    first = shop.visitor().get("/gone/x")
    assert first.status_code == 404
    got = shop.visitor("ann").get(asks(first.text))
    assert made(got) == {"0": "<b>ann of the shop</b>"}


def test_nothing_of_anybody_is_in_the_store_when_browsers_ask(tmp_path):
    template = (
        '{{ hole("_account.html", client=true) }}{{ hole("basket") }}'
        '{% call hole("echo", client=true) %}{{ request.args.q }}{% endcall %}' + FILLER
    )
    shop = Shop(template, store=f"file:{tmp_path}/pages", backend_timeout=30.0)
    hole("echo")(lambda: f"{session.get('user')} {request.headers.get('X-Name')}")
    names = [f"person{secrets.token_hex(8)}" for _ in range(4)]
    for n in range(24):
        name = names[n % 4]
        who = shop.visitor(name)
        who.set_cookie("tracker", name)
        sent = {"X-Name": name, "Referer": f"http://localhost/{name}", "User-Agent": name}
        url = asks(who.get("/page", headers=sent).text)
        if n % 3 == 0:
            shop.isg.purge_path("/page")  # who asks for the holes has the page rendered
        answer = who.get(url, headers=sent)
        assert made(answer)["0"] == f"<b>{name} of the shop</b>"
        assert made(answer)["1"] == f"{name} {name}"
        who.get(f"{url}&x={name}", headers=sent)
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"the shop" in stored
    assert not [name for name in names if name.encode() in stored]
    assert b"isgh" not in stored.replace(b"isghold", b"")


def test_holes_with_redis_as_the_store():
    server = Redis()
    server.start()
    shops = []
    try:
        for _ in range(2):
            from isgware import holes

            holes.registered.clear()
            url = f"redis://127.0.0.1:{server.port}"
            template = ACCOUNT + '|{{ hole("basket", client=true) }}|' + FILLER
            shops.append(Shop(template, store=url, backend_timeout=30.0))
        first = shops[0].visitor().get("/page")
        for shop in shops:
            got = shop.visitor("ann").get("/page")
            assert got.text.startswith("<b>ann of the shop</b>|")
            assert "hit" in got.headers["Cache-Status"]
            assert shop.visitor().get("/page").data == first.data
            assert made(shop.visitor("ann").get(asks(first.text))) == {"0": "<i>2 items</i>"}
        assert [shop.renders for shop in shops] == [0, 0]
    finally:
        for shop in shops:
            shop.isg.close(5)
        server.close()


def test_a_placeholder_in_which_the_session_is_taken_apart_is_read_by_the_page():
    """What a call block shows is rendered with the page, and is no less a part of it."""
    shop = Shop('{% call hole("basket", client=true) %}{{ taken() }}{% endcall %}' + FILLER)
    shop.app.jinja_env.globals["taken"] = lambda: re.sub("[<>]", "", str(dict(session)))
    shop.visitor().get("/page")
    assert "detail=cookie" in shop.visitor("ann").get("/page").headers["Cache-Status"]


def with_nonces(app):
    """Have every answer of the app name a nonce: then its pages have places of their own."""

    @app.after_request
    def say(response):
        response.headers["Content-Security-Policy"] = f"img-src 'nonce-{secrets.token_urlsafe(16)}'"
        return response


@pytest.mark.parametrize("places", [False, True], ids=["holes", "holes and a nonce"])
def test_a_member_who_comes_again_is_looked_at_again(places):
    clock = FakeClock()
    shop = Shop(
        '{{ count() }}{% if session.get("vip") %}VIP{% endif %}|' + ACCOUNT + FILLER,
        clock=clock, executor=ManualExecutor(), secret="s" * 32,
    )  # fmt: skip

    if places:
        with_nonces(shop.app)

    @shop.app.post("/vip")
    def vip():
        session["vip"] = True
        return ""

    shop.visitor().get("/page")
    ann = shop.visitor("ann")
    for _ in range(3):
        got = ann.get("/page")
        assert got.text.startswith("1|<b>ann")
        assert "|<b>stranger" in shop.visitor().get("/page").text
        assert "hit; ttl=" in got.headers["Cache-Status"]
    known = ann.get("/page", headers={"Authorization": "Basic eDp5"})
    assert "detail=authorization" in known.headers["Cache-Status"]
    draft = shop.visitor("bob")
    shop.isg.purge_path("/page")
    got = ann.get("/page")
    assert "; stored; " in got.headers["Cache-Status"]
    assert got.text.partition("|")[2].startswith("<b>ann")
    assert "hit" in ann.get("/page").headers["Cache-Status"]
    draft.post("/_isg/draft", headers={"Authorization": "Bearer " + "s" * 32})
    assert "detail=draft" in draft.get("/page").headers["Cache-Status"]
    ann.post("/vip")
    got = ann.get("/page")
    assert "detail=cookie" in got.headers["Cache-Status"]
    assert "VIP|<b>ann" in got.text
    clock.advance(61)
    got = shop.visitor("bob").get("/page")
    assert got.headers["X-ISG-Cache"] == "STALE"
    assert "|<b>bob" in got.text
