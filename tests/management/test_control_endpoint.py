"""The control endpoint: who is let in, what is understood, what is done."""

import hmac
import json
import logging

import pytest
from werkzeug.test import Client

from isgware import ISG, Policy, page
from isgware.dashboard.app import login_link
from isgware.errors import ConfigurationError

SECRET = "correct horse battery"
BEARER = {"Authorization": f"Bearer {SECRET}"}


class App:
    """Counts renders; ``broken`` makes pages fail."""

    def __init__(self):
        self.renders = 0
        self.broken = False

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"].startswith("/_isg"):
            start_response("404 NOT FOUND", [("Content-Type", "text/plain")])
            return [b"the app's own"]
        self.renders += 1
        page.tag("all-posts")
        line = "500 INTERNAL SERVER ERROR" if self.broken else "200 OK"
        start_response(line, [("Content-Type", "text/plain")])
        return [f"render {self.renders}".encode()]


@pytest.fixture
def app():
    return App()


@pytest.fixture
def site(app):
    isg = ISG(app, store="memory:", secret=SECRET, routes={"/posts/<id>": Policy(revalidate=60)})
    yield Client(isg, use_cookies=False)
    isg.close(0)


def cache(site, path="/posts/1"):
    return site.get(path).headers["X-ISG-Cache"]


@pytest.mark.parametrize("path", ["/posts/1", "/shop/posts/1", "/posts/*", "/posts/1?a=1"])
@pytest.mark.parametrize("mode", ["purge", "revalidate"])
def test_a_path_may_leave_out_where_the_app_is_mounted(site, path, mode):
    shop = {"environ_overrides": {"SCRIPT_NAME": "/shop"}}
    for _ in range(2):
        before = site.get("/posts/1?a=1", **shop).headers["X-ISG-Cache"]
    assert before == "HIT"
    data = {"path": path, "mode": mode}
    assert site.post("/_isg/revalidate", data=data, headers=BEARER, **shop).status_code == 200
    after = {"purge": "REVALIDATED", "revalidate": "STALE"}[mode]
    assert site.get("/posts/1?a=1", **shop).headers["X-ISG-Cache"] == after


def test_without_a_secret_there_is_no_endpoint(app):
    site = Client(ISG(app, store="memory:", revalidate=60))
    assert site.post("/_isg/revalidate", data={"tag": "x"}).text == "the app's own"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, ""),
        ({"Authorization": "Bearer wrong"}, ""),
        ({"Authorization": "Bearer "}, ""),
        ({"Authorization": "Bearer"}, ""),
        ({"Authorization": f"Basic {SECRET}"}, ""),
        ({"Authorization": "Bearer \xff\xfe"}, ""),
        ({"Authorization": f"Bearer {SECRET}x"}, ""),
        ({}, "secret="),
        ({}, "secret=wrong"),
        ({}, "secret=%ff%fe"),
        ({}, "secret=%F0%9F%90%B4"),
    ],
    ids=lambda value: repr(value)[:40],
)
@pytest.mark.parametrize("path", ["/_isg/revalidate", "/_isg/draft", "/_isg/", "/_isg/nothing"])
def test_nothing_is_said_without_the_secret(site, app, path, headers, query):
    answer = site.post(path, headers=headers, query_string=query, data={"path": "/posts/1"})
    assert answer.status_code == 401
    assert answer.get_json() == {"message": "Invalid token"}
    assert app.renders == 0


@pytest.mark.parametrize(
    "how",
    [
        {"headers": BEARER, "data": {"path": "/posts/1"}},
        {"headers": BEARER, "query_string": "path=/posts/1"},
        {"headers": BEARER, "json": {"path": "/posts/1"}},
        {"query_string": "secret=correct%20horse%20battery&path=/posts/1"},
        {"headers": {"Authorization": f"bearer  {SECRET}"}, "data": {"path": "/posts/1"}},
    ],
    ids=["form", "query", "json", "webhook", "lower-case scheme"],
)
def test_a_path_is_regenerated(site, app, how):
    cache(site)
    answer = site.post("/_isg/revalidate", **how)
    assert answer.status_code == 200
    assert answer.get_json()["revalidated"] is True
    assert app.renders == 2
    assert site.get("/posts/1").text == "render 2"
    assert cache(site) == "HIT"


