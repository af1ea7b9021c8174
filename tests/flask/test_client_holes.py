"""Holes that the browser fills: the page is everybody's, and its script asks for the rest."""

from __future__ import annotations

import html
import re

import pytest
from flask import Flask, abort, redirect, render_template_string, request, session
from jinja2 import DictLoader

import isgware.flask
from isgware import ConfigurationError, hole, holes, page, revalidate
from isgware.core.client_script import SCRIPT
from isgware.testing import FakeClock, ManualExecutor

FILLER = "<p>text that makes a page of it</p>\n" * 60
PAGE = (
    """{{ hole("_account.html", client=true) }}
{% call hole("basket", small=true, client=true) %}<a href=/basket>Basket</a>{% endcall %}"""
    + FILLER
)
FILES = {"_account.html": "<b>{{ session.get('user', 'stranger') }}</b>"}


@pytest.fixture(autouse=True)
def registry():
    before = dict(holes.registered)

    @hole("basket")
    def basket(small=False):
        return f"<i>{len(session.get('items', []))} items{' small' if small else ''}</i>"

    yield
    holes.registered.clear()
    holes.registered.update(before)


class Shop:
    def __init__(self, template=PAGE, **options):
        self.renders, self.template = 0, template
        self.app = app = Flask("shop")
        app.secret_key = "not a secret"
        app.jinja_loader = DictLoader(FILES)

        @app.get("/page")
        @revalidate(60)
        def shown():
            self.renders += 1
            return render_template_string(self.template)

        @app.post("/become/<name>")
        def become(name):
            session.update(user=name, items=[1, 2])
            return "done"

        self.isg = isgware.flask.ISG(app, **{"store": "memory:", "enabled": True, **options})

    def visitor(self, name=None):
        client = self.app.test_client()
        if name:
            client.post(f"/become/{name}")
        return client


def asks(text):
    """The URL at which the script of a page asks for its holes."""
    numbers = re.findall('<isg-hole n="([0-9]+)"', text)
    url = re.search('data-url="([^"]*)"', text)
    assert url, text[:300]
    return f"{html.unescape(url[1])}&holes={','.join(numbers)}"


def made(answer):
    return dict(re.findall('<template data-n="([0-9]+)">(.*?)</template>', answer.text, re.DOTALL))


