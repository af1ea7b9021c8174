"""Which pages become files, and what a second export does to the first one's."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, abort, redirect, request, session
from werkzeug.test import Client

import isgware.flask
from isgware import (
    ISG,
    BackendUnavailable,
    ConfigurationError,
    ExportReport,
    Policy,
    connect,
    hole,
    holes,
    page,
    revalidate,
)
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.export import export_app
from isgware.export.choice import REMEDIES
from isgware.routing.framework import Site as WSGISite
from isgware.testing import FakeClock
from tests.flask.test_client_holes import asks

PADDING = "word " * 200


class Site:
    """A Flask app with pages of many kinds."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.clock = FakeClock()
        self.text = "one"
        self.headers: dict[str, str] = {}
        self.app = Flask("site")
        self.app.secret_key = "not a secret"
        _views(self)
        self.store = f"file:{directory}/pages"
        self.isg = isgware.flask.ISG(
            self.app,
            store=self.store,
            clock=self.clock,
            enabled=True,
            backend_timeout=10,
            **options,
        )
        self.client = Client(self.app, use_cookies=False)
        self.tree = directory / "tree"

    def visit(self, *paths: str, **options: Any) -> None:
        for path in paths:
            self.client.get(path, **options)

    def export(self, **options: Any) -> ExportReport:
        return self.isg.export(self.tree, **options)

    def files(self) -> set[str]:
        """Of the tree, what isgware keeps for itself aside."""
        found = {str(path.relative_to(self.tree)) for path in self.tree.rglob("*")}
        return {
            name
            for name in found
            if (self.tree / name).is_file() and not name.startswith((".isgware-export", "_"))
        }

    def maps(self) -> str:
        return (self.tree / ".isgware-export" / "nginx-maps.conf").read_text("latin-1")


def _views(site: Site) -> None:
    app = site.app

    @app.get("/posts/<slug>", strict_slashes=False)
    @app.get("/posts/<slug>/", strict_slashes=False)
    @revalidate(60, expire=600, tags=["post:{slug}"])
    def post(slug: str) -> Response:
        if slug == "none":
            abort(404)
        return Response(f"{slug} {site.text} {PADDING}", mimetype="text/html", headers=site.headers)

    @app.get("/old")
    @revalidate(60)
    def old() -> Any:
        return redirect("/posts/a", 301)

    @app.get("/soon")
    @revalidate(60)
    def soon() -> Any:
        return redirect("/posts/a", 302)

    @app.get("/language")
    @revalidate(60, vary={"Accept-Language": ["en", "fr"]})
    def language() -> str:
        return str(request.headers.get("Accept-Language"))

    @app.get("/learned")
    @revalidate(60)
    def learned() -> Response:
        return Response("x", headers={"Vary": "X-Colour"})

    @app.get("/members")
    @revalidate(60, bypass=["member"])
    def members() -> Response:
        return Response("x", headers={"Cache-Control": "public, s-maxage=60"})

    @app.get("/currency")
    @revalidate(60, vary=["cookie:currency"])
    def currency() -> str:
        return "x"

    @app.get("/hello")
    @revalidate(60)
    def hello() -> str:
        return f"Hello, {session.get('name', 'you')}"

    @app.get("/own")
    @revalidate(60)
    def own() -> Response:
        return Response("x", headers={"Cache-Control": "public, max-age=5"})

    @app.get("/fixed")
    @revalidate(60)
    def fixed() -> str:
        page.expire = 120
        return "x"

    @app.get("/maybe")
    @revalidate(60)
    def maybe() -> Response:
        return Response("x", headers={"Vary": "X-Colour"} if "colour" in request.args else {})


class Messages(WSGISite):
    """As Django's, whose visitors with pending messages bypass."""

    bypass_cookies = ("messages",)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.isg.close(0)


# What is exported.


