"""The command line: what it prints, what it does, and what its exit status says."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from celery import Celery
from click.testing import CliRunner, Result
from flask import Flask, abort
from werkzeug.test import Client

import isgware.flask
from isgware import ISG, Policy, revalidate
from isgware.celery import CeleryExecutor
from isgware.cli import main as cli
from isgware.cli.commands import commands
from isgware.management.worker_process import Worker
from isgware.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def app(tmp_path: Path, clock: FakeClock) -> Iterator[Flask]:
    app = Flask("site")

    @app.get("/posts/<slug>")
    @revalidate(60, tags=["posts", "post:{slug}"])
    def post(slug: str) -> str:
        if slug == "none":
            abort(404)
        return f"<h1>{slug}</h1>"

    isg = isgware.flask.ISG(app, store=f"file:{tmp_path}/pages", clock=clock, enabled=True)
    yield app
    isg.close(0)


@pytest.fixture
def store(app: Flask, tmp_path: Path) -> str:
    return f"file:{tmp_path}/pages"


@pytest.fixture
def client(app: Flask) -> Client:
    return Client(app, use_cookies=False)


@pytest.fixture
def isgware_(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``isgware_("ls", "site:app", …)``: the command, with ``site.app`` being the app."""
    module = ModuleType("site_of_the_test")
    module.app = app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    group = commands("isgware", cli.subject, [click.Argument(["target"])])

    def run(command: str, target: str = "site_of_the_test:app", *more: str) -> Result:
        return CliRunner().invoke(group, [command, target, *more])

    return run


def lines(result: Result) -> list[list[str]]:
    return [line.split("  ") for line in result.stdout.splitlines()]


# ls, show, why, stats.


def test_ls_lists_what_is_stored(isgware_: Any, client: Client, clock: FakeClock) -> None:
    for path in ("/posts/b", "/posts/a?x=1"):
        client.get(path)
    clock.advance(90)
    result = isgware_("ls")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "PAGE          STATUS  STATE  AGE   TTL    SIZE  TAGS",
        "/posts/a?x=1  200     stale  90 s  -30 s  10 B  posts, post:a",
        "/posts/b      200     stale  90 s  -30 s  10 B  posts, post:b",
    ]


def test_ls_takes_a_prefix_and_a_tag(isgware_: Any, client: Client) -> None:
    for path in ("/posts/a", "/posts/b"):
        client.get(path)
    target = "site_of_the_test:app"
    assert "/posts/a" in isgware_("ls", target, "/posts/a").stdout
    assert "/posts/b" not in isgware_("ls", target, "/posts/a").stdout
    assert "/posts/a" not in isgware_("ls", target, "--tag", "post:b").stdout
    empty = isgware_("ls", target, "/nothing")
    assert (empty.exit_code, empty.stdout, empty.stderr) == (0, "", "Nothing is stored.\n")


def test_ls_speaks_json(isgware_: Any, client: Client) -> None:
    client.get("/posts/a")
    [found] = json.loads(isgware_("ls", "site_of_the_test:app", "--output", "json").stdout)
    assert (found["path"], found["state"], found["tags"]) == ("/posts/a", "fresh",
                                                              ["posts", "post:a"])  # fmt: skip
    assert json.loads(isgware_("ls", "site_of_the_test:app", "/x", "--output", "json").stdout) == []


def test_ls_names_hosts_only_where_they_differ(isgware_: Any, client: Client) -> None:
    client.get("/posts/a")
    client.get("/posts/a", base_url="https://other.test")
    assert "https://other.test/posts/a" in isgware_("ls").stdout


def test_show_shows_each_variant_and_its_headers(isgware_: Any, client: Client) -> None:
    client.get("/posts/a")
    client.get("/posts/a?x=1")
    text = isgware_("show", "site_of_the_test:app", "/posts/a").stdout
    assert text.count("status        200 OK") == 2
    assert "  Content-Type: text/html; charset=utf-8" in text
    one = isgware_("show", "site_of_the_test:app", "/posts/a?x=1", "--output", "json").stdout
    [found] = json.loads(one)
    assert found["url"] == "http://localhost/posts/a?x=1"
    assert ["Content-Type", "text/html; charset=utf-8"] in found["headers"]


def test_show_fails_for_what_is_not_stored(isgware_: Any) -> None:
    result = isgware_("show", "site_of_the_test:app", "/posts/a")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: Nothing is stored for /posts/a.\n"