def test_a_page_nobody_visited_yet_is_rendered_for_the_host_that_asks(site, app):
    assert (
        site.post("/_isg/revalidate", headers=BEARER, data={"path": "/posts/9"}).status_code == 200
    )
    assert cache(site, "/posts/9") == "HIT"


def test_a_tag_is_revalidated_softly_unless_told(site):
    cache(site)
    site.post("/_isg/revalidate", headers=BEARER, data={"tag": "all-posts"})
    assert cache(site) == "STALE"


@pytest.mark.parametrize(
    "given", [{"tag": "all-posts"}, {"path": "/posts/1"}, {"path": "/posts/*"}]
)
def test_purge_is_hard(site, given):
    cache(site)
    site.post("/_isg/revalidate", headers=BEARER, data={**given, "mode": "purge"})
    assert cache(site) == "REVALIDATED"


def test_several_names_at_once(site):
    cache(site)
    body = {"tag": ["all-posts", "other"], "path": ["/posts/1", "/posts/2"], "mode": "revalidate"}
    answer = site.post("/_isg/revalidate", headers=BEARER, json=body)
    assert answer.get_json() == {
        "revalidated": True,
        "paths": ["/posts/1", "/posts/2"],
        "tags": ["all-posts", "other"],
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"path": ""},
        {"path": "posts/1"},
        {"path": "//evil.example/"},
        {"path": "https://evil.example/posts/1"},
        {"path": "/../etc/passwd"},
        {"path": "/posts/%2e%2e/1"},
        {"path": "/posts/1\r\nX: y"},
        {"path": "/posts/%0d%0aX"},
        {"path": "/posts\\1"},
        {"path": "/_isg/revalidate"},
        {"path": "/_isg"},
        {"path": "/posts/*"},
        {"path": {"a": 1}},
        {"path": True},
        {"tag": ""},
        {"tag": "a\nb"},
        {"tag": "x", "mode": "regenerate"},
        {"path": "/posts/1", "mode": "explode"},
        {"path": "/posts/1", "mode": ["purge", "revalidate"]},
        {"tag": [f"t{n}" for n in range(1001)]},
    ],
    ids=lambda body: repr(body)[:50],
)
def test_what_cannot_be_meant_is_refused_and_nothing_done(site, app, body):
    cache(site)
    answer = site.post("/_isg/revalidate", headers=BEARER, json=body)
    assert answer.status_code == 400
    assert answer.get_json()["message"]
    assert (cache(site), app.renders) == ("HIT", 1)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"{", "application/json"),
        (b"[1]", "application/json"),
        (b'{"path": ' + b"[" * 60_000, "application/json"),
        (b'{"path": ' + b"9" * 60_000 + b"}", "application/json"),
        (b"a=" + b"x" * 70_000, None),
    ],
    ids=["no JSON", "no object", "too deep", "too long a number", "too large"],
)
def test_a_body_that_is_not_what_it_says_is_refused(site, data, kind):
    kind = kind or "application/x-www-form-urlencoded"
    answer = site.post("/_isg/revalidate", headers=BEARER, data=data, content_type=kind)
    assert answer.status_code == 400


@pytest.mark.parametrize("size", [64 * 1024 + 1, 1_000_000])
def test_a_body_that_is_too_large_is_not_read(site, size):
    given = {"tag": "t", "padding": "x" * size}
    assert site.post("/_isg/revalidate", headers=BEARER, data=given).status_code == 400
    assert site.post("/_isg/revalidate", headers=BEARER, json=given).status_code == 400


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_post_does_anything(site, app, method):
    answer = site.open("/_isg/revalidate?path=/posts/1", method=method, headers=BEARER)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert app.renders == 0


def test_a_render_that_fails_is_a_500_and_the_old_page_stays(site, app):
    cache(site)
    app.broken = True
    answer = site.post("/_isg/revalidate", headers=BEARER, data={"path": "/posts/1"})
    assert answer.status_code == 500
    assert answer.get_json() == {"message": "Error revalidating"}
    assert site.get("/posts/1").text == "render 1"


def test_a_store_out_of_reach_is_told(app):
    isg = ISG(app, store="memory:", secret=SECRET, revalidate=60)

    def fail(names, hard):
        raise OSError("gone")

    isg.runtime.engine.page_store.backend.backend.invalidate = fail
    answer = Client(isg).post("/_isg/revalidate", headers=BEARER, data={"tag": "x"})
    isg.close(0)
    assert answer.status_code == 503