def test_a_page_is_a_file_with_its_encodings(site: Site) -> None:
    site.visit("/posts/a")
    report = site.export()
    assert (report.written, report.unchanged, report.removed) == (1, 0, 0)
    file = site.tree / "posts" / "a" / "index.html"
    assert file.read_text() == f"a one {PADDING}"
    assert gzip.decompress(file.with_name("index.html.gz").read_bytes()) == file.read_bytes()
    assert site.files() == {
        "posts/a/index.html", "posts/a/index.html.gz", "posts/a/index.html.br"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/posts/a?page=2", "query"),
        ("/language", "variant"),
        ("/learned", "variant"),
        ("/members", "bypass"),
        ("/currency", "variant"),
        ("/hello", "cookie"),
        ("/posts/none", "status"),
        ("/soon", "status"),
        ("/posts/.hidden", "path"),
        ("/posts/index.html", "path"),
    ],
)
def test_what_is_not_everybodys_is_left_out(site: Site, path: str, reason: str) -> None:
    site.visit(path, path)
    assert list(site.isg.pages()), "the page is stored"
    report = site.export()
    assert report.left_out == {reason: 1}
    assert report.examples == {reason: [path]}
    assert site.files() == set()


@pytest.mark.parametrize(("query", "reason"), [("colour", "variant")])
def test_what_was_learned_of_a_url_counts_for_its_plain_page(
    site: Site, query: str, reason: str
) -> None:
    site.visit("/maybe")
    assert site.export().written == 1
    site.visit(f"/maybe?{query}=1")
    report = site.export()
    assert (report.left_out[reason], report.removed) == (1, 1)


def test_an_expired_page_is_left_out_and_a_stale_one_is_not(site: Site) -> None:
    site.visit("/posts/a", "/fixed")
    site.clock.advance(121)
    assert site.export().left_out == {"expired": 1}
    assert "posts/a/index.html" in site.files()
    assert "fixed/index.html" not in site.files()


