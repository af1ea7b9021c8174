"""Who gets into the dashboard: by the form, by a link, by a Bearer token; and who has to wait."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from werkzeug.test import Client

from isgware import ISG

from .conftest import BEARER, HTML, SECRET, Clock, log_in, token_of

OTHERS = "another secret of the site"
COOKIE = "isgware_dashboard"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)


def test_whoever_is_not_logged_in_gets_the_form(browser: Client) -> None:
    answer = browser.get("/_isg/", headers=HTML)
    assert answer.status_code == 401
    assert 'type="password"' in answer.text
    assert "Hit ratio" not in answer.text


def test_a_browser_is_not_told_of_an_error_when_it_opens_the_form(browser: Client) -> None:
    for headers in ({"Sec-Fetch-Mode": "navigate"}, {"Upgrade-Insecure-Requests": "1"}):
        assert browser.get("/_isg/", headers=headers).status_code == 200


def test_the_secret_opens_the_dashboard_for_twelve_hours(browser: Client, clock: Clock) -> None:
    answer = log_in(browser)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/_isg/")
    assert "Hit ratio" in browser.get("/_isg/").text
    clock.now += 12 * 3600 - 1
    assert "Hit ratio" in browser.get("/_isg/").text
    clock.now += 1
    assert browser.get("/_isg/").status_code == 401


def test_the_cookie_is_for_the_dashboard_alone(browser: Client) -> None:
    cookie = log_in(browser).headers["Set-Cookie"]
    assert cookie.startswith(COOKIE + "=")
    marks = {mark.strip() for mark in cookie.split(";")[1:]}
    assert marks == {"HttpOnly", "SameSite=Strict", "Path=/_isg", "Max-Age=43200"}
    assert SECRET not in cookie


def test_on_https_the_cookie_is_secure(make: Callable[..., ISG]) -> None:
    for isg, base in (
        (make(), "https://site.example"),
        (make(base_url="https://site.example"), "http://site.example"),
    ):
        client = Client(isg)
        token = token_of(client.get("/_isg/login", base_url=base))
        form = {"token": token, "secret": SECRET}
        answer = client.post("/_isg/login", data=form, base_url=base)
        assert "; Secure" in answer.headers["Set-Cookie"]


def test_below_a_mount_the_cookie_is_for_that(browser: Client) -> None:
    shop = {"environ_overrides": {"SCRIPT_NAME": "/shop"}}
    token = token_of(browser.get("/_isg/login", **shop))
    answer = browser.post("/_isg/login", data={"token": token, "secret": SECRET}, **shop)
    assert "Path=/shop/_isg;" in answer.headers["Set-Cookie"]
    assert answer.headers["Location"] == "/shop/_isg/"


def test_another_secret_ends_all_sessions(make: Callable[..., ISG], owner: Client) -> None:
    cookie = owner.get_cookie(COOKIE, path="/_isg")
    assert cookie is not None
    other = Client(make(secret=OTHERS))
    other.set_cookie(COOKIE, cookie.value, path="/_isg")
    assert other.get("/_isg/").status_code == 401


def test_logging_out_ends_the_session_in_every_process(
    make: Callable[..., ISG], tmp_path: object
) -> None:
    options = {"store": f"file:{tmp_path}/store", "backend_timeout": 30.0}
    one, other = make(**options), make(**options)
    owner = Client(one)
    log_in(owner)
    cookie = owner.get_cookie(COOKIE, path="/_isg")
    assert cookie is not None
    token = token_of(owner.get("/_isg/"))
    assert owner.post("/_isg/logout", data={"token": token}).status_code == 303
    assert owner.get_cookie(COOKIE, path="/_isg") is None
    for isg in (one, other):
        thief = Client(isg)
        thief.set_cookie(COOKIE, cookie.value, path="/_isg")
        assert thief.get("/_isg/").status_code == 401


@pytest.mark.parametrize("value", ["", "x", "1.2.3", f"{2**40}.{'a' * 32}.{'b' * 64}"])
def test_a_forged_cookie_opens_nothing(browser: Client, value: str) -> None:
    browser.set_cookie(COOKIE, value, path="/_isg")
    assert browser.get("/_isg/").status_code == 401


def test_a_login_token_is_no_session(browser: Client) -> None:
    browser.set_cookie(COOKIE, token_of(browser.get("/_isg/login")), path="/_isg")
    assert browser.get("/_isg/").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "nonsense"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
def test_a_form_on_another_site_does_nothing(browser: Client, headers: dict[str, str]) -> None:
    assert log_in(browser, headers=headers).status_code == 403
    assert log_in(browser).status_code == 303
    token = token_of(browser.get("/_isg/"))
    form = {"token": token}
    assert browser.post("/_isg/logout", data=form, headers=headers).status_code == 403
    assert "Hit ratio" in browser.get("/_isg/").text


def test_without_its_token_a_form_does_nothing(owner: Client) -> None:
    for form in ({}, {"token": ""}, {"token": "é"}, {"token": token_of(owner.get("/_isg/login"))}):
        assert owner.post("/_isg/logout", data=form).status_code == 403
        form = {"secret": SECRET, **form}
        if not form.get("token", "").count("."):
            assert owner.post("/_isg/login", data=form).status_code == 403
    assert "Hit ratio" in owner.get("/_isg/").text


def test_the_site_s_own_origins_are_told_from_others(make: Callable[..., ISG]) -> None:
    client = Client(make(base_url=["https://a.example", "https://b.example"]))
    origin = {"Origin": "https://b.example"}
    assert log_in(client, headers=origin).status_code == 303


def test_the_login_leads_back_and_nowhere_else(browser: Client) -> None:
    asked = browser.get("/_isg/?x=1", headers=HTML)
    assert 'name="back" value="/?x=1"' in asked.text
    for back, there in (("/?x=1", "/_isg/?x=1"), ("//evil.example", "/_isg/"), ("x", "/_isg/")):
        token = token_of(browser.get("/_isg/login"))
        form = {"token": token, "secret": SECRET, "back": back}
        assert browser.post("/_isg/login", data=form).headers["Location"] == there


# Wrong guesses.


def wrong(client: Client, peer: str = "192.0.2.7", secret: str = "wrong") -> tuple[int, str]:
    answer = log_in(client, secret, environ_overrides={"REMOTE_ADDR": peer})
    return answer.status_code, answer.headers.get("Retry-After", "")


def test_from_the_fifth_wrong_guess_on_there_are_pauses_that_double(browser: Client) -> None:
    told = [wrong(browser) for _ in range(12)]
    assert [code for code, _ in told] == [401] * 4 + [429] * 8
    assert [after for _, after in told[4:]] == ["1", "2", "4", "8", "16", "32", "60", "60"]


def test_during_a_pause_the_secret_is_not_taken_from_that_peer(
    browser: Client, clock: Clock
) -> None:
    for _ in range(6):
        wrong(browser)
    assert wrong(browser, secret=SECRET) == (429, "2")
    clock.now += 1.5
    assert wrong(browser, secret=SECRET) == (429, "1")
    clock.now += 0.5
    assert wrong(browser, secret=SECRET) == (303, "")


def test_guesses_of_many_peers_are_counted_together(browser: Client) -> None:
    told = [wrong(browser, f"192.0.2.{number}") for number in range(6)]
    assert told == [(401, "")] * 4 + [(429, "1"), (429, "2")]


def test_the_guesses_of_others_keep_nobody_out(browser: Client) -> None:
    for number in range(20):
        wrong(browser, f"192.0.2.{number}")
    assert wrong(browser, "203.0.113.1", SECRET) == (303, "")


def test_addresses_of_one_ipv6_network_are_one_peer(browser: Client, isg: ISG) -> None:
    for number in range(6):
        wrong(browser, f"2001:db8::{number:x}")
    assert wrong(browser, "2001:db8::ffff", SECRET)[0] == 429
    assert wrong(browser, "2001:db8:0:1::1", SECRET)[0] == 303


def test_wrong_bearer_tokens_count_and_right_ones_and_sessions_pass(owner: Client) -> None:
    bad = {"Authorization": "Bearer wrong"}
    for path in ("/_isg/", "/_isg/revalidate", "/_isg/metrics", "/_isg/pages"):
        assert owner.post(path, headers=bad).status_code == 401
    assert owner.get("/_isg/", headers=bad).status_code == 429
    assert owner.post("/_isg/revalidate?secret=wrong").headers["Retry-After"] == "2"
    assert owner.get("/_isg/", headers=BEARER).status_code == 200
    assert owner.get("/_isg/").status_code == 200


def test_who_says_nothing_has_not_guessed(browser: Client) -> None:
    for _ in range(6):
        assert browser.post("/_isg/revalidate").status_code == 401


def test_a_login_makes_up_for_slips(browser: Client) -> None:
    for _ in range(4):
        wrong(browser)
    assert wrong(browser, secret=SECRET)[0] == 303
    assert wrong(browser)[0] == 401


def test_guesses_are_counted_for_all_processes(make: Callable[..., ISG], tmp_path: object) -> None:
    options = {"store": f"file:{tmp_path}/store", "backend_timeout": 30.0}
    one, other = Client(make(**options)), Client(make(**options))
    for client in (one, other, one, other):
        assert wrong(client)[0] == 401
    assert wrong(one) == (429, "1")
    assert wrong(other) == (429, "2")


def test_guesses_are_counted_without_a_store(
    browser: Client, isg: ISG, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError

    for name in ("read_note", "write_note", "ping"):
        monkeypatch.setattr(isg.runtime.store.backend, name, fails)
    assert [wrong(browser)[0] for _ in range(5)] == [401] * 4 + [429]


@pytest.mark.parametrize("note", [b"[1e999, 0]", b"[]", b"{}", b"x", b'["x", "y"]'])
def test_a_count_that_is_none_counts_from_the_beginning(
    browser: Client, isg: ISG, clock: Clock, note: bytes
) -> None:
    isg.runtime.store.write_note("g:overall", note, 900, clock())
    assert [wrong(browser)[0] for _ in range(5)] == [401] * 4 + [429]


# Links, JSON, headers.


def test_a_link_logs_in_once(make: Callable[..., ISG], clock: Clock, tmp_path: object) -> None:
    from isgware.dashboard.app import login_link

    options = {"store": f"file:{tmp_path}/store", "backend_timeout": 30.0}
    isg = make(**options)
    link = login_link(isg)
    first, second = Client(isg), Client(make(**options))
    assert first.get(link).headers["Location"] == "/_isg/"
    assert "Hit ratio" in first.get("/_isg/").text
    for _ in range(2):
        assert "used already" in second.get(link).text
        clock.now += 100
    late = login_link(isg)
    clock.now += 601
    assert second.get(late).status_code == 401
    assert second.get("/_isg/").status_code == 401


def test_programs_get_json(browser: Client) -> None:
    found = browser.get("/_isg/", headers=BEARER).get_json()
    assert found["store"]["circuit"] == "closed"
    answer = browser.get("/_isg/", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.get_json()) == (401, {"message": "Invalid token"})
    log_in(browser)
    answer = browser.get("/_isg/", headers={"Accept": "application/json"})
    assert answer.get_json().keys() == found.keys()


def test_a_secret_in_the_url_opens_nothing_here(browser: Client) -> None:
    from urllib.parse import quote

    for path in ("/_isg/", "/_isg/pages", "/_isg/metrics", "/_isg/login"):
        answer = browser.get(f"{path}?secret={quote(SECRET)}", headers=HTML)
        assert "Hit ratio" not in answer.text
        assert answer.status_code == 401


@pytest.mark.parametrize(
    "path", ["/_isg/", "/_isg/login", "/_isg/dashboard.css", "/_isg/dashboard.js", "/_isg/nothing"]
)
def test_every_answer_bears_the_headers(browser: Client, path: str) -> None:
    for _ in range(2):
        headers = browser.get(path).headers
        assert headers["Content-Security-Policy"] == POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        log_in(browser)


def test_head_has_no_body(owner: Client) -> None:
    assert owner.head("/_isg/").data == b""


def test_logins_and_refusals_are_logged_with_the_peer_and_no_secret(
    browser: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "isgware")
    peer = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.99"}}
    log_in(browser, "my other password", **peer)
    log_in(browser, **peer)
    log_in(browser, headers={"Origin": "https://evil.example"}, **peer)
    lines = [line for line in caplog.messages if "192.0.2.99" in line]
    assert len(lines) == 3
    assert not [line for line in caplog.messages if SECRET in line or "my other" in line]


def test_without_jinja2_the_page_says_what_to_install(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from isgware.dashboard import templating

    def missing() -> None:
        raise templating.JinjaMissing

    monkeypatch.setattr(templating, "_environment", missing)
    answer = browser.get("/_isg/")
    assert answer.status_code == 501
    assert "pip install 'isgware[dashboard]'" in answer.text
    assert browser.get("/_isg/", headers=BEARER).get_json()["store"]
