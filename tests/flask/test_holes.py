"""Holes in Flask: everybody gets the stored page, and what is a visitor's own is put into it."""

from __future__ import annotations

import gzip
import random
import re
import secrets

import pytest
from cachelib import SimpleCache
from flask import (
    Flask,
    abort,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    render_template_string,
    request,
    session,
)
from flask_caching import Cache
from flask_session import Session
from flask_wtf import CSRFProtect
from jinja2 import DictLoader
from markupsafe import escape

import isgware.flask
from isgware import ConfigurationError, hole, holes, page, revalidate
from isgware.core.places import places_summary
from isgware.export.choice import static
from isgware.flask.holes import replace_view
from isgware.testing import FakeClock, ManualExecutor

FUTURE = "Sat, 01 Jan 2050 00:00:00 GMT"
FILLER = "<p>text that makes a page of it</p>\n" * 60
PAGE = (
    """<h1>{{ count() }}</h1>{{ hole("_account.html") }}
{% call hole("basket", small=true) %}<a href=/basket>Basket</a>{% endcall %}"""
    + FILLER
)


@pytest.fixture(autouse=True)
def registry():
    before = dict(holes.registered)
    yield
    holes.registered.clear()
    holes.registered.update(before)


class Shop:
    """An app with a page of two holes; ``renders`` counts its view, ``hooks`` what is around it."""

    def __init__(self, template=PAGE, **options):
        self.renders = self.hooks = 0
        self.app = app = Flask("shop")
        app.secret_key = "not a secret"
        app.jinja_loader = DictLoader({
            "_account.html": "<b>{{ session.get('user', 'stranger') }} of {{ shop }}</b>",
            "page.html": template,
        })  # fmt: skip

        @app.context_processor
        def every_template():
            return {"shop": "the shop", "count": self.count}

        @app.after_request
        def after(response):
            self.hooks += 1
            return response

        @hole("basket")
        def basket(small=False):
            return f"<i>{len(session.get('items', []))} items{' small' if small else ''}</i>"

        @app.get("/page")
        @revalidate(60)
        def shown():
            return render_template("page.html")

        @app.post("/become/<name>")
        def become(name):
            session["user"] = name
            session["items"] = [1, 2]
            return "done"

        self.isg = isgware.flask.ISG(app, **{"store": "memory:", "enabled": True, **options})

    def count(self):
        self.renders += 1
        return self.renders

    def visitor(self, name=None):
        client = self.app.test_client()
        if name:
            client.post(f"/become/{name}")
        return client


def test_strangers_get_placeholders_and_members_their_own():
    shop = Shop()
    ann, bob, stranger = shop.visitor("ann"), shop.visitor("bob"), shop.visitor()
    for _ in range(3):
        for who, name in ((ann, "ann"), (bob, "bob")):
            got = who.get("/page")
            assert f"<b>{name} of the shop</b>" in got.text
            assert "<i>2 items small</i>" in got.text
            assert "Basket" not in got.text
            assert got.headers["Cache-Control"] == "private, no-cache"
            assert "detail=filled" in got.headers["Cache-Status"]
            assert not {"ETag", "Age", "Last-Modified"} & set(got.headers.keys())
        got = stranger.get("/page")
        assert "<b>stranger of the shop</b>" in got.text
        assert "<a href=/basket>Basket</a>" in got.text
        assert got.headers["Cache-Control"] == "private, max-age=0, must-revalidate"
        assert got.headers["ETag"]
    assert shop.renders == 1


def test_a_visitor_whose_cookies_nobody_reads_gets_a_plain_hit():
    shop = Shop('{{ hole("_account.html") }}' + FILLER)
    stranger = shop.visitor()
    stranger.get("/page")
    stranger.set_cookie("theme", "dark")
    hooks = shop.hooks
    got = stranger.get("/page")
    assert "filled" not in got.headers["Cache-Status"]
    assert got.headers["ETag"]
    assert shop.hooks == hooks
    assert stranger.get("/page", headers={"If-None-Match": got.headers["ETag"]}).status_code == 304