def test_why_takes_headers_and_cookies(isgware_: Any, client: Client) -> None:
    client.get("/posts/a")
    why = ("why", "site_of_the_test:app", "/posts/a")
    assert isgware_(*why).stdout.startswith("HIT: GET http://localhost/posts/a\n")
    told = isgware_(*why, "-H", "Authorization: Basic x", "--cookie", "a=1").stdout
    assert "decided by  the header Authorization" in told
    assert json.loads(isgware_(*why, "--output", "json").stdout)["outcome"] == "HIT"
    assert isgware_(*why, "-H", "nonsense").exit_code == 2


def test_stats_count(isgware_: Any, client: Client, clock: FakeClock) -> None:
    for path in ("/posts/a", "/posts/none"):
        client.get(path)
    text = isgware_("stats").stdout
    assert "pages         2 (fresh: 2, stale: 0, expired: 0, failing: 0)" in text
    assert "error pages   1" in text
    assert "circuit closed" in text
    found = json.loads(isgware_("stats", "site_of_the_test:app", "--output", "json").stdout)
    assert found["process"]["memory_pages"] == 2


# revalidate and purge.


def label(client: Client, path: str) -> str:
    return client.get(path).headers["X-ISG-Cache"]


@pytest.mark.parametrize(("command", "then"), [("revalidate", "STALE"), ("purge", "REVALIDATED")])
@pytest.mark.parametrize(
    "what",
    [("/posts/a",), ("--tag", "posts"), ("--route", "post"), ("/posts/*",),
     ("/x", "/posts/a", "--tag", "y")],
    ids=" ".join,
)  # fmt: skip
def test_pages_become_stale_or_go(
    isgware_: Any, client: Client, command: str, then: str, what: Sequence[str]
) -> None:
    client.get("/posts/a")
    assert isgware_(command, "site_of_the_test:app", *what).exit_code == 0
    assert label(client, "/posts/a") == then


def test_purge_all(isgware_: Any, client: Client) -> None:
    client.get("/posts/a")
    assert isgware_("purge", "site_of_the_test:app", "--all").stdout == "Purged everything.\n"
    assert label(client, "/posts/a") == "REVALIDATED"


def test_a_store_is_enough_to_purge_and_to_look(isgware_: Any, client: Client, store: str) -> None:
    client.get("/posts/a")
    assert "/posts/a" in isgware_("ls", store).stdout
    assert isgware_("purge", store, "/posts/a").exit_code == 0
    assert label(client, "/posts/a") == "REVALIDATED"
    assert "SQLiteBackend" in isgware_("stats", store).stdout
    needs = isgware_("why", store, "/posts/a")
    assert (needs.exit_code, "needs the app" in needs.stderr) == (2, True)
    assert isgware_("revalidate", store, "--now", "/posts/a").exit_code == 2


def test_revalidate_now_renders(isgware_: Any, client: Client, clock: FakeClock) -> None:
    client.get("/posts/a")
    clock.advance(70)
    result = isgware_("revalidate", "site_of_the_test:app", "--now", "/posts/a")
    assert (result.exit_code, result.stdout[:18]) == (0, "Rendered /posts/a ")
    assert label(client, "/posts/a") == "HIT"


def test_of_several_that_one_cannot_be_rendered_is_a_failure(isgware_: Any, client: Client) -> None:
    client.get("/posts/a")
    result = isgware_("revalidate", "site_of_the_test:app", "--now", "/nope", "/posts/a")
    assert (result.exit_code, "Rendered /posts/a" in result.stdout) == (1, True)
    assert result.stderr.startswith("Error: The host of /nope is not known: give --base-url URL")
    named = ("--now", "--base-url", "https://example.com", "/posts/b")
    assert isgware_("revalidate", "site_of_the_test:app", *named).exit_code == 0
    shown = isgware_("show", "site_of_the_test:app", "/posts/b").stdout
    assert "https://example.com/posts/b" in shown


@pytest.mark.parametrize(
    "arguments",
    [("--base-url", "https://example.com"), ("--now", "--base-url", "example.com")],
    ids=["without --now", "no URL"],
)
def test_a_base_url_that_cannot_be_used_is_status_2(
    isgware_: Any, client: Client, arguments: Sequence[str]
) -> None:
    result = isgware_("revalidate", "site_of_the_test:app", "/posts/a", *arguments)
    assert (result.exit_code, "base-url" in result.stderr) == (2, True)


