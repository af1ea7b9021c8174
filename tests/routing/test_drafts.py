"""Draft cookies: made by the endpoint, good for their time, worthless when changed."""

import hmac

import pytest
from werkzeug.test import Client

from isgware import ISG, Policy
from isgware.routing.drafts import COOKIE, Drafts
from isgware.testing import FakeClock

SECRET = "correct horse battery"
BEARER = {"Authorization": f"Bearer {SECRET}"}


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Cache-Control", "public")])
    return [b"draft" if COOKIE in environ.get("HTTP_COOKIE", "") else b"public"]


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def isg(clock):
    isg = ISG(app, store="memory:", secret=SECRET, clock=clock, routes={"/": Policy(revalidate=60)})
    yield isg
    isg.close(0)


def cookie_of(answer):
    return answer.headers["Set-Cookie"].partition(";")[0]


def test_the_owner_gets_the_apps_own_unstored_answers(isg):
    editor, guest = Client(isg), Client(isg)
    assert guest.get("/").text == "public"
    assert guest.get("/").headers["X-ISG-Cache"] == "HIT"
    assert editor.post("/_isg/draft", headers=BEARER).get_json() == {"draft": True, "max_age": 3600}
    answer = editor.get("/")
    assert (answer.text, answer.headers["X-ISG-Cache"]) == ("draft", "BYPASS")
    assert "detail=draft" in answer.headers["Cache-Status"]
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert guest.get("/").text == "public"


def test_the_cookie_is_out_of_the_reach_of_scripts(isg):
    marks = Client(isg).post("/_isg/draft", headers=BEARER).headers["Set-Cookie"]
    assert "; HttpOnly; SameSite=Lax" in marks
    assert "Secure" not in marks
    secure = Client(isg).post("/_isg/draft", headers=BEARER, base_url="https://localhost")
    assert secure.headers["Set-Cookie"].endswith("; Secure")


def test_signatures_are_compared_in_a_time_that_tells_nothing(isg, monkeypatch):
    compared, compare = [], hmac.compare_digest
    monkeypatch.setattr(
        hmac, "compare_digest", lambda *both: compared.append(both) or compare(*both)
    )
    forged = {"Cookie": f"{COOKIE}=99999999999.{'0' * 64}"}
    Client(isg, use_cookies=False).get("/", headers=forged)
    assert [given for _, given in compared] == [b"0" * 64]


def test_behind_a_proxy_that_ends_tls_base_url_tells(clock):
    isg = ISG(app, store="memory:", secret=SECRET, base_url="https://site.example")
    answer = Client(isg).post("/_isg/draft", headers=BEARER)
    assert answer.headers["Set-Cookie"].endswith("; Secure")


def test_it_ends_by_itself(isg, clock):
    editor = Client(isg, use_cookies=False)
    cookie = cookie_of(editor.post("/_isg/draft", headers=BEARER, data={"max_age": "60"}))
    clock.advance(59)
    assert editor.get("/", headers={"Cookie": cookie}).headers["X-ISG-Cache"] == "BYPASS"
    clock.advance(2)
    assert editor.get("/", headers={"Cookie": cookie}).headers["X-ISG-Cache"] != "BYPASS"


def test_it_can_be_ended(isg):
    editor = Client(isg)
    editor.post("/_isg/draft", headers=BEARER)
    editor.post("/_isg/draft", headers=BEARER, data={"max_age": "0"})
    assert editor.get("/").text == "public"


def test_it_leads_on_to_the_page(isg):
    answer = Client(isg).post("/_isg/draft", headers=BEARER, data={"path": "/posts/1?x=2"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/posts/1?x=2")


@pytest.mark.parametrize(
    "data",
    [
        {"path": "//evil.example"},
        {"path": "https://evil.example/"},
        {"path": "/a\r\nSet-Cookie: x=y"},
        {"path": "/a%0d%0ab"},
        {"path": "/é"},
        {"max_age": "-1"},
        {"max_age": "soon"},
        {"max_age": "99999999"},
        {"max_age": "٣"},
        {"max_age": "000000000999999999"},
        {"max_age": "0" * 5_000},
    ],
    ids=lambda data: repr(data)[:50],
)
def test_what_cannot_be_meant_is_refused(isg, data):
    answer = Client(isg).post("/_isg/draft", headers=BEARER, json=data)
    assert answer.status_code == 400
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"),
        lambda value: str(int(value.partition(".")[0]) + 1) + "." + value.partition(".")[2],
        lambda value: value.partition(".")[0],
        lambda value: value + "0",
        lambda value: "9" * 40 + "." + value.partition(".")[2],
        lambda value: SECRET,
        lambda value: "",
        lambda value: "\xff.\xff",
    ],
    ids=["signature", "end", "unsigned", "longer", "for ever", "secret", "empty", "bytes"],
)
def test_a_changed_cookie_is_worth_nothing(clock, change):
    drafts = Drafts(SECRET, clock)
    value = drafts.issue(60, secure=False).partition(";")[0].partition("=")[2]
    assert drafts.owned(f"a=b; {COOKIE}={value}")
    assert not drafts.owned(f"a=b; {COOKIE}={change(value)}")


def test_another_secret_signs_otherwise(clock):
    cookie = Drafts("one", clock).issue(60, secure=False).partition(";")[0]
    assert not Drafts("two", clock).owned(cookie)


def test_the_cookie_is_not_the_secret_and_opens_nothing(isg):
    cookie = cookie_of(Client(isg).post("/_isg/draft", headers=BEARER))
    assert SECRET not in cookie
    value = cookie.partition("=")[2]
    for part in (value, *value.split(".")):
        answer = Client(isg).post("/_isg/draft", headers={"Authorization": f"Bearer {part}"})
        assert answer.status_code == 401


def test_the_secret_itself_signs_nothing(clock):
    """The key is derived, so that the two uses of the secret never meet."""
    end = str(int(clock()) + 60)
    forged = hmac.new(SECRET.encode(), end.encode(), "sha256").hexdigest()
    assert not Drafts(SECRET, clock).owned(f"{COOKIE}={end}.{forged}")