def test_one_run_for_all_holes_and_its_cookies_are_passed_on():
    shop = Shop('{{ hole("seen") }}{{ hole("_account.html") }}{{ hole("seen") }}' + FILLER)

    @hole("seen")
    def seen():
        if "user" in session:
            session["visits"] = session.get("visits", 0) + 1
        return f"[{session.get('visits', 0)}]"

    ann = shop.visitor("ann")
    ann.get("/page")
    hooks = shop.hooks
    for visit in (2, 3):
        got = ann.get("/page")
        assert got.text.count(f"[{visit}]") == 2  # one hole, made once
        assert "session=" in got.headers["Set-Cookie"]
    assert shop.hooks - hooks == 2
    assert shop.renders <= 2


@pytest.mark.parametrize("headers", [
    {"Range": "bytes=0-9"}, {"If-None-Match": "*"}, {"If-Modified-Since": FUTURE},
    {"If-Match": '"x"'},
])  # fmt: skip
def test_a_filled_page_is_whole(headers):
    shop = Shop()
    shop.visitor().get("/page")
    got = shop.visitor("ann").get("/page", headers=headers)
    assert got.status_code == 200
    assert "<b>ann of the shop</b>" in got.text


def test_a_filled_page_is_compressed_in_pieces():
    shop = Shop()
    shop.visitor().get("/page")
    ann = shop.visitor("ann")
    plain = ann.get("/page").data
    got = ann.get("/page", headers={"Accept-Encoding": "gzip, br"})
    assert got.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(got.data) == plain
    assert int(got.headers["Content-Length"]) == len(got.data) < len(plain)


def test_head_runs_no_hole():
    shop = Shop()
    ann = shop.visitor("ann")
    ann.get("/page")
    hooks = shop.hooks
    got = ann.head("/page")
    assert shop.hooks == hooks
    assert got.data == b""
    assert "detail=filled" in got.headers["Cache-Status"]
    assert got.headers["Cache-Control"] == "private, no-cache"
    assert "Content-Length" not in got.headers


def test_a_run_that_answers_early_is_the_visitors_answer():
    shop = Shop()
    answers = []

    @shop.app.before_request
    def gate():
        return answers[0]() if answers else None

    shop.visitor().get("/page")
    ann = shop.visitor("ann")
    answers[:] = [lambda: redirect("/login")]
    assert ann.get("/page").headers["Location"] == "/login"
    assert "stranger" in shop.visitor().get("/page").text
    answers[:] = [lambda: ("closed", 503)]
    got = ann.get("/page")
    assert (got.status_code, got.text) == (503, "closed")
    assert "detail=before-holes" in got.headers["Cache-Status"]
    answers[:] = [lambda: "x" * (1 << 21)]
    assert len(ann.get("/page").text) == 1 << 21


@pytest.mark.parametrize("hook", ["before_request", "after_request"])
@pytest.mark.parametrize("propagates", [False, True])
def test_a_run_that_raises_leaves_placeholders(hook, propagates, caplog):
    shop = Shop()
    failing = []

    def fail(response=None):
        if failing:
            failing.pop()
            raise RuntimeError("in the hooks")
        return response

    getattr(shop.app, hook)(fail)
    shop.app.config["PROPAGATE_EXCEPTIONS"] = propagates
    shop.visitor().get("/page")
    ann = shop.visitor("ann")
    failing.append(1)
    got = ann.get("/page")
    assert got.status_code == 200
    assert "<b>stranger of the shop</b>" in got.text
    assert "<a href=/basket>Basket</a>" in got.text
    assert "detail=hole-failed" in got.headers["Cache-Status"]
    assert got.headers["Cache-Control"] == "private, no-cache"
    assert "in the hooks" in caplog.text
    assert "<b>ann of" in ann.get("/page").text


def test_a_hole_that_raises_costs_that_hole_only(caplog):
    shop = Shop('{{ hole("_account.html") }}{{ hole("odd", n=1) }}{{ hole("odd", n=2) }}' + FILLER)

    @hole("odd")
    def odd(n):
        if n == 1 and "user" in session:
            abort(403)
        return f"({n} {session.get('user')})"

    shop.visitor().get("/page")
    text = shop.visitor("ann").get("/page").text
    assert text.startswith("<b>ann of the shop</b>(1 None)(2 ann)")
    assert "The hole 'odd'" in caplog.text


