"""``isgware top`` and ``isgware log``: what happens now."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from werkzeug.test import Client
from werkzeug.wrappers import Response

from isgware import ISG, Policy
from isgware.cli import log as log_command
from isgware.cli import main as cli
from isgware.cli import top as top_command
from isgware.cli.commands import commands
from isgware.cli.keyboard import Keyboard
from isgware.cli.subject import subject_of_store
from isgware.events import DecisionEvent
from isgware.testing import FakeClock

Run = Callable[..., Result]


@pytest.fixture
def isg(tmp_path: Any) -> Iterator[ISG]:
    isg = ISG(
        Response("page", mimetype="text/html"), store=f"file:{tmp_path}/pages", enabled=True,
        routes={"/posts/<id>": Policy(revalidate=60)}, clock=FakeClock(), backend_timeout=30.0,
    )  # fmt: skip
    yield isg
    isg.close(0)


@pytest.fixture
def run(isg: ISG, monkeypatch: pytest.MonkeyPatch) -> Run:
    module = ModuleType("followed_site")
    module.app = isg  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    group = commands("isgware", cli.subject, [click.Argument(["target"])])

    def run(command: str, *more: str) -> Result:
        return CliRunner().invoke(group, [command, "followed_site:app", *more])

    return run


def visited(isg: ISG) -> None:
    client = Client(isg)
    for path in ("/posts/1", "/posts/1", "/posts/1", "/else"):
        client.get(path)
    client.post("/else")
    isg.runtime.counts.flush()


def test_top_shows_the_most_frequent_first_where_there_is_no_terminal(isg: ISG, run: Run) -> None:
    visited(isg)
    result = run("top", "--times", "1")
    assert result.exit_code == 0, result.output
    _, *first = result.stdout.splitlines()[0].split()
    assert " ".join(first).startswith("0.1 requests/s, 50 % hits, 0.0 renders/s (last ")
    rows = [line.split()[1:] for line in result.stdout.splitlines()[1:]]
    assert [row[1:] for row in rows] == [
        ["hit", "/posts/<id>"], ["miss", "/posts/<id>"], ["pass", "undeclared"],
        ["pass", "undeclared", "method"],
    ]  # fmt: skip
    assert float(rows[0][0]) == pytest.approx(2 * float(rows[1][0]), abs=0.01)


def test_top_forgets_what_is_long_ago(isg: ISG, run: Run) -> None:
    visited(isg)
    clock: FakeClock = isg.runtime.settings.clock
    clock.advance(180)
    assert "0.0 requests/s, no page requests" in run("top", "--times", "1").stdout


def test_top_on_a_terminal_is_a_table_until_q(isg: ISG, monkeypatch: pytest.MonkeyPatch) -> None:
    visited(isg)
    found = top_command.rates(isg.runtime.store, isg.runtime.now())
    drawn = StringIO()
    monkeypatch.setattr(
        "rich.console.Console", lambda: Console(file=drawn, force_terminal=True, width=80)
    )
    keys = iter(["", "x", "q"])
    looks: list[int] = []

    def look() -> Any:
        looks.append(1)
        return found

    monkeypatch.setattr(Keyboard, "pressed", lambda self, seconds: next(keys))
    assert top_command._live(found, look, 2.0, None)
    assert len(looks) == 2
    assert "/posts/<id>" in drawn.getvalue()
    assert "q quits" in drawn.getvalue()


def test_keys_are_read_as_they_are_pressed_and_the_terminal_is_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    termios = pytest.importorskip("termios")
    ours, theirs = os.openpty()
    try:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: theirs))
        before = termios.tcgetattr(theirs)
        with Keyboard() as keyboard:
            assert keyboard.pressed(0) == ""
            os.write(ours, b"q")
            assert keyboard.pressed(60) == "q"
        assert termios.tcgetattr(theirs) == before
    finally:
        os.close(ours)
        os.close(theirs)


def test_without_a_terminal_there_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("q"))
    with Keyboard() as keyboard:
        assert keyboard.pressed(0) == ""


def event(path: str, result: str, reason: str = "", query: str = "") -> DecisionEvent:
    return DecisionEvent(
        at=1_700_000_000.5, method="GET", scheme="http", host="site.test", path=path, query=query,
        route=path.split("/")[1], result=result, reason=reason,
    )  # fmt: skip


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[DecisionEvent]:
    """What is told to who follows; then they press Ctrl-C."""
    events = [
        event("/posts/1", "hit"),
        event("/posts/2\x1b[2J", "bypass", "authorization", "a=b"),
        event("/about", "pass"),
    ]

    class Told:
        lost = 0

        def __init__(self, store: Any) -> None:
            self.closed = False

        def read(self, seconds: float) -> Iterator[DecisionEvent]:
            if self.lost:
                raise KeyboardInterrupt
            self.lost = 3
            yield from events

        def close(self) -> None:
            self.closed = True

    monkeypatch.setattr(log_command, "Log", Told)
    return events


def test_log_prints_a_line_for_each_decision_until_ctrl_c(
    run: Run, told: list[DecisionEvent]
) -> None:
    result = run("log")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "22:13:20.500  HIT          GET site.test/posts/1  posts",
        "22:13:20.500  BYPASS       GET site.test/posts/2\\x1b[2J?a=b  posts  authorization",
        "22:13:20.500  PASS         GET site.test/about  about",
    ]
    assert "3 came too fast to be told." in result.stderr


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        (["--route", "about"], ["/about"]),
        (["--result", "bypass"], ["/posts/2\x1b[2J"]),
        (["--result", "bypass", "--result", "hit"], ["/posts/1", "/posts/2\x1b[2J"]),
        (["--route", "about", "--result", "hit"], []),
    ],
)
def test_log_shows_only_what_was_asked_for(
    run: Run, told: list[DecisionEvent], options: list[str], paths: list[str]
) -> None:
    result = run("log", "--output", "json", *options)
    assert [json.loads(line)["path"] for line in result.stdout.splitlines()] == paths


def test_log_says_at_once_that_a_route_is_unknown_and_which_there_are(
    run: Run, told: list[DecisionEvent]
) -> None:
    result = run("log", "--route", "/post/<id>", "--route", "undeclared")
    assert result.stderr.splitlines()[:2] == [
        "No route is known as '/post/<id>'.", "Known: /posts/<id>, undeclared."
    ]  # fmt: skip
    assert "is known as" not in run("log", "--route", "/posts/<id>").stderr


def test_of_a_store_without_the_app_those_are_the_routes_that_were_visited(
    isg: ISG, told: list[DecisionEvent], tmp_path: Any
) -> None:
    isg.runtime.store.ping()  # makes it
    subject = subject_of_store(f"file:{tmp_path}/pages")
    group = commands("isgware", lambda: subject)
    assert "is known as" not in CliRunner().invoke(group, ["log", "--route", "a"]).stderr
    visited(isg)
    stderr = CliRunner().invoke(group, ["log", "--route", "a"]).stderr
    assert "No route is known as 'a'.\nKnown: /posts/<id>, undeclared.\n" in stderr


def test_log_ends_when_time_is_up(run: Run) -> None:
    result = run("log", "--seconds", "0")
    assert (result.exit_code, result.stdout) == (0, "")


def test_what_cannot_be_followed_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    isg = ISG(Response("page"), store="memory:", enabled=True)
    sys.modules["followed_site"].app = isg  # type: ignore[attr-defined]
    result = run("log")
    assert result.exit_code == 1
    assert "cannot be followed" in result.stderr
    isg.close(0)
