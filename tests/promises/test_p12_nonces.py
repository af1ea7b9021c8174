"""P12: a stored page with a nonce in its Content-Security-Policy has another in every answer."""

from __future__ import annotations

import gzip
import logging
import re
import secrets

import pytest

from isgware import ISG, Policy
from tests.promises.kit import Clock, Manual, Reply, Site, html, together, visit

CSP = "Content-Security-Policy"
SAID = re.compile(r"'nonce-([^']+)'")
GZIP = {"Accept-Encoding": "gzip, br, zstd"}
FILLER = "<p>text that makes a page of it</p>\n" * 60


def scripted(environ):
    nonce = secrets.token_urlsafe(16)
    body = f"<script nonce={nonce}>1</script>{FILLER}<style nonce='{nonce}'></style>"
    more = [
        ("Cache-Control", "public, max-age=60"),
        ("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT"),
    ]
    more += [("ETag", '"v1"'), ("CDN-Cache-Control", "max-age=9"), ("Expires", "0")]
    return html(body, (CSP, f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'"), *more)


def site(view=scripted, **options):
    app = Site({"/page": view})
    later, clock = Manual(), Clock()
    options.setdefault("routes", {"/page": Policy(revalidate=60)})
    isg = ISG(app, store="memory:", clock=clock, executor=later, **options)
    return app, isg, later, clock


def nonce_of(reply: Reply) -> str:
    """The one nonce of an answer: policy and body agree on it."""
    text = gzip.decompress(reply.body) if reply.get("Content-Encoding") == "gzip" else reply.body
    named = set(SAID.findall(reply.get(CSP)))
    named |= set(re.findall(r"nonce=['\"]?([\w+/=-]+)", text.decode()))
    assert len(named) == 1, named
    assert int(reply.get("Content-Length")) == len(reply.body)
    return named.pop()


def test_p12_every_answer_has_a_nonce_of_its_own():
    app, isg, later, clock = site()
    replies = [visit(isg, "/page") for _ in range(3)]
    replies += [visit(isg, "/page", headers=GZIP) for _ in range(3)]
    clock.tick(61)
    replies += [visit(isg, "/page"), visit(isg, "/page", headers=GZIP)]
    assert [reply.cache for reply in replies] == ["MISS"] + ["HIT"] * 5 + ["STALE"] * 2
    later.run()
    replies.append(visit(isg, "/page"))
    assert replies[-1].cache == "HIT"
    assert app.own("/page") == 0
    found = {nonce_of(reply) for reply in replies}
    assert len(found) == len(replies)
    assert {len(nonce) for nonce in found} == {22}
    assert {reply.get("Content-Encoding") for reply in replies} == {"", "gzip"}


def test_p12_who_waited_for_a_render_has_another_nonce_than_who_rendered():
    _, isg, _, _ = site()
    replies = together(6, lambda _: visit(isg, "/page"))
    assert len({nonce_of(reply) for reply in replies}) == 6


def test_p12_such_an_answer_is_kept_by_nobody():
    _, isg, _, _ = site()
    for headers in ({}, GZIP, {"If-None-Match": "*"}, {"Range": "bytes=0-9"},
                    {"If-Modified-Since": "Mon, 01 Jan 2035 00:00:00 GMT"}):  # fmt: skip
        reply = visit(isg, "/page", headers=headers)
        assert reply.code == 200
        assert reply.get("Cache-Control") == "private, no-cache"
        for name in (
            "ETag",
            "Last-Modified",
            "Age",
            "Expires",
            "CDN-Cache-Control",
            "Content-Range",
        ):
            assert reply.get(name) == "", name


def test_p12_who_has_credentials_gets_the_apps_own_answer_however_often_others_came():
    app, isg, _, _ = site()
    for _ in range(3):
        visit(isg, "/page")
    reply = visit(isg, "/page", headers={"Authorization": "Basic eDp5"})
    assert (reply.cache, reply.detail) == ("BYPASS", "authorization")
    assert app.own("/page") == 1


def test_p12_a_purge_ends_what_was_made_ready_to_be_filled():
    app, isg, _, clock = site()
    labels = [visit(isg, "/page").cache for _ in range(3)]
    isg.purge_path("/page")
    labels += [visit(isg, "/page").cache for _ in range(3)]
    clock.tick(61)
    labels.append(visit(isg, "/page").cache)
    assert labels == ["MISS", "HIT", "HIT", "REVALIDATED", "HIT", "HIT", "STALE"]
    assert app.rendered("/page") == 2


def test_p12_head_has_the_headers_of_get():
    _, isg, _, _ = site()
    visit(isg, "/page")
    for headers in ({}, GZIP):
        get, head = (visit(isg, "/page", method=name, headers=headers) for name in ("GET", "HEAD"))
        assert head.body == b""
        assert [name for name, _ in head.headers] == [name for name, _ in get.headers]
        assert SAID.findall(head.get(CSP))[0] != SAID.findall(get.get(CSP))[0]
        if not headers:
            assert head.get("Content-Length") == get.get("Content-Length")


def test_p12_the_store_holds_no_nonce():
    seen = []

    def view(environ):
        answer = scripted(environ)
        seen.extend(SAID.findall(answer[1][1][1]))
        return answer

    _, isg, _, _ = site(view)
    visit(isg, "/page", headers=GZIP)
    [page] = isg.runtime.memory._pages.pages.values()
    kept = repr((page.entry.headers, page.entry.body))
    assert seen
    assert not any(nonce in kept for nonce in seen)


def test_p12_a_policy_without_a_nonce_in_the_body_is_replaced_too():
    view = lambda environ: html("plain", (CSP, f"script-src 'nonce-{secrets.token_hex(16)}'"))  # noqa: E731
    _, isg, _, _ = site(view)
    found = [SAID.findall(visit(isg, "/page").get(CSP))[0] for _ in range(3)]
    assert len(set(found)) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", nonce) for nonce in found)


def test_p12_a_nonce_that_cannot_be_replaced_keeps_the_page_out_of_the_store(caplog):
    def view(environ):
        nonce = secrets.token_urlsafe(12) + "=="
        return html(nonce.replace("=", "%3D"), (CSP, f"script-src 'nonce-{nonce}'"))

    app, isg, _, _ = site(view)
    with caplog.at_level(logging.WARNING, "isgware"):
        replies = [visit(isg, "/page") for _ in range(2)]
    assert [(reply.cache, reply.detail) for reply in replies] == [("BYPASS", "token-not-found")] * 2
    assert app.own("/page") == 2
    assert "in a form that cannot be replaced" in caplog.text
    assert "token-not-found" in str(isg.why("/page", host="site.test"))


def test_p12_a_page_that_is_not_declared_is_filled_too():
    _, isg, later, _ = site(
        lambda environ: html("x" * 300, (CSP, f"script-src 'nonce-{secrets.token_hex(16)}'")),
        routes={}, revalidate=60,
    )  # fmt: skip
    replies = []
    for _ in range(3):
        replies.append(visit(isg, "/page"))
        later.run()
    assert [reply.cache for reply in replies] == ["BYPASS", "HIT", "HIT"]
    assert len({SAID.findall(reply.get(CSP))[0] for reply in replies}) == 3


def test_p12_a_page_from_a_store_on_disk_is_filled(tmp_path):
    for round_ in range(2):
        app = Site({"/page": scripted})
        isg = ISG(
            app, store=f"file:{tmp_path / 'store'}", routes={"/page": Policy(revalidate=False)}
        )
        replies = [visit(isg, "/page", headers=GZIP), visit(isg, "/page", headers=GZIP)]
        assert len({nonce_of(reply) for reply in replies}) == 2
        assert app.rendered("/page") == (0 if round_ else 1)
        isg.close()


def test_p12_report_mode_takes_nonces_for_equal():
    _, isg, later, _ = site(enabled="report")
    assert SAID.findall(visit(isg, "/page").get(CSP))
    later.run()
    assert isg.report == {"same": 1, "differs": 0, "refused": 0, "failed": 0}


def test_p12_debug_shows_a_page_with_its_nonce():
    flask = pytest.importorskip("flask")
    from isgware import revalidate
    from isgware.flask import ISG as FlaskISG

    app = flask.Flask("nonces")
    app.debug = True

    @app.get("/page")
    @revalidate(60)
    def page():
        nonce = secrets.token_urlsafe(16)
        return f"<script nonce={nonce}></script>", {CSP: f"script-src 'nonce-{nonce}'"}

    FlaskISG(app, store="memory:")
    replies = [visit(app, "/page") for _ in range(2)]
    assert [reply.cache for reply in replies] == ["MISS", "MISS"]
    assert len({nonce_of(reply) for reply in replies}) == 2


def test_p12_talisman_as_it_comes():
    flask = pytest.importorskip("flask")
    talisman = pytest.importorskip("flask_talisman")
    from isgware import revalidate
    from isgware.flask import ISG as FlaskISG

    app = flask.Flask("talisman")
    policy = {"default-src": "'self'", "script-src": "'self'"}
    talisman.Talisman(
        app, force_https=False, content_security_policy=policy,
        content_security_policy_nonce_in=["script-src"],
    )  # fmt: skip

    @app.get("/page")
    @revalidate(60)
    def page():
        return flask.render_template_string("<script nonce='{{ csp_nonce() }}'></script>")

    FlaskISG(app, store="memory:")
    replies = [visit(app, "/page") for _ in range(3)]
    assert [reply.cache for reply in replies] == ["MISS", "HIT", "HIT"]
    assert len({nonce_of(reply) for reply in replies}) == 3