def test_answers_are_never_kept(site):
    answer = site.post("/_isg/revalidate", headers=BEARER, data={"tag": "x"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "X-ISG-Cache" not in answer.headers


def test_the_secret_is_in_no_log(site, caplog, app):
    caplog.set_level(logging.DEBUG)
    app.broken = True
    for secret in (SECRET, "guess"):
        site.post(f"/_isg/revalidate?secret={secret}", data={"path": "/posts/1"})
    assert SECRET not in caplog.text
    assert "guess" not in caplog.text


def test_secrets_are_compared_in_a_time_that_tells_nothing(site, monkeypatch):
    compared, compare = [], hmac.compare_digest
    monkeypatch.setattr(
        hmac, "compare_digest", lambda *both: compared.append(both) or compare(*both)
    )
    for secret in (SECRET, "guess"):
        site.post(f"/_isg/revalidate?secret={secret}", data={"tag": "x"})
    assert compared == [(secret.encode(), SECRET.encode()) for secret in (SECRET, "guess")]


def test_a_short_secret_opens_the_endpoint_and_no_dashboard(app, caplog):
    isg = ISG(app, store="memory:", secret="fifteen letters", revalidate=60)
    site, bearer = Client(isg), {"Authorization": "Bearer fifteen letters"}
    [record] = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "16 characters" in record.getMessage()
    answer = site.post("/_isg/revalidate", headers=bearer, data={"tag": "x"})
    assert answer.status_code == 200
    for path in ("/_isg/", "/_isg/login", "/_isg/pages"):
        assert site.get(path).status_code == 401
        closed = site.get(path, headers=bearer)
        assert (closed.status_code, "16 characters" in closed.json["message"]) == (403, True)
        page = site.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert (page.status_code, page.mimetype) == (403, "text/html")
        assert "closed" in page.text
        assert "16" not in page.text  # nor is a stranger told what to guess
    with pytest.raises(ConfigurationError, match="16 characters"):
        login_link(isg)
    isg.close(0)


def test_mount_moves_the_endpoint(app):
    isg = ISG(app, store="memory:", secret=SECRET, mount="/ops/cache", revalidate=60)
    site = Client(isg)
    assert site.post("/ops/cache/revalidate", headers=BEARER, data={"tag": "x"}).status_code == 200
    assert site.post("/_isg/revalidate", headers=BEARER, data={"tag": "x"}).text == "the app's own"
    assert site.get("/ops/cachet").headers.get("X-ISG-Cache") == "BYPASS"


@pytest.mark.parametrize(
    "secret", ["pâté-🐴, at the bottom", "the last one: voilà", "Å" * 16, " it is spaced well "]
)
@pytest.mark.parametrize("how", ["header", "query"])
def test_a_secret_beyond_ascii_opens(app, secret, how):
    """The last byte of "à" in UTF-8 is a space to Latin-1, which headers are read as."""
    isg = ISG(app, store="memory:", secret=secret, revalidate=60)
    if how == "header":
        given = {"headers": {"Authorization": "Bearer " + secret.encode().decode("latin-1")}}
        answer = Client(isg).post("/_isg/revalidate", data={"tag": "x"}, **given)
    else:
        query = {"secret": secret, "tag": "x"}
        answer = Client(isg).post("/_isg/revalidate", query_string=query)
    assert json.loads(answer.text)["revalidated"] is True


def test_what_was_asked_is_logged_with_the_peer_and_no_secret(site, caplog):
    caplog.set_level(logging.INFO, "isgware")
    peer = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.99"}}
    for data in ({"path": "/posts/1", "tag": "b", "mode": "purge"}, {"tag": "t"}):
        answer = site.post("/_isg/revalidate", headers=BEARER, data=data, **peer)
        assert answer.status_code == 200
    said = [line for line in caplog.messages if line.startswith("Control: 192.0.2.99")]
    assert said == [
        "Control: 192.0.2.99 asked: purge /posts/1, b",
        "Control: 192.0.2.99 asked: the default t",
    ]
    assert not [line for line in caplog.messages if SECRET in line]