def test_a_page_that_its_policy_no_longer_gives_to_everybody_is_left_out(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.visit("/posts/a", "/own")
    site.isg.close(0)
    policies = {"/posts/<slug>": isgware.Policy(bypass=["member"]), "/own": isgware.Policy()}
    changed = Site(tmp_path, routes=policies)
    assert changed.export().left_out == {"bypass": 1}
    changed.isg.close(0)


def test_a_page_whose_route_is_gone_is_left_out(site: Site, tmp_path: Path) -> None:
    site.visit("/posts/a")
    bare = Flask("bare")
    isg = isgware.flask.ISG(bare, store=site.store, clock=site.clock, enabled=True)
    assert isg.export(tmp_path / "other").left_out == {"dropped": 1}
    isg.close(0)


def test_a_redirect_is_in_the_maps(site: Site) -> None:
    site.visit("/old")
    report = site.export()
    assert (report.redirects, report.written, site.files()) == (1, 0, set())
    assert '"/old" "/posts/a";' in site.maps()
    assert (site.tree / "_redirects").read_text() == "/old /posts/a 301\n"


def test_two_pages_that_a_slash_tells_apart_are_never_one_file(site: Site) -> None:
    site.visit("/posts/a/")
    site.export()
    site.visit("/posts/a")
    report = site.export()
    assert (report.unchanged, report.left_out) == (1, {"clash": 1})
    assert '"/posts/a/" ' in site.maps()
    site.isg.purge_path("/posts/a/")
    # nginx may still take the file for the page with the slash: not in the same export.
    assert site.export().left_out == {"clash": 1}
    assert site.files() == set()
    assert site.export().written == 1
    assert '"/posts/a" ' in site.maps()
    assert '"/posts/a/" ' not in site.maps()


def test_a_store_without_an_app_is_exported_as_far_as_pages_tell(site: Site) -> None:
    site.visit("/posts/a", "/own", "/members", "/language")
    with connect(site.store, clock=site.clock, backend_timeout=10) as store:
        report = store.export(site.tree)
    assert report.left_out == {"needs-app": 2, "variant": 1}
    assert "posts/a/index.html" in site.files()
    assert "own/index.html" not in site.files()


def test_pages_of_one_site_only(site: Site) -> None:
    site.visit("/posts/a", base_url="https://one.example")
    site.visit("/posts/b", base_url="https://two.example")
    with pytest.raises(ConfigurationError, match=r"several sites .*--base-url"):
        site.export()
    report = site.export(base_url="https://two.example/")
    assert (report.site, report.written, report.left_out) == ("https://two.example", 1, {"site": 1})
    assert site.export().unchanged == 1  # the directory remembers
    with pytest.raises(ConfigurationError, match=r"holds the pages of https://two\.example"):
        site.export(base_url="https://one.example")


def test_pages_of_the_own_build_only(tmp_path: Path) -> None:
    site = Site(tmp_path, build_id="1")
    site.visit("/posts/a")
    site.isg.close(0)
    other = Site(tmp_path, build_id="2")
    other.visit("/posts/b")
    other.export()
    assert {name.split("/")[1] for name in other.files()} == {"b"}
    other.isg.close(0)


def test_cookies_that_a_framework_counts_are_passed_on(tmp_path: Path) -> None:
    isg = ISG(Flask("plain"), site=Messages(), store=f"file:{tmp_path}/pages", enabled=True)
    isg.export(tmp_path / "tree")
    maps = (tmp_path / "tree" / ".isgware-export" / "nginx-maps.conf").read_text()
    assert "(isgware_draft|messages)" in maps
    isg.close(0)


def test_switched_off_it_does_nothing(tmp_path: Path) -> None:
    isg = isgware.flask.ISG(Flask("off"), enabled=False, store=f"file:{tmp_path}/pages")
    assert isg.export(tmp_path / "tree").written == 0
    assert not (tmp_path / "tree").exists()


# The second time.


def test_unchanged_files_are_not_touched(site: Site) -> None:
    site.visit("/posts/a", "/posts/b")
    assert site.export().reload
    before = {name: (site.tree / name).stat() for name in site.files()}
    site.text = "two"
    site.isg.regenerate("/posts/b")
    report = site.export()
    assert (report.written, report.unchanged, report.reload) == (1, 1, False)
    for name, known in before.items():
        found = (site.tree / name).stat()
        if name.startswith("posts/a"):
            assert (found.st_ino, found.st_mtime_ns) == (known.st_ino, known.st_mtime_ns)
        else:
            assert int(found.st_mtime) > int(known.st_mtime)
    assert site.export(rewrite=True).written == 2


def test_a_file_that_is_missing_or_cut_is_written_again(site: Site) -> None:
    site.visit("/posts/a", "/posts/b", "/posts/c")
    site.export()
    (site.tree / "posts/a/index.html").unlink()
    (site.tree / "posts/b/index.html.gz").write_bytes(b"")
    assert site.export().written == 2
    assert gzip.decompress((site.tree / "posts/b/index.html.gz").read_bytes()).startswith(b"b ")


def test_what_is_purged_is_removed_with_its_directories(site: Site) -> None:
    site.visit("/posts/a", "/fixed")
    site.export()
    site.isg.purge_tag("post:a")
    report = site.export()
    assert (report.removed, report.reload) == (1, True)
    assert site.files() == {"fixed/index.html"}
    assert not (site.tree / "posts").exists()


def test_new_headers_are_said_without_touching_files(site: Site) -> None:
    site.visit("/posts/a")
    site.export()
    site.headers = {"X-Robots-Tag": "noindex"}
    site.isg.regenerate("/posts/a")
    report = site.export()
    assert (report.unchanged, report.reload) == (1, True)
    assert "noindex" in site.maps()
    assert "  X-Robots-Tag: noindex\n" in (site.tree / "_headers").read_text()


def test_a_page_that_is_too_small_to_encode_now_loses_its_encodings(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.visit("/posts/a")
    site.export()
    monkeypatch.setitem(globals(), "PADDING", "")
    site.isg.regenerate("/posts/a")
    site.export()
    assert site.files() == {"posts/a/index.html"}


def test_a_store_that_fails_midway_removes_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.visit("/posts/a", "/posts/b")
    site.export()
    before, rows = site.files(), SQLiteBackend.rows

    def broken(self: SQLiteBackend, *args: Any) -> Iterator[Any]:
        yield next(rows(self, *args))
        raise OSError("the disk is gone")

    monkeypatch.setattr(SQLiteBackend, "rows", broken)
    with pytest.raises(BackendUnavailable):
        site.export()
    assert site.files() == before
    monkeypatch.undo()
    assert site.export().removed == 0


def test_the_report_is_for_people(site: Site) -> None:
    site.visit("/posts/a", "/old", "/posts/a?x=1", "/posts/a?x=2", "/posts/a?x=3", "/posts/a?x=4")
    assert str(site.export()).splitlines() == [
        f"{site.tree}: 1 written, 0 unchanged, 0 removed, 1 redirect.",
        "Left out: 4 with a query string (/posts/a?x=1, /posts/a?x=2, /posts/a?x=3, …).",
        "What nginx reads at its start has changed: reload it.",
    ]


def test_an_export_of_nothing_says_what_to_do(site: Site) -> None:
    assert "isgware build" in str(site.export())
    site.visit("/old")
    assert "isgware build" not in str(site.export())


def test_a_page_of_another_policy_is_exported_as_a_stale_one(tmp_path: Path) -> None:
    policies = iter([Policy(revalidate=60), Policy(revalidate=60, tags=["posts"])])
    told: list[str] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"a"]

    for expected in ([], ["/posts/a"]):
        isg = ISG(
            app,
            store=f"file:{tmp_path}/pages", clock=FakeClock(), backend_timeout=10,
            routes={"/posts/<slug>": next(policies)},
        )  # fmt: skip
        if not expected:
            Client(isg).get("/posts/a")
        told.clear()
        report = isg.export(tmp_path / "tree")
        export_app(
            isg.runtime, tmp_path / "tree", on_stale=lambda entry: told.append(entry.request.path)
        )
        assert (report.written + report.unchanged, told) == (1, expected)
        isg.close()


def test_a_prefix_names_every_variable_and_is_remembered(site: Site) -> None:
    site.headers["X-Price"] = "$5"
    site.visit("/posts/a", "/old")
    assert site.export().reload
    assert site.export(prefix="shop").reload
    own = site.tree / ".isgware-export"
    for file in ("nginx-maps.conf", "nginx-location.conf"):
        assert set(re.findall(r"\$\{?(isgware|shop)_", (own / file).read_text("latin-1"))) == {
            "shop"
        }
    assert not site.export().reload
    assert site.export(prefix="isgware").reload


@pytest.mark.parametrize("prefix", ["", "Shop", "2nd", "a-b", "x" * 33, "a\n"])
def test_a_prefix_that_nginx_would_not_take_is_refused(site: Site, prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="prefix="):
        site.export(prefix=prefix)


def test_pages_with_holes_of_the_browser_alone_are_files(tmp_path: Path) -> None:
    before = dict(holes.registered)

    @hole("basket")
    def basket() -> str:
        return f"<i>{session.get('items', 0)}</i>"

    app = Flask("shop")
    app.secret_key = "not a secret"
    for path, client in (("/public", True), ("/private", False)):
        view = revalidate(60)(lambda client=client: f"<p>{page.hole('basket', client=client)}</p>")
        app.add_url_rule(path, path, view)
    isg = isgware.flask.ISG(app, store=f"file:{tmp_path}/pages", enabled=True, backend_timeout=30)
    try:
        visitor = app.test_client()
        text = visitor.get("/public").text
        visitor.get("/private")
        report = isg.export(tmp_path / "tree")
        assert (report.written, report.left_out) == (1, {"holes": 1})
        assert str(report).splitlines()[1:3] == [
            "Left out: 1 with holes, which the app fills for each visitor (/private).",
            "  " + REMEDIES["holes"],
        ]
        assert (tmp_path / "tree/public/index.html").read_text() == text
        isg.purge_path("/public")
        assert visitor.get(asks(text)).status_code == 204  # it is rendered for who asks
    finally:
        isg.close(0)
        holes.registered.clear()
        holes.registered.update(before)
