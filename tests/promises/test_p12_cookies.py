"""P12: a page with the token of a double-submit cookie has its visitor's own."""

from __future__ import annotations

import gzip
import itertools
from http.cookies import SimpleCookie

import pytest

from isgware import ISG, ConfigurationError, Policy
from tests.promises.kit import Clock, Manual, Site, html, visit

NAME = "xsrf"
FILLER = "<p>text that makes a page of it</p>\n" * 60


def token(number: int) -> str:
    return f"tok_{number:012d}.~+/=-"


def site(body=FILLER + "<input name=token value='{}'>", *headers, **policy):
    """An app that gives whoever has no token one, and puts it into its page."""
    numbers = itertools.count(1_000)

    def view(environ):
        cookies = SimpleCookie(environ.get("HTTP_COOKIE", ""))
        if NAME in cookies:
            return html(body.format(cookies[NAME].value), *headers)
        made = token(next(numbers))
        return html(body.format(made), ("Set-Cookie", f"{NAME}={made}; Path=/"), *headers)

    app = Site({"/page": view})
    policy.setdefault("value_holes", [f"cookie:{NAME}"])
    routes = {"/page": Policy(revalidate=60, **policy)}
    isg = ISG(app, store="memory:", clock=Clock(), executor=Manual(), routes=routes)
    return app, isg


def own(number: int, more: str = "") -> dict[str, str]:
    return {"Cookie": f"{NAME}={token(number)}{more}"}


def test_p12_who_has_a_token_gets_it_in_the_stored_page():
    app, isg = site()
    visit(isg, "/page")
    for number in (*range(1, 4), 100):
        for accept in ({}, {"Accept-Encoding": "br, gzip"}):
            reply = visit(isg, "/page", headers={**own(number), **accept})
            body = gzip.decompress(reply.body) if accept else reply.body
            assert reply.cache == "HIT"
            assert f"value='{token(number)}'" in body.decode()
            assert reply.get("Cache-Control") == "private, no-cache"
            assert "Cookie" in reply.get("Vary")
            assert reply.get("Set-Cookie") == ""
    assert app.own("/page") == 1


def test_p12_who_has_none_gets_the_apps_own_answer_once():
    app, isg = site()
    first = visit(isg, "/page")
    again = visit(isg, "/page")
    assert [(reply.cache, reply.detail) for reply in (first, again)] == [("BYPASS", "no-token")] * 2
    assert first.get("Set-Cookie") != again.get("Set-Cookie")
    jar = {"Cookie": first.get("Set-Cookie").partition(";")[0]}
    assert visit(isg, "/page", headers=jar).cache == "HIT"
    assert app.rendered("/page") == 1


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param(f"{NAME}=<b>_000000000001.~+/=-", id="HTML"),
        pytest.param(f"{NAME}='><script>alert(1)//", id="an attribute that ends"),
        pytest.param(f"{NAME}={token(1)}x", id="longer"),
        pytest.param(f"{NAME}={token(1)[1:]}", id="shorter"),
        pytest.param(f"{NAME}=tok_000000000001.~+/=\xe9", id="not ASCII"),
        pytest.param(f"{NAME}=tok_000000000001.~+/=&", id="of other characters"),
        pytest.param(f"{NAME}={token(1)}; {NAME}={token(2)}", id="twice"),
        pytest.param(f"{NAME}=", id="empty"),
    ],
)
def test_p12_a_tossed_cookie_is_the_apps_to_judge(cookie):
    app, isg = site()
    visit(isg, "/page")
    reply = visit(isg, "/page", headers={"Cookie": cookie})
    assert (reply.cache, reply.detail) == ("BYPASS", "no-token")
    assert app.own("/page") == 2


def test_p12_a_token_of_the_clean_room_is_served_to_nobody():
    app, isg = site()
    replies = [visit(isg, "/page", headers=own(number)) for number in range(5)]
    replies.append(visit(isg, "/page"))
    assert app.rendered("/page") == 1
    assert not any(token(1_000) in repr((reply.body, reply.headers)) for reply in replies)


def test_p12_a_cookie_with_a_hole_of_its_own_makes_nobody_personal():
    _, isg = site(FILLER + "<input value='{}'>", ("Vary", "Cookie"))
    visit(isg, "/page")
    assert visit(isg, "/page", headers=own(1)).cache == "HIT"
    assert visit(isg, "/page", headers=own(1, "; user=ann")).detail == "cookie"


@pytest.mark.parametrize(
    "body",
    [pytest.param("no token", id="not in the body"), pytest.param("{:.16}", id="cut")],
)
def test_p12_a_token_that_is_not_found_keeps_the_page_out_of_the_store(body):
    _, isg = site(body)
    replies = [visit(isg, "/page", headers=own(1)) for _ in range(2)]
    assert [reply.detail for reply in replies] == ["token-not-found"] * 2
    assert "value_holes" in isg.why("/page", host="site.test").remedy


@pytest.mark.parametrize("value", ["short", "a value with spaces", "<b>of_sixteen_and_more"])
def test_p12_a_cookie_that_is_no_token_keeps_the_page_out_of_the_store(value):
    app = Site({"/page": lambda environ: html(value, ("Set-Cookie", f"{NAME}={value}"))})
    routes = {"/page": Policy(revalidate=60, value_holes=[f"cookie:{NAME}"])}
    isg = ISG(app, store="memory:", routes=routes)
    reply = visit(isg, "/page")
    assert reply.detail == "token-not-found"
    assert reply.get("Set-Cookie") == f"{NAME}={value}"


def test_p12_a_cookie_that_is_not_named_keeps_the_page_out_of_the_store():
    _, isg = site(value_holes=["cookie:other"])
    assert visit(isg, "/page").detail == "set-cookie"


def test_p12_a_cookie_that_the_page_never_sets_is_told_of():
    app = Site({"/page": lambda environ: html("plain")})
    routes = {"/page": Policy(revalidate=60, value_holes=["cookie:never"])}
    isg = ISG(app, store="memory:", routes=routes)
    visit(isg, "/page")
    assert visit(isg, "/page").cache == "HIT"
    remedy = isg.why("/page", host="site.test").remedy
    assert "cookie:never" in remedy
    assert "name the cookie as the app does" in remedy


def test_p12_why_and_export_say_what_is_put_in(tmp_path):
    from isgware.export.choice import static

    _, isg = site()
    visit(isg, "/page")
    told = isg.why("/page", host="site.test", cookies={NAME: token(1)})
    assert (told.outcome, told.filled) == ("HIT", ("cookie:xsrf (1)",))
    told = isg.why("/page", host="site.test")
    assert (told.outcome, told.detail) == ("BYPASS", "no-token")
    assert "own answer gives them one" in told.remedy
    [page] = isg.runtime.memory._pages.pages.values()
    assert static(page.entry, with_app=True) == "value-holes"


@pytest.mark.parametrize("value", ["cookie:x", ["x"], ["cookie:"], ["cookie:a b"], [1], 1])
def test_p12_what_names_no_cookie_is_an_error_that_says_so(value):
    with pytest.raises(ConfigurationError, match="value_holes"):
        Policy(value_holes=value)
