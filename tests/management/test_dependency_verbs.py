"""`depends`, `affected`, `touched` of a store that keeps no dependencies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from werkzeug.test import Client

import isgware
from isgware import ISG
from isgware.cli.commands import commands
from isgware.cli.subject import subject_of
from isgware.errors import ConfigurationError
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


def test_the_command_line_says_it_in_one_line() -> None:
    isg = ISG(hello, store=FaultyBackend(), secret=SECRET)
    group = commands("isgware", lambda: subject_of(isg))
    result = CliRunner().invoke(group, ["touched", "post:1"])
    assert result.exit_code == 2
    assert REMEDY in result.output
    isg.close(0)