@pytest.mark.parametrize("target", ["app", "store"])
@pytest.mark.parametrize("command", ["revalidate", "purge"])
def test_a_tag_that_no_page_has_is_named(
    isgware_: Any, client: Client, store: str, command: str, target: str
) -> None:
    client.get("/posts/a")
    target = "site_of_the_test:app" if target == "app" else store
    result = isgware_(command, target, "--tag", "posts", "--tag", "post")
    assert (result.exit_code, result.stderr) == (0, "No stored page has the tag 'post'.\n")
    assert isgware_("ls", target, "--tag", "nope").stderr == "No stored page has the tag 'nope'.\n"


@pytest.mark.parametrize("command", [("ls",), ("purge", "/a"), ("revalidate", "/a"), ("stats",)])
def test_a_directory_without_a_store_is_left_as_it_is(
    isgware_: Any, tmp_path: Path, command: Sequence[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for where in (other, tmp_path / "typo"):
        result = isgware_(command[0], f"file:{where}", *command[1:])
        assert (result.exit_code, "There is no store at" in result.stderr) == (2, True)
    assert (list(other.iterdir()), (tmp_path / "typo").exists()) == ([], False)


@pytest.mark.parametrize(
    "arguments",
    [
        ("purge",),
        ("revalidate",),
        ("revalidate", "--now", "--tag", "x"),
        ("revalidate", "--now", "--route", "post"),
        ("purge", "--route", "posts"),
        ("purge", "posts"),
        ("purge", "/ok", "//evil"),
        ("purge", "--tag", "\n"),
        ("ls", "--output", "xml"),
        ("show",),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2_and_does_nothing(
    isgware_: Any, client: Client, arguments: Sequence[str]
) -> None:
    client.get("/ok")
    command, *more = arguments
    result = isgware_(command, "site_of_the_test:app", *more)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr


def test_a_change_while_switched_off_is_a_failure(
    isgware_: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("off")
    module.app = ISG(Flask("off"), store="memory:", enabled=False)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "off", module)
    result = isgware_("purge", "off:app", "--all")
    assert (result.exit_code, "switched off" in result.stderr) == (1, True)


# worker.


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"store": "memory:"}, "give store='file:DIR' on one host"),
        ({"store": "file:pages", "enabled": False}, "isgware is not at work here"),
        (
            {"store": "file:pages", "executor": CeleryExecutor(Celery("site"))},
            "executor=CeleryExecutor sends elsewhere",
        ),
    ],
)
def test_a_worker_that_would_be_of_no_use_is_one_line_and_status_2(
    isgware_: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: Any, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    module = ModuleType("useless")
    module.app = ISG(Flask("useless"), **options)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "useless", module)
    result = isgware_("worker", "useless:app")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert says in result.stderr


@pytest.mark.parametrize(
    ("target", "more", "says"),
    [
        ("no_such_module:app", (), "no_such_module cannot be imported"),
        ("site_of_the_test:app", ("--threads", "0"), "--threads"),
        ("file:pages", (), "There is no store"),
    ],
)
def test_a_worker_that_is_started_wrongly_is_status_2(
    isgware_: Any, target: str, more: Sequence[str], says: str
) -> None:
    result = isgware_("worker", target, *more)
    assert (result.exit_code, says in result.stderr) == (2, True)


def test_a_worker_needs_the_app(isgware_: Any, client: Client, store: str) -> None:
    client.get("/posts/a")
    result = isgware_("worker", store)
    assert (result.exit_code, "worker needs the app" in result.stderr) == (2, True)


def test_a_worker_says_when_it_begins_and_what_it_did(
    isgware_: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "run", lambda self: True)
    result = isgware_("worker", "site_of_the_test:app", "--threads", "3")
    begins, ends = result.stdout.splitlines()
    assert (result.exit_code, begins.endswith(" on 3 threads.")) == (0, True)
    assert ends.endswith(" has ended: 0 rendered, 0 not kept, 0 nothing to do.")


def test_a_worker_whose_threads_hang_is_a_failure(
    isgware_: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "run", lambda self: False)
    result = isgware_("worker")
    assert (result.exit_code, "start the worker anew" in result.stderr) == (1, True)