def test_text_of_users_is_never_a_hole():
    shop = Shop(
        '{{ hole("_account.html") }}|{{ request.args.q }}|{{ hole("_account.html") }}' + FILLER
    )
    stored = []

    @shop.app.after_request
    def look(response):
        stored.append(response.get_data(as_text=True))
        return response

    shop.visitor().get("/page?q=x")
    marker = next(text for text in stored if "isgh" in text).partition("|")[0]
    for text in (marker, marker[:-1], marker.upper(), marker[10:], '{{ hole("_account.html") }}'):
        for who in (shop.visitor(), shop.visitor("ann")):
            for _ in range(2):
                got = who.get("/page", query_string={"q": text})
                assert got.text.split("|")[1] == str(escape(text))
                assert got.text.split("|")[0].startswith("<b>")


def test_a_marker_that_is_altered_refuses_the_page():
    shop = Shop('{{ hole("_account.html")|upper }}' + FILLER)
    got = shop.visitor().get("/page")
    assert got.headers["Cache-Status"].endswith("detail=hole-not-found")
    assert "ISGH" not in got.text
    assert "<B>STRANGER" in got.text


def test_holes_in_json_attributes_and_errors():
    shop = Shop()

    @shop.app.get("/json")
    @revalidate(60)
    def api():
        return jsonify(name=page.hole("name"))

    @hole("name")
    def name():
        return session.get("user", "nobody")

    @shop.app.errorhandler(404)
    def missing(error):
        return render_template_string('<a title="{{ hole("name") }}">gone</a>' + FILLER), 404

    @shop.app.get("/missing")
    @revalidate(60)
    def gone():
        abort(404)

    for path, status, shown in (("/json", 200, '"{}"'), ("/missing", 404, 'title="{}"')):
        shop.visitor().get(path)
        for who, theirs in ((shop.visitor("ann"), "ann"), (shop.visitor(), "nobody")):
            got = who.get(path)
            assert got.status_code == status
            assert "hit" in got.headers["Cache-Status"]
            assert shown.format(theirs) in got.text


@pytest.mark.parametrize("mode", [{"enabled": False}, {"enabled": "report"}, {"enabled": None}])
def test_in_place_where_nothing_is_stored(mode):
    shop = Shop(**mode)
    shop.app.debug = mode["enabled"] is None
    for name in ("ann", None):
        got = shop.visitor(name).get("/page")
        assert f"<b>{name or 'stranger'} of the shop</b>" in got.text
        assert f"<i>{2 if name else 0} items small</i>" in got.text
        assert "filled" not in got.headers.get("Cache-Status", "")


def test_in_own_answers_and_without_isgware():
    shop = Shop()

    @shop.app.get("/own")
    def own():
        return page.hole("basket", small=True) + page.hole("_account.html")

    got = shop.visitor("ann").get("/own").text
    assert got == "<i>2 items small</i><b>ann of the shop</b>"


def test_nested_holes(caplog):
    shop = Shop('{{ hole("outer") }}' + FILLER)

    @hole("outer")
    def outer():
        return f"({page.hole('_account.html')})"

    got = shop.visitor("ann").get("/page")
    assert "(<b>ann of the shop</b>)" in got.text
    assert "detail=nested-hole" in got.headers["Cache-Status"]
    assert "'_account.html' stands in the hole 'outer'" in caplog.text
    shop.app.debug = True
    shop.app.config["PROPAGATE_EXCEPTIONS"] = False
    assert shop.visitor("ann").get("/page").status_code == 500


def test_a_hole_that_fails_for_nobody_refuses_the_page(caplog):
    shop = Shop('{{ hole("profile") }}' + FILLER)

    @hole("profile")
    def profile():
        return session["user"].title()

    got = shop.visitor("ann").get("/page")
    assert "Ann" in got.text
    assert "detail=hole-failed" in got.headers["Cache-Status"]
    assert "KeyError" in caplog.text


