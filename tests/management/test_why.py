"""`why` says what a visit then does, and names what decides it; it does nothing itself."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from isgware import ISG, InvalidPath, Policy, Why, page
from isgware.testing import FakeClock, ManualExecutor
from tests.promises.kit import HTML, Site, html, visit

Wrap = Callable[..., ISG]
HOST = "site.test"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def later() -> ManualExecutor:
    return ManualExecutor()


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def wrap(site: Site, clock: FakeClock, later: ManualExecutor) -> Iterator[Wrap]:
    made: list[ISG] = []

    def make(policy: Policy | None = None, app: Any = site, **options: Any) -> ISG:
        routes = {} if policy is None else {"/p": policy, "/p/<int:id>": policy}
        given = {"store": "memory:", "routes": routes, "clock": clock, "executor": later}
        made.append(ISG(app, **{**given, **options}))
        return made[-1]

    yield make
    for isg in made:
        isg.close(0)


def same_as_a_visit(isg: ISG, path: str = "/p", **request: Any) -> Why:
    """What `why` says, after a visit proved it right."""
    said = isg.why(path, host=HOST, **request)
    place, _, query = path.partition("?")
    cookies = "; ".join(f"{n}={v}" for n, v in request.pop("cookies", {}).items())
    headers = {**request.pop("headers", {}), **({"Cookie": cookies} if cookies else {})}
    reply = visit(isg, place, query, headers=headers, **request)
    assert (said.outcome, said.detail) == (reply.cache or "PASS", reply.detail or said.detail)
    return said


# What happens, through the life of a page.


def test_a_page_that_nobody_rendered_is_a_miss(wrap: Wrap) -> None:
    said = same_as_a_visit(wrap(Policy(revalidate=60)))
    assert (said.outcome, said.state) == ("MISS", "")
    assert "nothing is stored" in said.decided_by


def test_a_fresh_page_is_a_hit_with_its_times_and_tags(wrap: Wrap, clock: FakeClock) -> None:
    isg = wrap(Policy(revalidate=60, expire=600, tags=["t"]))
    visit(isg, "/p")
    clock.advance(20)
    said = same_as_a_visit(isg)
    assert (said.outcome, said.state, said.status) == ("HIT", "fresh", 200)
    assert (said.age, said.ttl, said.expires, said.tags) == (20, 40, 580, ("t",))
    assert said.decided_by == "fresh for another 40 s"


def test_a_page_past_its_time_is_stale_by_its_policy(wrap: Wrap, clock: FakeClock) -> None:
    isg = wrap(Policy(revalidate=60))
    visit(isg, "/p")
    clock.advance(70)
    said = same_as_a_visit(isg)
    assert (said.outcome, said.state) == ("STALE", "stale")
    assert said.decided_by == "revalidate=60: it was rendered 70 s ago"
    assert "rendered behind it" in said.follows


@pytest.mark.parametrize(
    ("verb", "given", "named"),
    [
        ("revalidate_tag", "t", "a revalidation of the tag 't'"),
        ("revalidate_path", "/p", "a revalidation of the path '/p'"),
        ("purge_tag", "t", "a purge of the tag 't'"),
        ("purge_path", "/*", "a purge of all below '/'"),
    ],
)
def test_an_invalidation_is_named(wrap: Wrap, verb: str, given: str, named: str) -> None:
    isg = wrap(Policy(revalidate=60, tags=["t"]))
    visit(isg, "/p")
    getattr(isg, verb)(given)
    said = same_as_a_visit(isg)
    assert said.outcome == ("STALE" if "revalidate" in verb else "REVALIDATED")
    assert said.decided_by == named + " since the render"


def test_a_changed_policy_is_named(wrap: Wrap, clock: FakeClock) -> None:
    old = wrap(Policy(revalidate=60))
    visit(old, "/p")
    new = wrap(Policy(revalidate=90), store=old.runtime.engine.page_store.backend.backend)
    assert same_as_a_visit(new).decided_by == "the policy has changed since the render"


def test_a_changed_option_is_named(wrap: Wrap) -> None:
    old = wrap(Policy(revalidate=60))
    visit(old, "/p")
    store = old.runtime.engine.page_store.backend.backend
    new = wrap(Policy(revalidate=60), store=store, dependencies=True)
    said = same_as_a_visit(new)
    assert said.outcome == "STALE"
    assert said.decided_by == "the option dependencies= has changed since the render"


def test_an_expired_page_is_rendered_for_its_visitor(wrap: Wrap, clock: FakeClock) -> None:
    isg = wrap(Policy(revalidate=60, expire=100))
    visit(isg, "/p")
    clock.advance(101)
    said = same_as_a_visit(isg)
    assert (said.outcome, said.detail, said.state) == ("REVALIDATED", "expired", "expired")
    assert said.decided_by.startswith("expire=100")


def test_a_failing_page_tells_its_error_and_its_next_try(
    wrap: Wrap, site: Site, clock: FakeClock, later: ManualExecutor
) -> None:
    isg = wrap(Policy(revalidate=60))
    visit(isg, "/p")
    site.views["/p"] = lambda environ: html("", status="503 Gone fishing")
    clock.advance(70)
    visit(isg, "/p")
    later.run_all()
    said = same_as_a_visit(isg)
    assert (said.outcome, said.detail) == ("STALE", "regeneration-failed")
    assert (said.failures, said.last_error) == (1, "status 503 Gone fishing")
    assert said.retry is not None
    assert 1 <= said.retry <= 1.1


def test_another_process_knows_of_a_failure(
    wrap: Wrap, site: Site, clock: FakeClock, later: ManualExecutor
) -> None:
    isg = wrap(Policy(revalidate=60))
    other = wrap(Policy(revalidate=60), store=isg.runtime.engine.page_store.backend.backend)
    visit(isg, "/p")
    site.views["/p"] = lambda environ: html("", status="500 Oh")
    clock.advance(70)
    visit(isg, "/p")
    later.run_all()
    assert same_as_a_visit(other).detail == "regeneration-failed"


# What decides.


@pytest.mark.parametrize(
    ("policy", "request_", "detail", "decides"),
    [
        (Policy(revalidate=60), {"headers": {"Authorization": "Basic x"}}, "authorization",
         "the header Authorization"),
        (Policy(revalidate=60, bypass=["staff_*"]), {"cookies": {"a": "1", "staff_x": "1"}},
         "bypass-cookie", "the cookie 'staff_x', named in bypass="),
        (Policy(revalidate=60, bypass=lambda request: "q" in request.args), {"path": "/p?q=1"},
         "bypass", "the policy's callable bypass="),
        (Policy(revalidate=0), {}, "revalidate-0", "revalidate=0"),
        (Policy(revalidate=60), {"host": "evil.test"}, "untrusted-host", "the host 'evil.test'"),
        (Policy(revalidate=60), {"path": "/p?" + "a" * 5000}, "odd-query", "the request's query"),
        (Policy(revalidate=60, vary=["X"]), {"headers": {"X": "a" * 2000}}, "odd-header",
         "a keyed header"),
    ],
    ids=["credentials", "cookie", "callable", "never", "host", "query", "header"],
)  # fmt: skip
def test_a_bypass_names_what_decides_it(
    wrap: Wrap, policy: Policy, request_: dict[str, Any], detail: str, decides: str
) -> None:
    isg = wrap(policy, trusted_hosts=[HOST])
    given = {"host": HOST, **request_}
    said = isg.why(given.pop("path", "/p"), **given)
    assert (said.outcome, said.detail) == ("BYPASS", detail)
    assert decides in said.decided_by


def test_the_cookie_that_makes_a_visitor_personal_is_named(wrap: Wrap, site: Site) -> None:
    site.views["/p"] = lambda environ: html("p", ("Vary", "Cookie"))
    isg = wrap(Policy(revalidate=60))
    visit(isg, "/p")
    said = same_as_a_visit(isg, cookies={"_ga": "1", "session": "s"})
    assert (said.outcome, said.detail) == ("BYPASS", "cookie")
    assert "'session'" in said.decided_by
    assert same_as_a_visit(isg, cookies={"_ga": "1"}).outcome == "HIT"


@pytest.mark.parametrize(
    ("header", "token", "decides"),
    [
        (("Set-Cookie", "a=1"), "set-cookie", "the header Set-Cookie"),
        (("Cache-Control", "private"), "private", "the directive Cache-Control: private"),
        (("Vary", "*"), "vary-star", "the header Vary: *"),
    ],
    ids=["set-cookie", "private", "vary"],
)
def test_a_page_that_cannot_be_stored_says_why_in_every_process(
    wrap: Wrap, site: Site, clock: FakeClock, header: tuple[str, str], token: str, decides: str
) -> None:
    site.views["/p"] = lambda environ: html("p", header)
    isg = wrap(Policy(revalidate=60))
    other = wrap(Policy(revalidate=60), store=isg.runtime.engine.page_store.backend.backend)
    visit(isg, "/p")
    for one in (isg, other):
        said = one.why("/p", host=HOST)
        assert (said.outcome, said.detail) == ("BYPASS", token)
        assert decides in said.decided_by
    clock.advance(3600)
    said = other.why("/p", host=HOST)
    assert (said.outcome, said.detail) == ("MISS", "")
    assert said.refused.startswith(f"it was not stored 60 min ago: {token}")
    assert said.remedy == isg.why("/p", host=HOST).remedy


def test_a_refusal_of_another_page_of_the_route_is_told_as_such(wrap: Wrap, site: Site) -> None:
    site.views["/p/1"] = lambda environ: html("p", status="403 No")
    isg = wrap(Policy(revalidate=60))
    visit(isg, "/p/1")
    said = isg.why("/p/2", host=HOST)
    assert said.outcome == "MISS"
    assert said.refused.startswith(f"http://{HOST}/p/1, of the same route, was not stored")
    assert "status-403" in said.refused


def test_a_first_render_that_failed_tells_its_error(wrap: Wrap, site: Site) -> None:
    def broken(environ: Any) -> Any:
        raise ValueError("no such table")

    site.views["/p"] = broken
    isg = wrap(Policy(revalidate=60))
    with pytest.raises(ValueError, match="no such table"):
        visit(isg, "/p")
    assert "ValueError: no such table" in isg.why("/p", host=HOST).refused


def test_draft_owners_and_the_control_endpoint_are_known(wrap: Wrap) -> None:
    isg = wrap(Policy(revalidate=60), secret="correct horse battery")
    reply = visit(
        isg, "/_isg/draft", method="POST", headers={"Authorization": "Bearer correct horse battery"}
    )
    name, _, value = reply.get("Set-Cookie").partition(";")[0].partition("=")
    assert same_as_a_visit(isg, cookies={name: value}).detail == "draft"
    assert isg.why("/_isg/revalidate").detail == "control"


# The key.


def test_the_key_says_what_is_kept_and_what_is_left_out(wrap: Wrap) -> None:
    isg = wrap(
        Policy(revalidate=60, query=["page"], vary={"Accept-Language": ["en", "fr"],
                                                    "cookie:currency": None, "X-Beta": None})
    )  # fmt: skip
    said = isg.why(
        "/p?utm_source=x&page=2&page=2&y=1",
        headers={"Accept-Language": "de, fr;q=0.5"},
        cookies={"currency": "EUR", "other": "1"},
    )
    assert said.query_kept == ("page=2", "page=2")
    assert said.query_dropped == ("utm_source=x", "y=1")
    assert said.headers == (("accept-language", "fr"), ("x-beta", None))
    assert said.cookies == (("currency", "EUR"),)
    assert "query=('page',)" in said.policy


def test_a_miss_names_the_pages_of_that_path_that_are_stored(wrap: Wrap) -> None:
    isg = wrap(Policy(revalidate=60, vary=["X-Beta"]))
    visit(isg, "/p", headers={"X-Beta": "on"})
    assert f"stored is http://{HOST}/p [x-beta=on]" in isg.why("/p").decided_by
    assert isg.why("/p", headers={"X-Beta": "on"}).outcome == "HIT"  # and its host is known


# Who declares it.


def test_who_declared_a_page_is_said(wrap: Wrap, site: Site, later: ManualExecutor) -> None:
    isg = wrap(Policy(revalidate=60), revalidate=30)
    assert (isg.why("/p").route, isg.why("/p").declared_by) == ("/p", ("routes",))
    visit(isg, "/other")
    later.run_all()
    said = same_as_a_visit(isg, "/other")
    assert (said.outcome, said.route, said.declared_by) == ("HIT", "undeclared", ("default",))
    assert "ISG(revalidate=30)" in said.policy


def test_an_undeclared_page_says_that_the_app_answers(wrap: Wrap, site: Site) -> None:
    said = same_as_a_visit(wrap(Policy(revalidate=60)), "/other")
    assert (said.outcome, said.detail, said.route) == ("PASS", "not-declared", "")
    said = wrap(Policy(revalidate=60), cache_control="ignore").why("/other")
    assert said.follows == "The request goes to the app."


def test_an_undeclared_page_that_was_refused_says_why(
    wrap: Wrap, site: Site, later: ManualExecutor
) -> None:
    site.views["/other"] = lambda environ: (
        "200 OK",
        [HTML, *([("Set-Cookie", "a=1")] if "isgware.render" in environ else [])],
        b"x",
    )
    isg = wrap(revalidate=30)
    visit(isg, "/other")
    later.run_all()
    assert isg.why("/other", host=HOST).detail == "set-cookie"


def test_other_methods_pass_or_purge(wrap: Wrap) -> None:
    isg = wrap(Policy(revalidate=60))
    said = same_as_a_visit(isg, method="POST")
    assert (said.outcome, said.detail) == ("BYPASS", "post")
    assert "purged" in said.follows
    assert isg.why("/other", method="post").outcome == "PASS"


@pytest.mark.parametrize(
    ("enabled", "outcome", "detail"),
    [(False, "PASS", "disabled"), ("report", "BYPASS", "report")],
)
def test_the_switch_is_said(wrap: Wrap, enabled: Any, outcome: str, detail: str) -> None:
    said = same_as_a_visit(wrap(Policy(revalidate=60), enabled=enabled))
    assert (said.outcome, said.detail) == (outcome, detail)


def test_a_store_that_is_away_is_said(wrap: Wrap) -> None:
    isg = wrap(Policy(revalidate=60))
    isg.runtime.engine.page_store.backend.trip(OSError("gone"))
    said = isg.why("/p", host=HOST)
    assert (said.outcome, said.decided_by) == (
        "MISS",
        "the store is out of reach, and the page is not in memory",
    )


# Without doing it.


def test_nothing_is_rendered_stored_or_scheduled(
    wrap: Wrap, site: Site, clock: FakeClock, later: ManualExecutor
) -> None:
    isg = wrap(Policy(revalidate=60))
    isg.why("/p", host=HOST)
    assert (site.seen, list(isg.pages())) == ([], [])
    visit(isg, "/p")
    clock.advance(70)
    asked = len(site.seen)
    assert isg.why("/p", host=HOST).outcome == "STALE"
    assert (len(site.seen), later.pending) == (asked, 0)


def test_a_view_may_ask(wrap: Wrap) -> None:
    asked: list[Why] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        page.tag("t")
        asked.append(isg.why("/p"))
        start_response("200 OK", [HTML])
        return [b"x"]

    isg = wrap(Policy(revalidate=60), app=app)
    visit(isg, "/p")
    assert asked[0].url == f"http://{HOST}/p"  # the request in progress tells the host
    assert asked[0].follows == "The visitor waits for the render that is under way."


def test_what_is_no_local_path_is_refused(wrap: Wrap) -> None:
    with pytest.raises(InvalidPath):
        wrap().why("https://site.test/")


# For people and for programs.


def test_it_reads_as_a_few_lines_without_control_characters(wrap: Wrap) -> None:
    isg = wrap(Policy(revalidate=60, vary=["X-Beta"]))
    text = str(isg.why("/p", headers={"X-Beta": "\u202e\x9bred"}, host=HOST))
    assert text.splitlines()[0] == f"MISS: GET http://{HOST}/p"
    assert "  route       /p (routes)" in text.splitlines()
    assert r"x-beta=\u202e\x9bred" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_it_is_plain_values(wrap: Wrap) -> None:
    said = wrap(Policy(revalidate=60, accept=lambda old, new: True)).why("/p")
    assert json.loads(json.dumps(dataclasses.asdict(said)))["outcome"] == "MISS"
    with pytest.raises(dataclasses.FrozenInstanceError):
        said.outcome = "HIT"  # type: ignore[misc]