def test_the_page_is_everybodys_and_public():
    shop = Shop()
    first = shop.visitor().get("/page")
    for name in ("ann", None, "bob"):
        got = shop.visitor(name).get("/page")
        assert got.data == first.data
        assert got.headers["Cache-Status"].startswith("isgware; hit; ttl=")
        assert "filled" not in got.headers["Cache-Status"]
        assert got.headers["Cache-Control"].startswith("public, ")
        assert "Cookie" not in got.headers.get("Vary", "")
        assert got.headers["ETag"] == first.headers["ETag"]
    assert shop.renders == 1
    assert '<isg-hole n="0" aria-live="polite"><b>stranger</b></isg-hole>' in first.text
    assert '<isg-hole n="1" aria-live="polite"><a href=/basket>Basket</a></isg-hole>' in first.text
    assert first.text.count("<script") == 1
    assert "isgh" not in first.text
    again = shop.visitor("ann").get("/page", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


def test_the_script_asks_for_all_holes_at_once():
    shop = Shop()
    url = asks(shop.visitor().get("/page").text)
    assert url.startswith("/_isg/holes?page=%2Fpage&of=")
    ann = shop.visitor("ann")
    got = ann.get(url)
    assert made(got) == {"0": "<b>ann</b>", "1": "<i>2 items small</i>"}
    assert got.headers["Cache-Control"] == "private, no-store"
    assert got.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert not [name for name, _ in got.headers if name.startswith("Access-Control")]
    assert shop.renders == 1
    assert made(ann.get(url.replace("holes=0,1", "holes=1"))) == {"1": "<i>2 items small</i>"}
    head = ann.head(url)
    assert (head.status_code, head.data) == (204, b"")
    assert ann.post(url).status_code == 405


def test_the_script_is_small_constant_and_kept_for_ever():
    shop = Shop()
    url = re.search('src="([^"]*)"', shop.visitor().get("/page").text)[1]
    got = shop.visitor().get(url)
    assert got.text == SCRIPT
    assert len(got.data) < 1_500
    assert "immutable" in got.headers["Cache-Control"]
    assert got.mimetype == "text/javascript"
    other = re.sub("[0-9a-f]{16}", "0" * 16, url)
    missing = shop.visitor().get(other)
    assert (missing.status_code, missing.headers["Cache-Control"]) == (404, "private, no-store")


@pytest.mark.parametrize("query", [
    "", "page=/page", "page=/page&holes=0", "page=/page&of={of}&holes=2", "page=/page&of={of}",
    "page=/page&of={of}&holes=basket", "page=/page&of={of}&holes=-1", "page=page&of={of}&holes=0",
    "page=/page&of={of}&holes=0&name=basket&small=1&" + "x=1&" * 9, "page=/nowhere&of={of}&holes=0",
    "page=//page&of={of}&holes=0", "page=http://other.test/page&of={of}&holes=0",
    "page=/_isg/holes&of={of}&holes=0",
    "page=/page%3Fa%20b&of={of}&holes=0", "page=/page%3Fa%23b&of={of}&holes=0",
    "page=/page%00&of={of}&holes=0", "page=/%ff&of={of}&holes=0",
    "page=/page&of={of}x&holes=0", "page=/page&of={of}&holes=0,,1", "%ff=%ff",
])  # fmt: skip
def test_nothing_else_can_be_asked_for(query):
    shop = Shop()
    of = re.search("of=([0-9a-f]+)", shop.visitor().get("/page").text)[1]
    got = shop.visitor("ann").get(f"/_isg/holes?{query.format(of=of)}")
    assert (got.status_code, got.data) == (404, b"")
    assert got.headers["Cache-Control"] == "private, no-store"
    assert shop.renders == 1


def test_the_run_is_the_visitors_own_request_at_the_page():
    shop = Shop('{{ hole("probe", client=true) }}' + FILLER)
    seen = []

    @hole("probe")
    def probe():
        session.get("user")
        return f"{request.method} {request.full_path} {request.endpoint}"

    @shop.app.before_request
    def before():
        seen.append(request.path)

    @shop.app.after_request
    def after(response):
        if not page.prerendering:
            response.set_cookie("seen", "1")
        response.headers["X-App"] = "1"
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    url = asks(shop.visitor().get("/page?a=1&utm_source=x").text)
    ann = shop.visitor("ann")
    seen.clear()
    got = ann.get(url, headers={"Range": "bytes=0-1", "If-None-Match": "*"})
    assert made(got)["0"] == "GET /page?a=1 shown"
    assert seen == ["/page"]
    assert got.headers["Set-Cookie"].startswith("seen=1")
    assert "X-App" not in got.headers
    assert "Access-Control-Allow-Origin" not in got.headers


def test_who_has_nothing_that_a_hole_reads_costs_no_run():
    shop = Shop('{{ hole("_account.html", client=true) }}' + FILLER)
    runs = []
    shop.app.before_request(lambda: runs.append(request.path))
    url = asks(shop.visitor().get("/page").text)
    runs.clear()
    other = shop.visitor()
    other.set_cookie("theme", "dark")
    for who in (shop.visitor(), other):
        got = who.get(url)
        assert (got.status_code, got.data) == (204, b"")
        assert "detail=nothing-personal" in got.headers["Cache-Status"]
    assert runs == []
    assert shop.visitor("ann").get(url).status_code == 200


def test_a_hole_that_reads_nothing_of_its_visitor_is_made_for_everybody():
    shop = Shop('{{ hole("clock", client=true) }}' + FILLER)
    ticks = iter("abcdef")
    hole("clock")(lambda: next(ticks))
    url = asks(shop.visitor().get("/page").text)
    assert made(shop.visitor().get(url)) == {"0": "b"}
    assert made(shop.visitor("ann").get(url)) == {"0": "c"}


def test_a_placeholder_of_ones_own_narrowed_to_whom_it_concerns():
    shop = Shop(
        '{% call hole("name", client=true, session=["user"]) %}?{% endcall %}'
        '{% call hole("name", client=true, cookies=["vip"]) %}?{% endcall %}' + FILLER
    )
    hole("name")(lambda: session.get("user", "guest"))
    url = asks(shop.visitor().get("/page").text)
    stranger = shop.visitor()
    stranger.set_cookie("theme", "dark")
    assert stranger.get(url).status_code == 204
    stranger.set_cookie("vip", "1")
    assert made(stranger.get(url)) == {"0": "guest", "1": "guest"}
    assert made(shop.visitor("ann").get(url)) == {"0": "ann", "1": "ann"}


def test_both_kinds_in_one_page():
    shop = Shop(
        '{{ hole("_account.html") }}|{{ hole("_account.html", client=true) }}|{{ hole("basket") }}'
        + FILLER
    )
    stranger = shop.visitor().get("/page").text
    got = shop.visitor("ann").get("/page")
    assert got.text.startswith('<b>ann</b>|<isg-hole n="0" aria-live="polite"><b>stranger</b>')
    assert "|<i>2 items</i>" in got.text
    assert got.headers["Cache-Control"] == "private, no-cache"
    assert made(shop.visitor("ann").get(asks(stranger))) == {"0": "<b>ann</b>"}


def test_what_becomes_of_runs_that_come_to_nothing(caplog):
    shop = Shop()
    answers = []
    shop.app.before_request(lambda: answers[0]() if answers else None)
    url = asks(shop.visitor().get("/page").text)
    answers += [
        lambda: redirect("/login"), lambda: abort(401), lambda: abort(503), lambda: 1 / 0,
        lambda: abort(500), lambda: ("x" * (1 << 21), 403),
    ]  # fmt: skip
    ann = shop.app.test_client()
    ann.set_cookie("session", "anything")
    for status, detail in (
        (204, "before-holes"), (401, "before-holes"), (503, "before-holes"), (500, "hole-failed"),
        (500, "hole-failed"), (204, "before-holes"),
    ):  # fmt: skip
        got = ann.get(url)
        assert (got.status_code, got.data) == (status, b"")
        assert f"detail={detail}" in got.headers["Cache-Status"]
        assert got.headers["Cache-Control"] == "private, no-store"
        answers.pop(0)
    assert "ZeroDivisionError" in caplog.text
    assert ann.get(url).status_code == 200


def test_a_hole_that_raises_costs_that_hole_only(caplog):
    shop = Shop('{{ hole("odd", client=true) }}{{ hole("basket", client=true) }}' + FILLER)
    hole("odd")(lambda: 1 / 0 if session.get("user") else "fine")
    url = asks(shop.visitor().get("/page").text)
    assert made(shop.visitor("ann").get(url)) == {"1": "<i>2 items</i>"}
    assert "The hole 'odd' of http://localhost/page raised" in caplog.text


def test_other_holes_under_the_same_numbers_are_not_answered():
    clock = FakeClock()
    shop = Shop(clock=clock, executor=ManualExecutor())
    url = asks(shop.visitor().get("/page").text)
    shop.template = PAGE.replace("small=true", "small=false")
    shop.isg.purge_path("/page")
    assert shop.visitor("ann").get(url).status_code == 404
    shop.template = "<h1>news</h1>" + PAGE
    shop.isg.purge_path("/page")
    assert made(shop.visitor("ann").get(url))["0"] == "<b>ann</b>"


@pytest.mark.parametrize("template", [
    "<p title=\"{{ hole('basket', client=true) }}\">",
    "<title>{{ hole('basket', client=true) }}</title>",
    "<script>var x='{{ hole('basket', client=true) }}'</script>",
    "<textarea>{{ hole('basket', client=true) }}</textarea>",
    "<!-- {{ hole('basket', client=true) }} -->",
    "<table><tr>{{ hole('basket', client=true) }}</tr></table>",
    "<template><p>{{ hole('basket', client=true) }}</template>",
    "<svg><text>{{ hole('basket', client=true) }}</text></svg>",
    "<head><meta charset=utf-8>{{ hole('basket', client=true) }}</head>",
    "<select><option>{{ hole('basket', client=true) }}</select>",
])  # fmt: skip
def test_where_the_browser_can_fill_none_the_page_is_refused(template, caplog):
    shop = Shop(template + FILLER)
    got = shop.visitor("ann").get("/page")
    assert "detail=client-hole-misplaced" in got.headers["Cache-Status"]
    assert "<i>2 items</i>" in got.text
    assert "the hole 'basket' (a template, line 1) has client=True" in caplog.text
    told = shop.isg.why("/page", host="localhost")
    assert "client=True" in told.remedy


def test_only_html_has_elements():
    shop = Shop()

    @shop.app.get("/feed")
    @revalidate(60)
    def feed():
        return page.hole("basket", client=True) + FILLER, {"Content-Type": "application/json"}

    assert "client-hole-misplaced" in shop.visitor().get("/feed").headers["Cache-Status"]


@pytest.mark.parametrize("template", [
    "<table><tr><td>{}</table>", "<html><head><title>x</title><p>{}", "<p title='>'>{}<br/>",
    "<ul><li>{}</ul><![url_refusal", "<head><meta a=b></head><body>{}", "<svg><g/></svg>{}",
])  # fmt: skip
def test_where_it_can_the_page_is_stored(template):
    shop = Shop(template.format("{{ hole('basket', client=true) }}") + FILLER)
    shop.visitor().get("/page")
    assert "hit" in shop.visitor().get("/page").headers["Cache-Status"]


def test_errors_of_wrong_use():
    Shop()
    with pytest.raises(ConfigurationError, match="hole 'basket': client= takes True or False"):
        page.hole("basket", client="yes")
    with pytest.raises(ConfigurationError, match="hole 'other': client= takes True or False"):
        hole("other", client=1)(len)
    with pytest.raises(ConfigurationError, match="rename the argument 'client'"):
        hole("other")(lambda client: "")


def test_client_may_be_said_where_the_hole_is_registered():
    shop = Shop('{{ hole("name") }}{{ hole("name", client=false) }}' + FILLER)
    hole("name", client=True)(lambda: session.get("user", "?"))
    text = shop.visitor().get("/page").text
    assert text.startswith('<isg-hole n="0" aria-live="polite">?</isg-hole><script')
    assert shop.visitor("ann").get("/page").text.count("ann") == 1


@pytest.mark.parametrize("mode", [{"enabled": False}, {"enabled": "report"}])
def test_in_place_where_nothing_is_stored(mode):
    shop = Shop(**mode)
    got = shop.visitor("ann").get("/page").text
    assert got.startswith("<b>ann</b>\n<i>2 items small</i>")
    assert shop.visitor().get("/_isg/holes?page=/page&of=x&holes=0").status_code == 404


def test_in_own_answers():
    shop = Shop("{{ session.get('user') }}" + PAGE)
    shop.visitor().get("/page")
    assert shop.visitor("ann").get("/page").text.startswith("ann<b>ann</b>")


def test_the_same_hole_twice_and_a_mount_below_the_root():
    shop = Shop(
        '{{ hole("basket", client=true) }}{{ hole("basket", client=true) }}'
        '{{ hole("basket", small=true, client=true) }}' + FILLER
    )
    runs = []
    shop.app.before_request(lambda: runs.append(request.url))
    root = "http://localhost/odd 'root"
    ann = shop.visitor("ann")
    text = shop.visitor().get("/page", base_url=root).text
    url = asks(text)
    assert url.startswith("/odd%20%27root/_isg/holes?page=%2Fpage&")
    runs.clear()
    got = ann.get(url.removeprefix("/odd%20%27root"), base_url=root)
    assert made(got) == {"0": "<i>2 items</i>", "1": "<i>2 items</i>", "2": "<i>2 items small</i>"}
    assert runs == ["http://localhost/odd%20'root/page"]


def test_stored_pages_with_client_holes_are_read_again(tmp_path):
    for name in ("ann", "bob"):
        shop = Shop(store=f"file:{tmp_path}/pages", backend_timeout=30.0)
        url = asks(shop.visitor().get("/page").text)
        assert made(shop.visitor(name).get(url))["0"] == f"<b>{name}</b>"
        shop.isg.close(5)
    assert shop.renders == 0


def test_with_a_secret_the_holes_need_none():
    shop = Shop(secret="s" * 32)
    url = asks(shop.visitor().get("/page").text)
    assert shop.visitor("ann").get(url).status_code == 200
    assert shop.visitor("ann").get("/_isg/revalidate").status_code == 401


def test_a_nonce_of_the_page_is_the_scripts_too():
    shop = Shop()

    @shop.app.after_request
    def policy(response):
        nonce = "bm9uY2Vub25jZW5vbmNl" if page.prerendering else "b3RoZXJvdGhlcm90aGVy"
        response.headers["Content-Security-Policy"] = f"script-src 'nonce-{nonce}'"
        return response

    shop.visitor().get("/page")
    got = shop.visitor("ann").get("/page")
    nonce = re.search("nonce-([^']+)", got.headers["Content-Security-Policy"])[1]
    assert nonce not in ("bm9uY2Vub25jZW5vbmNl", "0" * 20)
    assert f'defer="defer" nonce="{nonce}"></script>' in got.text


#: Two holes that show a stranger nothing of their own.
ACCOUNTS = (
    '{{ hole("_account.html", client=true) }}{{ hole("_account.html", client=true) }}' + FILLER
)


def test_requests_for_holes_are_counted_on_the_route_of_their_page():
    shop = Shop(ACCOUNTS, observer=(told := []).append)
    url = asks(shop.visitor().get("/page").text)
    ann = shop.visitor("ann")
    for asked_for in (url, url, re.sub("of=[0-9a-f]+", "of=0", url), "/_isg/holes?page=x"):
        ann.get(asked_for)
    shop.visitor().get(url)
    fleet = shop.isg.stats().fleet
    assert fleet.results == {"bypass": 5, "pass": 1, "miss": 1}
    assert fleet.routes["shown"].requests == 1  # what a browser asks of a page that it has is none
    assert fleet.reasons == []
    shop.isg.close()
    holes_asked = [event for event in told if getattr(event, "result", "") == "bypass"]
    assert sorted((event.route, event.path, event.reason) for event in holes_asked) == [
        ("shown", "/page", "filled"), ("shown", "/page", "filled"),
        ("shown", "/page", "no-such-holes"), ("shown", "/page", "nothing-personal"),
        ("undeclared", "/_isg/holes", "no-such-holes"),
    ]  # fmt: skip


def test_why_tells_what_becomes_of_a_request_for_holes():
    shop = Shop(ACCOUNTS)
    stranger, ann = shop.visitor(), shop.visitor("ann")
    page_text = stranger.get("/page").text
    url, script = asks(page_text), re.search('src="([^"]*)"', page_text)[1]
    cookies = {"session": ann.get_cookie("session").value}
    mine = shop.isg.why(url, cookies=cookies)
    assert (mine.outcome, mine.detail, mine.route) == ("BYPASS", "filled", "shown")
    assert "holes of /page are made in one run" in mine.follows
    assert mine.holes == ("_account.html (in the browser)",)
    told = [
        shop.isg.why(each, cookies=cookies if each != url else {})
        for each in (url, url.replace("of=", "of=0"), "/_isg/holes?page=/page", script)
    ]
    assert [(why.outcome, why.detail) for why in told] == [
        ("BYPASS", "nothing-personal"), ("BYPASS", "no-such-holes"), ("BYPASS", "no-such-holes"),
        ("PASS", "control"),
    ]  # fmt: skip
    assert "other holes in /page" in told[1].decided_by
    assert "numbers of its holes" in told[2].decided_by
    shop.isg.purge_all()
    gone = shop.isg.why(url)
    assert (gone.outcome, gone.detail) == ("REVALIDATED", "purged")
    assert "is rendered first" in gone.follows
    nowhere = shop.isg.why(url.replace("%2Fpage", "%2Fnowhere"))
    assert "/nowhere would be PASS" in nowhere.decided_by
    assert shop.renders == 1


def test_holes_of_a_page_that_another_process_has_stored_are_made(tmp_path):
    """This one has seen nothing of its route, nor of this page, but what cannot be stored, and is
    not asked for the page since, which a cache in front has."""
    published = []

    def process():
        app = Flask("shop")
        app.secret_key = "not a secret"

        @app.get("/p/<name>")
        def shown(name):
            if name not in published:
                abort(404)
            return render_template_string(PAGE)

        app.jinja_loader = DictLoader(FILES)
        later = ManualExecutor()
        isgware.flask.ISG(
            app, store=f"file:{tmp_path}", enabled=True, executor=later, revalidate=60
        )
        return app.test_client(), later

    (one, later), (other, _) = process(), process()
    for number in range(20):
        other.get("/p/a" if not number else f"/p/none?{number}")
    published.append("a")
    one.get("/p/a")
    later.run_all()
    with other.session_transaction() as theirs:
        theirs["user"] = "ann"
    assert made(other.get(asks(one.get("/p/a").text)))["0"] == "<b>ann</b>"