def test_a_hole_that_writes_the_session_for_nobody_refuses_the_page():
    shop = Shop('{{ hole("count") }}' + FILLER)

    @hole("count")
    def counted():
        session["n"] = 1
        return "counted"

    got = shop.visitor("ann").get("/page")
    assert "detail=set-cookie" in got.headers["Cache-Status"]
    assert "counted" in got.text


def test_five_hundred_holes():
    shop = Shop("{% for n in range(500) %}<li>{{ hole('item', n=n) }}{% endfor %}")

    @hole("item")
    def item(n):
        return f"{n}:{session.get('user', '-')};"

    shop.visitor().get("/page")
    ann = shop.visitor("ann").get("/page", headers={"Accept-Encoding": "gzip"})
    text = gzip.decompress(ann.data).decode() if "Content-Encoding" in ann.headers else ann.text
    assert text == "".join(f"<li>{n}:ann;" for n in range(500))
    assert shop.visitor().get("/page").text == text.replace("ann", "-")


def test_a_page_that_reads_the_session_is_its_visitors_own():
    shop = Shop('{{ session.get("items", [])|length }}{{ hole("_account.html") }}' + FILLER)
    shop.visitor().get("/page")
    got = shop.visitor("ann").get("/page")
    assert got.text.startswith("2<b>ann")
    assert "detail=cookie" in got.headers["Cache-Status"]


def test_what_a_hole_reads_is_no_read_of_the_page_even_through_g():
    shop = Shop('{{ g.user() }}{{ hole("who") }}' + FILLER)

    @shop.app.before_request
    def remember():
        def user():
            if "known" not in g:
                g.known = session.get("user")
            return g.known

        g.user = user

    @hole("who")
    def who():
        return str(g.user())

    shop.visitor().get("/page")
    got = shop.visitor("ann").get("/page")
    assert got.text.startswith("annann")
    assert "detail=cookie" in got.headers["Cache-Status"]


def test_a_placeholder_of_ones_own_narrowed_to_whom_it_concerns():
    shop = Shop(
        '{% call hole("name", session=["user"]) %}?{% endcall %}'
        '{% call hole("name", cookies=["vip"]) %}?{% endcall %}' + FILLER
    )

    @hole("name")
    def name():
        return session.get("user", "guest")

    stranger = shop.visitor()
    stranger.get("/page")
    stranger.set_cookie("theme", "dark")
    assert stranger.get("/page").text.startswith("??")
    stranger.set_cookie("vip", "1")
    assert stranger.get("/page").text.startswith("guestguest")
    assert shop.visitor("ann").get("/page").text.startswith("annann")


def test_the_request_of_a_run_has_no_body_and_no_conditions():
    shop = Shop('{{ hole("probe") }}' + FILLER)

    @hole("probe")
    def probe():
        session.get("user")
        names = sorted({"Range", "If-None-Match", "Accept-Encoding"} & set(request.headers.keys()))
        kept = request.environ.get("werkzeug.socket")
        return f"{request.method} {names} {request.get_data()} {request.full_path} {kept}"

    shop.visitor().get("/page?a=1")
    got = shop.visitor("ann").get(
        "/page?a=1", data=b"body", headers={"Range": "bytes=0-1", "If-None-Match": "*"},
        environ_overrides={"werkzeug.socket": "theirs"},
    )  # fmt: skip
    assert got.text.startswith("GET [] b'' /page?a=1 None")


@pytest.mark.parametrize(("arguments", "said"), [
    ({"x": [1]}, "x=[1] cannot be kept"), ({"x": float("nan")}, "cannot be kept"),
    ({"x": "y" * 1100}, "more than 1024 bytes"), ({"cookies": "vip"}, "takes a list of names"),
])  # fmt: skip
def test_arguments_that_cannot_be_kept(arguments, said):
    Shop()
    with pytest.raises(ConfigurationError, match="hole 'basket'") as error:
        page.hole("basket", **arguments)
    assert said in str(error.value)


