"""`depends`, `affected`, `touched` of a store that keeps no dependencies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from werkzeug.test import Client

import isgware
from isgware import ISG
from isgware.cli.commands import commands
from isgware.cli.subject import subject_of, subject_of_store
from isgware.errors import ConfigurationError
from isgware.management import dependency_verbs
from tests.promises.faults import FaultyBackend

VERBS: dict[str, Callable[[Any], object]] = {
    "touched": lambda site: site.touched("post:1"),
    "affected": lambda site: site.affected("post:1"),
    "depends": lambda site: site.depends("/"),
}
SECRET = "correct horse battery"
REMEDY = "as coordinator= beside a cachelib cache"


def hello(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_backend_of_ones_own_without_dependencies_is_told_the_remedy(verb: str) -> None:
    isg = ISG(hello, store=FaultyBackend())
    with isgware.connect(FaultyBackend()) as connection:
        for site in (connection, isg):
            with pytest.raises(ConfigurationError, match=REMEDY):
                VERBS[verb](site)
    isg.close(0)


def test_the_control_endpoint_says_it_too() -> None:
    isg = ISG(hello, store=FaultyBackend(), secret=SECRET)
    answer = Client(isg).post(
        "/_isg/revalidate",
        json={"touched": ["post:1"]},
        headers={"Authorization": f"Bearer {SECRET}"},
    )
    assert answer.status_code == 400
    assert answer.json is not None
    assert REMEDY in answer.json["message"]
    isg.close(0)


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        (0, "Touched post:1: no stored page depends on it."),
        (1, "Touched post:1: 1 stored page depends on it."),
        (2, "Touched post:1: 2 stored pages depend on it."),
        (dependency_verbs.MAX_COUNTED, "Touched post:1: 1,000 or more stored pages depend on it."),
        (None, "Touched post:1."),
    ],
)
def test_the_command_line_says_how_many_pages_depend_on_what_was_touched(
    pages: int | None, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = f"file:{tmp_path}/store"
    ISG(hello, store=store, enabled=True).close(0)
    with isgware.connect(store) as connection:
        connection.touched("post:1")
        if pages != 0:
            monkeypatch.setattr(dependency_verbs, "count_affected", lambda *_: pages)
        group = commands("isgware", lambda: subject_of_store(store))
        result = CliRunner().invoke(group, ["touched", "post:1"])
    assert result.output == said + "\n"


def test_pages_are_not_counted_of_a_store_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with isgware.connect("memory:") as connection:
        assert connection._count_affected(["post:1"]) == 0
        monkeypatch.setattr(connection.store.backend, "affected", None)
        assert connection._count_affected(["post:1"]) is None


def test_the_command_line_says_it_in_one_line() -> None:
    isg = ISG(hello, store=FaultyBackend(), secret=SECRET)
    group = commands("isgware", lambda: subject_of(isg))
    result = CliRunner().invoke(group, ["touched", "post:1"])
    assert result.exit_code == 2
    assert REMEDY in result.output
    isg.close(0)
