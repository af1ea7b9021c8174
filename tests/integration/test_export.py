"""The exported tree behind a real nginx, with the configuration of the documentation."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, redirect, request
from werkzeug.test import Client

import isgware.flask
from isgware import revalidate
from isgware.export.layout import MAX_URL
from tests.integration.nginx import Nginx, app_server
from tests.stores import running

LONG = "A page. " * 200
#: What would end a word, begin a variable or another directive in nginx's configuration.
HOSTILE = "default-src 'self'; report-uri /\"};$uri ${isgware_class} \\ \\n #x"


class World:
    def __init__(self, directory: Path) -> None:
        self.app = Flask("site")
        self.seen: list[str] = []
        self.version = "A"
        self.home_policy = HOSTILE
        self.isg = isgware.flask.ISG(
            self.app, store=f"file:{directory}/pages", enabled=True,
            base_url="https://www.example.com", backend_timeout=10,
        )  # fmt: skip
        self.tree = directory / "tree"
        self.client = Client(self.app, use_cookies=False)
        _views(self)

    def visit(self, *paths: str) -> None:
        for path in paths:
            self.client.get(path)

    def export(self) -> Any:
        return self.isg.export(self.tree)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.seen.append(environ["REQUEST_URI"])
        return self.app(environ, start_response)


def _views(world: World) -> None:
    app = world.app

    @app.route("/posts/<slug>", methods=["GET", "POST"])
    @revalidate(60, tags=["post:{slug}"])
    def post(slug: str) -> Response:
        answer = Response(f"{world.version} {slug} {LONG}", mimetype="text/html")
        answer.headers["Content-Language"] = "en"
        return answer

    @app.get("/posts/<slug>/<rest>")
    @app.get("/signs/<slug>")
    @revalidate(60)
    def signs(slug: str, rest: str = "") -> str:
        return slug

    @app.get("/")
    @revalidate(3600)
    def home() -> Response:
        answer = Response("<h1>Home</h1>", mimetype="text/html")
        answer.headers["Content-Security-Policy"] = world.home_policy
        return answer

    @app.get("/feed.xml")
    @revalidate(60)
    def feed() -> Response:
        return Response("<rss/>", content_type="application/rss+xml; charset=utf-8")

    @app.get("/api/<name>")
    @revalidate(60)
    def api(name: str) -> Response:
        return Response(f'{{"name": "{name}"}}', content_type="application/json")

    @app.get("/old")
    @revalidate(60)
    def old() -> Any:
        return redirect("/posts/a", 301)

    @app.get("/elsewhere")
    @revalidate(60)
    def elsewhere() -> Any:
        return redirect("https://other.example/$uri?a=b&c=d", 308)

    @app.get("/echo/<path:rest>")
    def echo(rest: str) -> str:
        return str(request.environ.get("REQUEST_URI"))


@contextlib.contextmanager
def served(directory: Path) -> Iterator[tuple[World, Nginx]]:
    """nginx in front of a world of which some pages are exported."""
    world = World(directory)
    world.visit("/posts/a", "/posts/%C3%A9t%C3%A9 $1", "/", "/feed.xml", "/api/x", "/api/y.json")
    world.visit("/old", "/elsewhere", "/posts/a?page=2")
    report = world.export()
    assert (report.left_out, report.redirects, report.reload) == ({"query": 1}, 2, True)
    with app_server(world) as port, running(Nginx(world.tree, port)) as nginx:
        yield world, nginx
        said = nginx.said()
    world.isg.close(0)
    assert not re.search(r"\[(warn|error|crit|alert|emerg)\]", said), said


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Nginx]]:
    """For tests that change nothing in the tree."""
    with served(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def port(kept: tuple[World, Nginx]) -> int:
    return kept[1].port


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[World, Nginx]]:
    with served(tmp_path) as site:
        yield site


def get(
    port: int, path: str, *, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers={"Host": "www.example.com", **fields})
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    names = [name.lower() for name, _ in answer.getheaders()]
    assert len(names) == len(set(names)), names
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


def from_file(answer: tuple[int, dict[str, str], bytes]) -> bool:
    return answer[0] in (200, 301, 308) and "x-isg-cache" not in answer[1]


def test_pages_are_served_from_files_with_their_headers(port: int) -> None:
    status, headers, body = get(port, "/posts/a")
    assert (status, body) == (200, f"A a {LONG}".encode())
    assert "x-isg-cache" not in headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-language"] == "en"
    assert headers["cache-control"].startswith("public, max-age=0, s-maxage=60")
    assert headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in headers
    again = get(port, "/posts/a", If_None_Match=headers["etag"])
    assert again[0] == 304
    assert get(port, "/posts/a", method="HEAD")[1]["content-length"] == str(len(body))
    assert get(port, "/posts/a", Range="bytes=0-1")[2] == b"A "
    several = get(port, "/posts/a", Range="bytes=0-1,4-5")
    assert several[1]["content-type"] == "text/html; charset=utf-8"
    assert from_file(get(port, "/posts/%C3%A9t%C3%A9%20$1"))
    assert get(port, "/")[1]["content-security-policy"] == HOSTILE


def test_stored_encodings_are_sent(port: int) -> None:
    _, headers, body = get(port, "/posts/a", Accept_Encoding="gzip")
    assert headers["content-encoding"] == "gzip"
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert gzip.decompress(body) == f"A a {LONG}".encode()
    assert "x-isg-cache" not in headers


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/feed.xml", "application/rss+xml; charset=utf-8"),
        ("/api/x", "application/json"),
        ("/api/y.json", "application/json"),
    ],
)
def test_what_is_not_html_has_its_own_type(port: int, path: str, kind: str) -> None:
    answer = get(port, path)
    assert from_file(answer)
    assert answer[1]["content-type"] == kind


def test_redirects_are_sent(port: int) -> None:
    status, headers, _ = get(port, "/old")
    assert (status, headers["location"]) == (301, "/posts/a")
    assert headers["cache-control"].startswith("public, max-age=0")
    status, headers, _ = get(port, "/elsewhere")
    assert (status, headers["location"]) == (308, "https://other.example/$uri?a=b&c=d")
    assert "x-isg-cache" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/posts/a?page=2", "/posts/a?", "/posts/a?utm_source=x", "/posts/a/", "/posts/A",
        "//posts/a", "/posts/./a", "/posts/x/../a", "/posts%2Fa", "/posts/a/index.html",
        "/index.html", "/unknown", "/.isgware-export/manifest", "/_headers", "/OLD", "/old?x=1",
        "/.isgware-export/nginx-maps.conf", "/posts/a/index.html.gz", "/posts/b",
    ],
)  # fmt: skip
def test_every_other_spelling_is_the_apps(kept: tuple[World, Nginx], path: str) -> None:
    world, nginx = kept
    world.seen.clear()
    get(nginx.port, path)
    assert world.seen == [path.replace("//", "/")]  # Python's own server joins slashes


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {}),
        ("DELETE", {}),
        ("GET", {"Authorization": "Bearer x"}),
        ("GET", {"Cookie": "a=1; isgware_draft=x"}),
    ],
)
def test_requests_that_are_somebodys_are_the_apps(
    port: int, method: str, headers: dict[str, str]
) -> None:
    answer = get(port, "/posts/a", method=method, **headers)
    assert not from_file(answer)


def test_cookies_that_do_not_count_do_not_matter(port: int) -> None:
    assert from_file(get(port, "/posts/a", Cookie="sessionid=x; theme=dark"))


def test_the_app_is_asked_as_the_client_asked(port: int) -> None:
    assert get(port, "/echo/a%2Fb%20c?x=%2F")[2] == b"/echo/a%2Fb%20c?x=%2F"


def test_a_purged_page_is_the_apps_after_an_export(site: tuple[World, Nginx]) -> None:
    world, nginx = site
    world.isg.purge_path("/posts/a")
    assert world.export().removed == 1
    assert not from_file(get(nginx.port, "/posts/a"))  # nginx still knows it, the file is gone
    nginx.reload()
    assert not from_file(get(nginx.port, "/posts/a"))
    assert world.export().written == 1  # the visits have stored it again
    nginx.reload()
    assert from_file(get(nginx.port, "/posts/a"))


def test_new_pages_are_files_after_a_reload(site: tuple[World, Nginx]) -> None:
    world, nginx = site
    world.visit("/posts/new")
    assert world.export().reload
    assert not from_file(get(nginx.port, "/posts/new"))
    nginx.reload()
    assert from_file(get(nginx.port, "/posts/new"))
    assert not world.export().reload


def test_new_content_needs_no_reload(site: tuple[World, Nginx]) -> None:
    world, nginx = site
    before = get(nginx.port, "/posts/a")
    world.version = "B"
    world.isg.regenerate("/posts/a")
    report = world.export()
    assert (report.written, report.reload) == (1, False)
    after = get(nginx.port, "/posts/a")
    assert from_file(after)
    assert (before[2][:1], after[2][:1]) == (b"A", b"B")
    assert len(before[2]) == len(after[2])
    assert before[1]["etag"] != after[1]["etag"]


def test_nginx_reads_whatever_maps_can_hold(tmp_path: Path) -> None:
    """The longest URL, the longest value, and each sign that means something in its language."""
    world = World(tmp_path)
    longest = "/posts/" + "x" * 235 + "/" + "y" * 237
    signs = "/signs/%22'%7B%7D;%23~$uri*:@%5E%7C"
    world.home_policy = "default-src " + "$" * 93 + '"' * 40
    world.visit("/", longest, signs)
    report = world.export()
    assert report.written == 3
    assert len(longest) == MAX_URL
    with app_server(world) as port, running(Nginx(world.tree, port)) as nginx:
        assert get(nginx.port, "/")[1]["content-security-policy"] == world.home_policy
        assert from_file(get(nginx.port, "/"))
        assert from_file(get(nginx.port, longest))
        assert from_file(get(nginx.port, signs))
    world.isg.close(0)