def test_names():
    Shop()
    with pytest.raises(ConfigurationError, match=r"registered already, by .*basket"):
        hole("basket")(len)
    with pytest.raises(ConfigurationError, match="needs no registration"):
        hole("_basket.html")
    with pytest.raises(ConfigurationError, match=r"no hole 'nothing'.*Registered: basket"):
        page.hole("nothing")
    with pytest.raises(ConfigurationError, match="rename the argument 'placeholder'"):
        hole("other")(lambda placeholder: "")


FORM = """{{ hole("_account.html") }}<form><input name=csrf_token value="{{ csrf_token() }}"></form>
{% call hole("form") %}<input name=csrf_token value="{{ csrf_token() }}">{% endcall %}"""


@pytest.mark.parametrize("template", [FORM, FORM + '{{ hole("form") }}'])
def test_tokens_of_the_page_and_of_its_holes_are_one_sessions(template):
    shop = Shop(template + FILLER)
    CSRFProtect(shop.app)
    field = '<input name="csrf_token" value="{{ csrf_token() }}">'

    @hole("form")
    def form():
        return render_template_string(field)

    @shop.app.post("/order")
    def order():
        return "ordered"

    shop.app.view_functions["become"] = shop.app.extensions["csrf"].exempt(
        shop.app.view_functions["become"]
    )
    assert "stored" in shop.visitor().get("/page").headers["Cache-Status"]
    for name in ("ann", None, "bob"):
        who = shop.visitor(name)
        for _ in range(3):
            got = who.get("/page")
            assert "hit" in got.headers["Cache-Status"]
            assert f"<b>{name or 'stranger'} of" in got.text
            tokens = set(re.findall(r'name="?csrf_token"? value="([^"]+)"', got.text))
            assert tokens
            for token in tokens:
                assert who.post("/order", data={"csrf_token": token}).text == "ordered"
                assert (
                    shop.visitor("eve").post("/order", data={"csrf_token": token}).status_code
                    == 400
                )
    assert shop.renders == 0


def test_the_nonce_of_the_run_is_the_answers():
    shop = Shop('<script nonce="{{ g.nonce }}"></script>{{ hole("script") }}' + FILLER)

    @shop.app.before_request
    def new():
        g.nonce = secrets.token_urlsafe(16)

    @shop.app.after_request
    def say(response):
        response.headers["Content-Security-Policy"] = f"script-src 'nonce-{g.nonce}'"
        return response

    @hole("script")
    def script():
        return f'<script nonce="{g.nonce}">{session.get("user", "nobody")}</script>'

    shop.visitor().get("/page")
    seen = set()
    for name in ("ann", None, "ann"):
        got = shop.visitor(name).get("/page")
        assert "hit" in got.headers["Cache-Status"]
        assert f">{name or 'nobody'}<" in got.text
        nonces = set(re.findall('nonce="([^"]+)"', got.text))
        assert got.headers["Content-Security-Policy"] == f"script-src 'nonce-{nonces.pop()}'"
        assert not nonces
        seen.add(got.headers["Content-Security-Policy"])
    assert len(seen) == 3


def test_a_hole_in_a_cache_of_the_app_is_an_error():
    shop = Shop()
    cache = Cache(shop.app, config={"CACHE_TYPE": "SimpleCache"})

    @cache.memoize(60)
    def sidebar():
        return str(page.hole("_account.html"))

    @shop.app.get("/cached")
    def cached():
        return sidebar()

    shop.app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(ConfigurationError, match="inside a cache of the app"):
        shop.visitor().get("/cached")


