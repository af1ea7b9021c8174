"""Learned routes: pages whose first answer sets a cookie (Flask)."""

from __future__ import annotations

import flask
import pytest
from flask import request, session
from flask.sessions import SecureCookieSessionInterface
from flask_wtf import CSRFProtect
from flask_wtf.csrf import generate_csrf

from isgware.flask.site import FlaskSite
from isgware.routing.session_cookies import without_bookkeeping
from tests.core.making import a_visitor

from .test_reads_decide import BACKENDS, Jar, Site


def site_of(backend: str) -> Site:
    site = Site(backend, revalidate=60)
    CSRFProtect(site.app)
    site.runs = 0  # type: ignore[attr-defined]
    app = site.app

    @app.before_request
    def lasting() -> None:
        session.permanent = "lasts" in request.args

    def page(name: str, view: object) -> None:
        def run() -> str:
            site.runs += 1  # type: ignore[attr-defined]
            return str(view())  # type: ignore[operator]

        app.get(f"/{name}", endpoint=name)(run)

    page("form", lambda: f"<input name=csrf_token value={generate_csrf()}>")
    page("plain", lambda: "plain")
    page("magic", lambda: session.update(_user_id="ann") or "hello")
    page("cookie", lambda: flask.after_this_request(_with_cookie) and "hello")
    app.post("/basket")(lambda: session.update(basket=1) or "set")
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    return site


def _with_cookie(response: flask.Response) -> flask.Response:
    response.set_cookie("seen", "1")
    return response


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("path", "tried"),
    [("/form", True), ("/plain?lasts=1", True), ("/magic", False), ("/cookie", False)],
)
def test_a_page_is_tried_after_bookkeeping_and_after_no_other_cookie(
    backend: str, path: str, tried: bool
) -> None:
    site = site_of(backend)
    first = Jar(site).visit(path)
    site.later.run()
    assert site.runs == 1 + tried  # type: ignore[attr-defined]
    assert (first.detail == "learning") is tried
    if tried:
        assert Jar(site).visit(path).cache == "HIT"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_page_is_tried_after_bookkeeping_in_a_session_that_holds_more(backend: str) -> None:
    site = site_of(backend)
    shopper = Jar(site)
    shopper.visit("/basket", "POST")
    tried = "learning" if backend == "cookie" else ""  # a server's session shows no past
    assert shopper.visit("/form?lasts=1").detail == tried
    member = Jar(site)
    member.visit("/basket", "POST")
    assert member.visit("/magic").detail == ""


def test_a_session_that_ends_or_comes_twice_or_cannot_be_opened_is_no_bookkeeping() -> None:
    site = site_of("cookie")

    def kept(*lines: str, cookie: str = "") -> bool:
        headers = tuple(("Set-Cookie", line) for line in lines)
        return (
            without_bookkeeping(FlaskSite(site.app), a_visitor(cookie=cookie), headers) == headers
        )

    assert kept("session=; Max-Age=0", cookie="session=a")
    assert not kept("session=; Max-Age=0")
    assert kept("session=a", "session=b")

    class Down(SecureCookieSessionInterface):
        def open_session(self, *given: object) -> None:
            raise OSError("down")

    assert not kept("session=a")
    site.app.session_interface = Down()
    assert kept("session=a")
