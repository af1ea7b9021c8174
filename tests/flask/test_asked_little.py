"""How little is asked of a visitor's session, and for how long what was found is remembered."""

from __future__ import annotations

import secrets
from typing import Any

import flask
import pytest
from flask import request, session

from .test_reads_decide import BACKENDS, Jar, Site


def counted(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Sessions that isgware has opened."""
    asked: list[object] = []
    kept: Any = site.isg.core.runtime.site
    original = kept.session
    monkeypatch.setattr(kept, "session", lambda visitor: asked.append(1) or original(visitor))
    return asked


@pytest.mark.parametrize("backend", BACKENDS)
def test_p11_a_session_is_opened_once_a_request(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(backend)
    site.page("/", lambda: f"{session.get('name')}", vary=["session:lang"])
    shopper = Jar(site)
    shopper.visit("/set?basket=1&lang=de", "POST")
    Jar(site).visit("/")
    shopper.visit("/")
    asked = counted(site, monkeypatch)
    assert (shopper.visit("/").cache, len(asked)) == ("HIT", 1)


def test_p11_keys_of_a_cookie_session_are_remembered_for_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = Site()
    site.page("/", lambda: f"{session.get('name')}")
    jar = Jar(site)
    jar.visit("/set?name=Ann", "POST")
    Jar(site).visit("/")
    asked = counted(site, monkeypatch)
    for seconds, opened in ((0, 1), (59, 1), (2, 2), (-3_600, 3)):
        site.clock.tick(seconds)
        assert (jar.visit("/").cache, len(asked)) == ("BYPASS", opened)


def test_p11_long_headers_are_not_remembered() -> None:
    site = Site()
    site.page("/", lambda: request.cookies.get("theme", "light"))
    Jar(site).visit("/")
    assert Jar(site, other="x" * 2_000).visit("/").cache == "HIT"
    assert Jar(site, other="x").visit("/").cache == "HIT"
    assert [header for header, _ in site.isg.core.runtime.engine.visitors._admitted] == ["other=x"]


def test_p11_what_a_key_admits_is_not_remembered_for_other_pages() -> None:
    site = Site()
    language = lambda: session.get("lang", "none")  # noqa: E731
    site.page("/keyed", language, vary=["session:lang"])
    site.page("/other", language)
    for path in ("/keyed", "/other"):
        assert [Jar(site).visit(path).cache for _ in range(3)] == ["MISS", "HIT", "HIT"]
    german = Jar(site)
    german.visit("/set?lang=de", "POST")
    for _ in range(3):
        assert [german.visit(path).text for path in ("/keyed", "/other")] == ["de", "de"]


def test_p11_no_hook_of_the_app_runs_while_a_session_is_looked_at() -> None:
    site = Site("server")
    ran: list[str] = []
    site.app.before_request(lambda: ran.append("before"))
    site.app.teardown_request(lambda error: ran.append("after"))
    site.page("/", lambda: f"{session.get('name')}")
    shopper = Jar(site)
    shopper.visit("/set?basket=1", "POST")
    Jar(site).visit("/")
    ran.clear()
    assert (shopper.visit("/").cache, ran) == ("HIT", [])


def test_p12_a_cookie_that_has_a_hole_is_not_read_by_being_looked_at() -> None:
    site = Site()

    def page() -> flask.Response:
        token = request.cookies.get("xsrf") or secrets.token_hex(16)
        response = flask.make_response(f"<meta name=xsrf content={token}>")
        response.set_cookie("xsrf", token)
        return response

    site.page("/", page, value_holes=["cookie:xsrf"])
    ann, bob = Jar(site), Jar(site)
    for jar in (ann, bob):
        assert jar.visit("/").detail == "no-token"
        for _ in range(2):
            reply = jar.visit("/")
            assert (reply.cache, jar.cookies["xsrf"] in reply.text) == ("HIT", True)
    assert ann.cookies["xsrf"] != bob.cookies["xsrf"]
    assert bob.cookies["xsrf"] not in ann.visit("/").text