def test_a_page_with_holes_that_says_it_is_for_all_caches_is_private():
    shop = Shop('{{ hole("_account.html") }}' + FILLER)

    @shop.app.after_request
    def lasting(response):
        response.cache_control.public = True
        response.cache_control.max_age = 600
        response.headers["Expires"] = FUTURE
        return response

    shop.visitor().get("/page")
    for name in ("ann", None):
        got = shop.visitor(name).get("/page")
        assert "private" in got.headers["Cache-Control"]
        assert not {"Expires", "Last-Modified"} & set(got.headers.keys())
        assert "Cookie" in got.headers["Vary"]


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize(
    ("said", "sent"),
    [("public, max-age=60", "private, no-cache"), ("", "private, no-cache"),
     ("private, max-age=9", "private, max-age=9"), ("no-store", "no-store")],
)  # fmt: skip
def test_no_cache_keeps_an_own_answer_with_holes_in_place(said, sent, declared):
    shop = Shop()

    def own():
        response = make_response(render_template("page.html"))
        if said:
            response.headers["Cache-Control"] = said
        response.headers["CDN-Cache-Control"] = "max-age=60"
        return response

    shop.app.add_url_rule("/own", view_func=revalidate(60)(own) if declared else own)
    ann = shop.visitor("ann")
    got = ann.get("/own", headers={"Authorization": "Basic YTpi"})
    assert "<b>ann of the shop</b>" in got.text
    assert (got.headers["Cache-Control"], got.vary.as_set()) == (sent, {"cookie"})
    assert ("CDN-Cache-Control" in got.headers) == (said == sent)


@pytest.mark.parametrize("where", ["header", "cut", "twice", "unused"])
def test_markers_that_do_not_stand_as_they_were_made(where):
    shop = Shop()

    @shop.app.get("/odd")
    @revalidate(60)
    def odd():
        made = str(page.hole("_account.html"))
        shown = {"cut": made[:-8], "unused": ""}.get(where, made)
        response = make_response(FILLER + shown)
        if where == "header":
            response.headers["X-Account"] = made if page.prerendering else "-"
        if where == "twice":
            response.set_data(response.get_data() + made[:-3].encode())
        return response

    got = shop.visitor().get("/odd")
    assert "detail=hole-not-found" in got.headers["Cache-Status"]
    assert "isgh" not in got.text


def test_stored_pages_with_holes_are_read_again(tmp_path):
    for name in ("ann", None, "bob"):
        holes.registered.clear()
        shop = Shop(store=f"file:{tmp_path}/pages")
        got = shop.visitor(name).get("/page")
        assert f"<b>{name or 'stranger'} of" in got.text
        assert shop.renders == (1 if name == "ann" else 0)


def test_people_are_told():
    shop = Shop()
    shop.visitor().get("/page")
    key = next(iter(shop.isg.core.runtime.engine.page_store.memory.recent(9)), None)
    entry = shop.isg.core.runtime.engine.page_store.memory.get(key).entry if key else None
    if entry is None:
        shop.visitor().get("/page")
        key = shop.isg.core.runtime.engine.page_store.memory.recent(9)[0]
        entry = shop.isg.core.runtime.engine.page_store.memory.get(key).entry
    assert places_summary(entry.holes) == ("hole '_account.html' (1)", "hole 'basket' (1)")
    assert static(entry, with_app=True) == "holes"


def test_why_says_which_holes_would_be_filled():
    shop = Shop()
    shop.visitor().get("/page")
    ann = shop.visitor("ann")
    cookie = ann.get_cookie("session").value
    told = shop.isg.why("/page", host="localhost", cookies={"session": cookie})
    assert (told.outcome, told.detail) == ("HIT", "filled")
    assert told.holes == ("_account.html", "basket")
    assert any(text.startswith("in holes: the session key 'user' (") for text in told.reads)
    assert "holes       _account.html, basket" in str(told)
    plain = shop.isg.why("/page", host="localhost", cookies={"_ga": "1"})
    assert (plain.outcome, plain.detail, plain.holes) == ("HIT", "", ())


def test_a_hole_that_logs_its_visitor_out():
    shop = Shop('{{ hole("_account.html") }}{{ hole("out") }}' + FILLER)

    @hole("out")
    def out():
        if session.get("user") == "eve":
            session.clear()
        return "."

    shop.visitor().get("/page")
    eve, ann = shop.visitor("eve"), shop.visitor("ann")
    got = eve.get("/page")
    assert got.text.startswith("<b>eve")
    assert "session=;" in got.headers["Set-Cookie"]
    assert eve.get("/page").text.startswith("<b>stranger")
    assert ann.get("/page").text.startswith("<b>ann")