def test_signals_stop_a_worker_and_are_given_back(
    isgware_: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(self: Worker) -> bool:
        signal.raise_signal(signal.SIGTERM)
        return self._stopping

    monkeypatch.setattr(Worker, "run", run)
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert isgware_("worker").exit_code == 0
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


# Builds.


def test_purge_builds_keeps_the_apps_own(
    isgware_: Any, client: Client, store: str, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    client.get("/posts/a")
    module = ModuleType("next")
    routes = {"/posts/<slug>": Policy(revalidate=60)}
    module.app = ISG(  # type: ignore[attr-defined]
        lambda environ, start: [start("200 OK", [("Content-Type", "text/html")])] and [b"x"],
        store=store, build_id="v2", routes=routes, clock=clock,
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "next", module)
    Client(module.app).get("/posts/a")
    assert len(isgware_("ls", "next:app").stdout.splitlines()) == 2
    assert len(isgware_("ls", "next:app", "--builds").stdout.splitlines()) == 3
    assert len(isgware_("ls", store).stdout.splitlines()) == 3  # a store is nobody's own build
    assert isgware_("purge", store, "--builds").exit_code == 2
    result = isgware_("purge", "next:app", "--builds")
    assert result.stdout == "Removed 1 pages of other builds than 'v2'.\n"
    assert len(isgware_("ls", store).stdout.splitlines()) == 2
    monkeypatch.setenv("ISGWARE_BUILD_ID", "v3")
    assert isgware_("purge", store, "--builds").exit_code == 0
    assert isgware_("ls", store, "--builds").stdout == ""


# Targets.


class Wrapper:
    """Some other middleware."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


def test_an_isg_is_found_in_what_a_server_is_told(app: Flask) -> None:
    found = app.extensions["isgware"]
    assert cli.isg_of(app, "") is found
    assert cli.isg_of(found, "") is found
    assert cli.isg_of(Wrapper(app), "") is found
    plain = ISG(Flask("plain"), store="memory:")
    assert cli.isg_of(Wrapper(Wrapper(plain)), "") is plain


def test_a_target_is_a_name_or_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("targets")
    module.application = "the default"  # type: ignore[attr-defined]
    module.make = lambda *args, **kwargs: (args, kwargs)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "targets", module)
    assert cli.load("targets") == "the default"
    assert cli.load("targets:make('x', debug=True)") == (("x",), {"debug": True})


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("no_such_module:app", "no_such_module cannot be imported: ModuleNotFoundError"),
        ("json:app", "json has no 'app'"),
        ("json:decoder", "no ISG is found in it"),
        ("json:a.b", "after the colon comes a name"),
        ("json:loads(__import__('os'))", "after the colon comes a name"),
        ("json:loads('{')", "failed: JSONDecodeError"),
        ("a b", "neither MODULE:APP nor the URL of a store"),
        ("file:no/such/store", "There is no store at file:no/such/store"),
        ("memcached://127.0.0.1:1", "set ISGWARE_COORDINATOR"),
        ("memory:", "lies within one process"),
        ("mongodb://localhost", "not a known kind of store"),
    ],
)
def test_a_target_that_is_none_is_one_line_and_status_2(
    isgware_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = isgware_("ls", target)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_does_not_answer_is_status_1(isgware_: Any, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir(mode=0o700)
    (tmp_path / "pages" / "isgware-1.db").mkdir()
    for command in (("ls",), ("purge", "--all"), ("stats",)):
        result = isgware_(command[0], f"file:{tmp_path}/pages", *command[1:])
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1


# What is printed.


def test_no_control_character_of_a_store_reaches_the_terminal(
    isgware_: Any, app: Flask, client: Client
) -> None:
    app.get("/pages/<slug>")(revalidate(60)(lambda slug: slug))  # of no tags
    client.get("/pages/%C2%9B31m%E2%80%AE")  # CSI in one character, and text from right to left
    for command in (("ls",), ("show", "/pages/\x9b31m\u202e"), ("why", "/posts/a")):
        target = "site_of_the_test:app"
        result = isgware_(command[0], target, *command[1:])
        for line in (result.stdout + result.stderr).splitlines():
            assert line.isprintable()
    assert "/pages/%C2%9B31m%E2%80%AE" in isgware_("ls").stdout
    output = isgware_("ls", "site_of_the_test:app", "--output", "json").stdout
    assert json.loads(output)[0]["path"] == "/pages/%C2%9B31m%E2%80%AE"
    assert output.isascii()


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch, client: Client, app: Flask,
                                 capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    from isgware.cli import printing

    client.get("/posts/a")
    pages = list(app.extensions["isgware"].pages())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert "─" in printing.listing(pages)
    monkeypatch.setitem(sys.modules, "rich.table", None)  # the extra is not installed
    assert "─" not in printing.listing(pages)
