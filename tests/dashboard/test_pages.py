"""The pages of the dashboard: what they show, what their forms do, and that text stays text."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse

from isgware import ISG, Policy, RegenerationError, revalidate
from isgware.backends.base import row_of
from isgware.core.stored_page import encode
from isgware.flask import ISG as FlaskISG

from .conftest import BEARER, SECRET, App, Clock, log_in, token_of

#: What a browser would take for markup, and for the end of an attribute.
PROBE = "<img src=x onerror=alert(1)>\"'&</script>"


def act(client: Client, where: str, /, **form: Any) -> TestResponse:
    token = token_of(client.get("/_isg/pages"))
    return client.post(f"/_isg{where}", data={"token": token, **form}, follow_redirects=True)


def cache(isg: ISG, path: str) -> str:
    return Client(isg).get(path).headers["X-ISG-Cache"]


def failing(isg: ISG, app: App, clock: Clock, path: str, error: Exception) -> None:
    """A page whose second render fails."""
    Client(isg).get(path)
    app.broken[unquote(path)] = error
    with pytest.raises(Exception, match="could not be rendered"):
        isg.regenerate(path)


# Pages.


def test_pages_are_found_by_path_tag_and_state(owner: Client, isg: ISG, clock: Clock) -> None:
    for path in ("/posts/1", "/posts/20", "/"):
        Client(isg).get(path)
    clock.now += 30
    for query, paths in (
        ("", ["/", "/posts/1", "/posts/20"]),
        ("path=/posts/", ["/posts/1", "/posts/20"]),
        ("path=/posts/2", ["/posts/20"]),
        ("path=STS", ["/posts/1", "/posts/20"]),
        ("prefix=/posts/1", ["/posts/1"]),
        ("tag=posts", ["/posts/1", "/posts/20"]),
        ("tag=nobodys", []),
        ("state=stale", ["/"]),
        ("state=fresh&path=0", ["/posts/20"]),
    ):
        found = owner.get(f"/_isg/pages?{query}", headers=BEARER).get_json()
        assert [page["path"] for page in found["pages"]] == paths, query
        text = owner.get(f"/_isg/pages?{query}").text
        assert all(f'value="{path}"' in text for path in paths)


def test_purged_pages_are_not_listed(owner: Client, isg: ISG) -> None:
    for path in ("/posts/1", "/posts/2"):
        Client(isg).get(path)
    isg.purge_path("/posts/1")
    found = owner.get("/_isg/pages", headers=BEARER).get_json()["pages"]
    assert [page["path"] for page in found] == ["/posts/2"]


def test_a_long_list_is_paged_without_gaps_or_repeats(
    make: Callable[..., ISG], tmp_path: object
) -> None:
    isg = make(store=f"file:{tmp_path}/store", backend_timeout=30.0)
    visitor = Client(isg)
    paths = sorted(f"/posts/{number}" for number in range(120))
    for path in paths:
        visitor.get(path)
    seen, query = [], {}
    for _ in range(3):
        found = visitor.get("/_isg/pages", query_string=query, headers=BEARER).get_json()
        seen += [page["path"] for page in found["pages"]]
        query = found["next"]
    assert (seen, query) == (paths, None)


def test_the_chosen_pages_are_acted_on(owner: Client, isg: ISG, app: App) -> None:
    for path in ("/posts/1", "/posts/2", "/posts/3"):
        Client(isg).get(path)
    renders = app.renders
    text = act(owner, "/pages", verb="regenerate", path=["/posts/1", "/posts/2"]).text
    assert "Regenerated 2 pages." in text
    assert app.renders == renders + 2
    assert "Regenerated" not in owner.get("/_isg/pages").text
    act(owner, "/pages", verb="revalidate", path="/posts/1")
    act(owner, "/pages", verb="purge", path="/posts/2")
    assert cache(isg, "/posts/1") == "STALE"
    assert cache(isg, "/posts/2") == "REVALIDATED"
    assert cache(isg, "/posts/3") == "HIT"


def test_everything_with_a_tag_or_below_a_path_is_acted_on(owner: Client, isg: ISG) -> None:
    for form in ({"tag": "posts"}, {"below": "/posts/"}):
        Client(isg).get("/posts/1")
        act(owner, "/pages", verb="purge", **form)
        assert cache(isg, "/posts/1") == "REVALIDATED"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"verb": "regenerate"}, "Choose a page first"),
        ({"verb": "explode", "path": "/posts/1"}, "no such verb"),
        ({"verb": "purge", "path": "//evil.example/"}, "not a local path"),
        ({"verb": "regenerate", "path": [f"/posts/{n}" for n in range(11)]}, "At most 10"),
        ({"verb": "purge", "below": "/posts"}, "ends in a slash"),
        ({"verb": "regenerate", "tag": "posts"}, "Only single pages"),
        ({"verb": "purge", "route": "nobody's"}, "no declared route"),
    ],
)
def test_what_cannot_be_done_is_said(owner: Client, form: dict[str, Any], said: str) -> None:
    assert said in act(owner, "/pages", **form).text


def test_actions_need_their_token_and_their_origin(owner: Client, isg: ISG) -> None:
    Client(isg).get("/posts/1")
    token = token_of(owner.get("/_isg/pages"))
    form = {"verb": "purge", "path": "/posts/1"}
    for more, headers in (
        ({}, {}),
        ({"token": "x"}, {}),
        ({"token": token}, {"Origin": "https://evil.example"}),
        ({"token": token}, {"Sec-Fetch-Site": "cross-site"}),
    ):
        for path in ("/pages", "/page", "/routes", "/why"):
            answer = owner.post(f"/_isg{path}", data={**form, **more}, headers=headers)
            assert answer.status_code == 403
    assert cache(isg, "/posts/1") == "HIT"


def test_actions_are_logged_with_the_peer(
    owner: Client, isg: ISG, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "isgware")
    token = token_of(owner.get("/_isg/pages"))
    for form in ({"path": "/posts/1"}, {"tag": "a\nb"}, {"below": "/posts/"}):
        form |= {"token": token, "verb": "purge"}
        owner.post("/_isg/pages", data=form, environ_overrides={"REMOTE_ADDR": "192.0.2.99"})
    said = [line for line in caplog.messages if line.startswith("Dashboard: 192.0.2.99 asked")]
    assert said == [
        "Dashboard: 192.0.2.99 asked: purge path /posts/1",
        "Dashboard: 192.0.2.99 asked: purge tag a\\nb",
        "Dashboard: 192.0.2.99 asked: purge below /posts/",
    ]


# One page.


def test_a_page_is_described(owner: Client, isg: ISG) -> None:
    Client(isg).get("/posts/1")
    text = owner.get("/_isg/page?path=/posts/1").text
    for said in ("fresh", "revalidate=60", "all-posts", "Cache-Control", "s-maxage=60", "identity"):
        assert said in text
    found = owner.get("/_isg/page?path=/posts/1", headers=BEARER).get_json()["page"]
    assert (found["state"], found["route"], found["status"]) == ("fresh", "/posts/<id>", 200)
    assert ["X-ISG-Cache", "HIT"] in found["headers"]


def test_a_failing_page_says_why(owner: Client, isg: ISG, app: App, clock: Clock) -> None:
    failing(isg, app, clock, "/posts/1", ValueError(f"no {PROBE}"))
    found = owner.get("/_isg/page?path=/posts/1", headers=BEARER).get_json()["page"]
    assert (found["state"], found["failures"]) == ("failing", 1)
    assert "ValueError" in found["last_error"]
    assert PROBE not in owner.get("/_isg/page?path=/posts/1").text
    overview = owner.get("/_isg/", headers=BEARER).get_json()
    assert [concern["path"] for concern in overview["concerns"]] == ["/posts/1"]


def test_a_page_that_is_not_stored_can_be_rendered(owner: Client, isg: ISG) -> None:
    assert "Nothing is stored" in owner.get("/_isg/page?path=/posts/7").text
    act(owner, "/page", verb="regenerate", path="/posts/7")
    assert cache(isg, "/posts/7") == "HIT"


def test_a_stored_page_is_shown_in_a_sandbox(owner: Client, isg: ISG) -> None:
    Client(isg).get("/posts/1")
    key = owner.get("/_isg/page?path=/posts/1", headers=BEARER).get_json()["page"]["key"]
    answer = owner.get(f"/_isg/page/stored?path=/posts/1&key={key}")
    assert answer.text == "<h1>render 1</h1>"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "allow-" not in policy
    assert answer.headers["Content-Type"] == "text/html"
    assert Client(isg).get(f"/_isg/page/stored?key={key}").status_code == 401
    isg.purge_path("/posts/1")
    assert owner.get(f"/_isg/page/stored?path=/posts/1&key={key}").status_code == 404


def test_a_page_is_compared_with_its_version_before_and_goes_back_to_it(
    owner: Client, isg: ISG, clock: Clock
) -> None:
    Client(isg).get("/posts/1?a=1")
    clock.now += 5
    isg.regenerate("/posts/1?a=1")
    found = owner.get("/_isg/page?path=/posts/1", headers=BEARER).get_json()
    (version,), key = found["versions"], found["page"]["key"]
    query = {"path": "/posts/1", "key": key, "version": version["version"]}
    diff = owner.get("/_isg/page/diff", query_string=query)
    assert "<del>-" in diff.text
    assert "render 1" in diff.text
    assert "<h1>render" not in diff.text
    for number in (77, "x", "", "9" * 5_000, "\u0661"):
        asked = query | {"version": number}
        assert owner.get("/_isg/page/diff", query_string=asked).status_code == 400
    assert owner.get("/_isg/page/diff", query_string=query | {"key": "x"}).status_code == 400
    form = {"path": found["page"]["named"], "host": "localhost", "variant": ""}
    said = act(owner, "/page", verb="restore", version=str(version["version"]), **form)
    assert f"is version {version['version']} again" in said.text
    assert Client(isg).get("/posts/1?a=1").text == "<h1>render 1</h1>"
    for number in ("x", "9" * 5_000, "\u0661"):
        said = act(owner, "/page", verb="restore", version=number, **form)
        assert "no such version" in said.text


def test_documents_that_are_none_say_nothing(browser: Client) -> None:
    for document in ("[" * 60_000, "[]", "{", "1"):
        asked = {"data": document, "content_type": "application/json"}
        answer = browser.post("/_isg/why", headers=BEARER, **asked)
        assert (answer.status_code, answer.get_json()["why"]) == (200, None)


@pytest.mark.parametrize("path", ["", "x", "//evil.example", "/../x"])
def test_what_is_no_path_is_no_page(owner: Client, path: str) -> None:
    assert owner.get("/_isg/page", query_string={"path": path}).status_code == 400


# Routes.


def test_routes_tell_how_they_do(owner: Client, isg: ISG) -> None:
    visitor = Client(isg)
    for path in ("/posts/1", "/posts/1", "/posts/2", "/basket", "/basket"):
        visitor.get(path)
    found = {
        line["name"]: line for line in owner.get("/_isg/routes", headers=BEARER).json["routes"]
    }
    post = found["/posts/<id>"]
    assert (post["requests"], post["pages"], post["renders"]) == (3, 2, 2)
    assert post["hit_ratio"] == pytest.approx(1 / 3)
    assert post["p50"] > 0
    assert "revalidate=60" in post["policy"]
    assert found["/basket"]["reason"] == "set-cookie"
    assert found["/basket"]["remedy"]


def test_routes_are_sorted_and_searched(owner: Client, isg: ISG) -> None:
    for path in ("/posts/1", "/posts/1", "/"):
        Client(isg).get(path)

    def names(query: str) -> list[str]:
        lines = owner.get(f"/_isg/routes?{query}", headers=BEARER).get_json()["routes"]
        return [line["name"] for line in lines if line["declared"]]

    assert names("") == ["/posts/<id>", "/", "/basket"]
    assert names("order=asc")[-1] == "/posts/<id>"
    assert names("sort=name") == ["/", "/basket", "/posts/<id>"]
    assert names("q=OST") == ["/posts/<id>"]
    assert names("sort=nonsense&order=nonsense") == names("")
    assert 'aria-sort="descending"' in owner.get("/_isg/routes").text


@pytest.mark.parametrize(("verb", "after"), [("revalidate", "STALE"), ("purge", "REVALIDATED")])
def test_a_route_is_acted_on_and_no_other(owner: Client, isg: ISG, verb: str, after: str) -> None:
    for path in ("/posts/1", "/posts/2", "/"):
        Client(isg).get(path)
    text = act(owner, "/routes", verb=verb, route="/posts/<id>").text
    assert "all pages of /posts/&lt;id&gt;" in text
    assert [cache(isg, path) for path in ("/posts/1", "/posts/2", "/")] == [after, after, "HIT"]


def test_a_route_reaches_pages_that_were_stored_under_another_name(owner: Client, isg: ISG) -> None:
    """It was renamed since, or an earlier release stored them."""
    Client(isg).get("/posts/1")
    store = isg.runtime.store.backend
    key = next(isg.runtime.catalogue.listed("/posts/1"))[0].key
    entry = isg.runtime.catalogue.entry(key)
    assert entry is not None
    renamed = replace(entry, route="as_it_was", order=entry.order + 1)
    store.put(row_of(renamed), encode(renamed), 0.0)
    isg.runtime.memory.discard(key)
    act(owner, "/routes", verb="purge", route="/posts/<id>")
    assert cache(isg, "/posts/1") == "REVALIDATED"


def test_a_route_is_acted_on_that_a_pattern_for_several_declares() -> None:
    app = Flask("shop")
    app.get("/posts/<int:id>")(lambda id: "post")
    app.get("/posts/<int:id>/more", endpoint="more")(lambda id: "more")
    routes = {"/<path:any>": Policy(revalidate=60)}
    isg = FlaskISG(app, store="memory:", routes=routes, secret=SECRET, enabled=True)
    for path in ("/posts/1", "/posts/1/more"):
        Client(app).get(path)
    owner = Client(app)
    log_in(owner)
    act(owner, "/routes", verb="purge", route="more")
    found = [Client(app).get(path).headers["X-ISG-Cache"] for path in ("/posts/1", "/posts/1/more")]
    assert found == ["HIT", "REVALIDATED"]
    isg.close(0)


# Why.


def test_why_goes_step_by_step(owner: Client, isg: ISG) -> None:
    Client(isg).get("/posts/1")
    text = act(owner, "/why", url="http://localhost/posts/1?utm_source=x&a=1", cookies="a=1").text
    for said in ("MISS", "/posts/&lt;id&gt;", "utm_source=x", "nothing is stored under this key"):
        assert said in text
    found = owner.post("/_isg/why", json={"path": "/posts/1"}, headers=BEARER).get_json()
    assert found["why"]["outcome"] == "HIT"


def test_what_is_asked_is_not_taken_from_a_url(owner: Client) -> None:
    assert "Step by step" not in owner.get("/_isg/why?url=/posts/1").text


@pytest.mark.parametrize(
    "form", [{"url": "x"}, {"url": "/x", "method": "BREW"}, {"url": "/x", "headers": "nonsense"},
             {"url": "http://[x/"}]
)  # fmt: skip
def test_what_cannot_be_asked_is_said(owner: Client, form: dict[str, str]) -> None:
    token = token_of(owner.get("/_isg/why"))
    assert owner.post("/_isg/why", data={"token": token, **form}).status_code == 400


# Text is text.


def test_nothing_of_visitors_or_apps_becomes_markup(
    make: Callable[..., ISG], app: App, clock: Clock
) -> None:
    app.tags = [PROBE]
    isg = make(routes={"/<path:p>": Policy(revalidate=60, vary=["X-Probe"])})
    visitor = Client(isg)
    path = "/a" + PROBE.replace("?", "")
    assert visitor.get(path, headers={"X-Probe": PROBE}).status_code == 200
    failing(isg, app, clock, path.replace("<", "%3C").replace(">", "%3E"), ValueError(PROBE))
    owner = Client(isg)
    log_in(owner)
    texts = [
        owner.get(url, query_string=query).text
        for url, query in (
            ("/_isg/", {}),
            ("/_isg/routes", {"q": PROBE}),
            ("/_isg/pages", {"path": PROBE, "tag": PROBE}),
            ("/_isg/pages", {}),
            ("/_isg/page", {"path": path}),
            ("/_isg/login", {"link": PROBE}),
        )
    ]
    form = {"url": path, "headers": f"X-Probe: {PROBE}", "cookies": f"a={PROBE}"}
    texts.append(act(owner, "/why", **form).text)
    texts.append(act(owner, "/pages", verb="purge", tag=PROBE).text)
    texts.append(act(owner, "/pages", verb="regenerate", path=PROBE).text)
    for text in texts:
        assert "<img" not in text
        assert 'alert(1)>"' not in text
    assert any("&lt;img" in text for text in texts)


def test_what_cannot_be_seen_is_written_as_an_escape(owner: Client, isg: ISG) -> None:
    Client(isg).get("/posts/a\u202eb")
    text = owner.get("/_isg/pages").text
    assert "\u202e" not in text.replace('value="/posts/a\u202eb"', "")
    assert "\\u202e" in text


def test_the_last_renders_are_told_with_who_asked_for_them(
    owner: Client, isg: ISG, app: App, clock: Clock
) -> None:
    Client(isg).get("/posts/1")
    for _ in range(6):
        clock.now += 1
        isg.regenerate("/posts/1")
    app.renders -= 1  # as it was
    isg.regenerate("/posts/1")
    app.broken["/posts/1"] = ValueError("out of stock")
    with pytest.raises(RegenerationError):
        isg.regenerate("/posts/1")
    found = owner.get("/_isg/page?path=/posts/1", headers=BEARER).get_json()["renders"]
    assert [(render["found"], render["by"]) for render in found] == [
        ("failed", "regenerate"), ("unchanged", "regenerate"), *[("changed", "regenerate")] * 4,
    ]  # fmt: skip
    assert "out of stock" in found[0]["error"]
    assert found[0]["seconds"] > 0
    text = owner.get("/_isg/page?path=/posts/1").text
    assert "a call of regenerate" in text
    clock.now += 1
    del app.broken["/posts/1"]
    isg.regenerate("/posts/1")
    clock.now += 3_600
    said = owner.get("/_isg/page?path=/posts/1", headers=BEARER).get_json()
    assert [render["found"] for render in said["renders"]][:3] == ["changed", "failed", "unchanged"]
    assert "out of stock" in said["renders"][1]["error"]
    assert said["page"]["failures"] == 0
    assert "out of stock" in owner.get("/_isg/page?path=/posts/1").text


def test_an_exception_that_flask_turned_into_a_500_is_told_with_its_last_line() -> None:
    app = Flask("shop")
    isg = FlaskISG(app, store="memory:", secret=SECRET)
    broken = []

    @app.get("/stock")
    @revalidate(60)
    def stock() -> str:
        if broken:
            raise ConnectionError("the warehouse does not answer")
        return "stock"

    client = app.test_client()
    client.get("/stock")
    broken.append(True)
    with pytest.raises(RegenerationError):
        isg.regenerate("/stock")
    page = client.get("/_isg/page?path=/stock", headers=BEARER).get_json()["page"]
    assert page["last_error"].startswith(
        "status 500 INTERNAL SERVER ERROR; ConnectionError: the warehouse does not answer ("
    )
    assert page["last_error"].endswith(': raise ConnectionError("the warehouse does not answer"))')
    isg.close(0)


def test_a_dependency_is_searched_for_where_pages_know_theirs(owner: Client) -> None:
    answer = owner.get("/_isg/pages?dependency=blog.Post:5")
    assert answer.status_code == 400
    assert "dependencies=True" in answer.text
    assert "Depends on" not in owner.get("/_isg/pages").text


def test_while_the_store_is_away_the_dashboard_says_so(
    make: Callable[..., ISG], monkeypatch: pytest.MonkeyPatch
) -> None:
    isg = make(probe_interval=999.0)
    owner = Client(isg)
    log_in(owner)

    def gone(*_: object, **__: object) -> None:
        raise OSError("gone")

    backend = isg.runtime.store.backend
    for name in ("get", "put", "rows", "read_note", "write_note", "sync", "counts", "ping",
                 "counts_between", "add_counts", "invalidate", "queued"):  # fmt: skip
        monkeypatch.setattr(backend, name, gone)
    assert "The store has been out of reach" in owner.get("/_isg/").text
    assert owner.get("/_isg/routes").status_code == 200
    assert owner.get("/_isg/pages").status_code == 503
    token = token_of(owner.get("/_isg/why"))
    form = {"token": token, "verb": "purge", "path": "/posts/1", "back": "/routes"}
    assert "out of reach" in owner.post("/_isg/page", data=form, follow_redirects=True).text
    assert owner.post("/_isg/logout", data={"token": token}).status_code == 303
    assert owner.get("/_isg/").status_code == 401