def test_nothing_of_anybody_is_in_the_store(tmp_path):
    shop = Shop(store=f"file:{tmp_path}/pages", template=PAGE + "{{ request.args.q }}")
    names = [f"person{secrets.token_hex(8)}" for _ in range(4)]
    for n in range(24):
        who = shop.visitor(names[n % 4])
        who.set_cookie("tracker", names[n % 4])
        who.get("/page", headers={"X-Name": names[n % 4], "Referer": f"/{names[n % 4]}"})
        shop.visitor().get("/page")
        if n % 5 == 0:
            shop.isg.purge_path("/page")
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"the shop" in stored
    assert not [name for name in names if name.encode() in stored]
    assert b"isgh" not in stored


def test_a_marker_of_another_render_refuses_the_page():
    """A cache of the app that nobody recognises has kept it."""
    shop, kept = Shop(), []

    @shop.app.get("/side/<int:n>")
    @revalidate(60)
    def side(n):
        if page.prerendering:
            kept.append(str(page.hole("_account.html")))
            return kept[0] + kept[-1] + FILLER
        return FILLER

    shop.visitor().get("/side/1")
    got = shop.visitor().get("/side/2")
    assert "detail=hole-not-found" in got.headers["Cache-Status"]
    assert kept[0] != kept[-1]


@pytest.mark.parametrize("server_side", [False, True])
def test_visitors_interleaved_at_random_get_what_the_bare_app_gives_them(server_side):
    template = '{{ hole("_account.html") }}|{{ hole("basket") }}|{{ hole("basket", small=true) }}'
    shops = []
    for options in ({}, {"enabled": False}):
        holes.registered.clear()
        shop = Shop(template + FILLER, **options)
        if server_side:
            shop.app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache())
            Session(shop.app)
        shop.app.view_functions["leave"] = lambda: session.clear() or "left"
        shop.app.add_url_rule("/leave", "leave", methods=["POST"])
        shops.append((shop, [shop.app.test_client() for _ in range(5)]))
    chance = random.Random(20261129)
    filled = 0
    for _ in range(150):
        who, what = chance.randrange(5), chance.choice(["page"] * 4 + ["become", "leave"])
        name = f"person{chance.randrange(99)}"
        got = []
        for _shop, clients in shops:
            client = clients[who]
            if what == "page":
                got.append(client.get("/page"))
            else:
                client.post("/leave" if what == "leave" else f"/become/{name}")
        if got:
            assert got[0].text == got[1].text
            filled += "filled" in got[0].headers["Cache-Status"]
    assert filled > 20
    assert shops[0][0].app.extensions["isgware"].stats().pages == 1


def test_filled_on_the_first_visit_and_while_stale():
    clock = FakeClock()
    shop = Shop(clock=clock, executor=ManualExecutor())
    ann = shop.visitor("ann")
    for label, said in (("MISS", "fwd=uri-miss; stored; ttl=60"), ("HIT", "hit; ttl=60")):
        got = ann.get("/page")
        assert got.headers["X-ISG-Cache"] == label
        assert got.headers["Cache-Status"] == f"isgware; {said}; detail=filled"
        assert "<b>ann of the shop</b>" in got.text
    clock.advance(61)
    for _ in range(2):
        for name in ("ann", None, "bob"):
            got = shop.visitor(name).get("/page")
            assert got.headers["X-ISG-Cache"] == "STALE"
            assert ("detail=filled" in got.headers["Cache-Status"]) is bool(name)
            assert f"<b>{name or 'stranger'} of the shop</b>" in got.text


def test_a_thread_that_sees_the_view_replaced_runs_none():
    """Else the answer to a run for holes would be the view's."""
    app, replaced = Flask("shop"), []

    class Extensions(dict):
        def __setitem__(self, name, value):
            replaced.append("dispatch_request" in vars(app))
            super().__setitem__(name, value)

    app.extensions = Extensions(app.extensions)
    replace_view(app)
    assert replaced == [True]
