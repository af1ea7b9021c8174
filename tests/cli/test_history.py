"""``isgware history``, ``diff``, ``restore``, and the control endpoint's ``mode=restore``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from isgware import revalidate
from isgware.cli.commands import commands
from isgware.cli.subject import subject_of, subject_of_store
from isgware.flask import ISG

SECRET = "s" * 20


class Shop:
    def __init__(self, directory: Path) -> None:
        self.text, self.url = "one", f"file:{directory}"
        app = Flask(__name__)

        @app.get("/p")
        @revalidate(False)
        def p() -> str:
            return self.text

        self.isg = ISG(
            app, store=self.url, enabled=True, history=2, secret=SECRET, backend_timeout=30.0,
            base_url="http://localhost",
        )  # fmt: skip
        self.client: FlaskClient = app.test_client()
        for text in ("one", "two\x1b[31m", "three"):
            self.text = text
            self.isg.regenerate("/p")

    def run(self, *arguments: str, store: bool = False) -> tuple[int, str]:
        def subject() -> object:
            return subject_of_store(self.url) if store else subject_of(self.isg)

        group = commands("isgware", subject)  # type: ignore[arg-type]
        result = CliRunner().invoke(group, list(arguments))
        return result.exit_code, result.output


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.isg.close(0)


@pytest.mark.parametrize("store", [False, True], ids=["app", "store"])
def test_versions_are_listed_compared_and_restored(shop: Shop, store: bool) -> None:
    code, said = shop.run("history", "/p", store=store)
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()] == ["VERSION", "2", "1"]
    code, said = shop.run("diff", "/p", store=store)
    assert code == 0
    assert "-two\\x1b[31m\n+three\n" in said
    assert "-one\n+three\n" in shop.run("diff", "/p", "1", store=store)[1]
    code, said = shop.run("restore", "/p", "1", store=store)
    assert (code, said) == (0, "/p is version 1 again, until told otherwise.\n")
    assert shop.client.get("/p").text == "one"
    found = json.loads(shop.run("history", "/p", "--output", "json", store=store)[1])
    assert [(version["version"], version["size"]) for version in found] == [(3, 5), (2, 8)]


def test_what_is_not_there_is_said(shop: Shop) -> None:
    assert shop.run("restore", "/p", "7") == (2, "Error: /p has no version 7; there are: 2, 1.\n")
    assert shop.run("diff", "/q")[0] == 2
    code, said = shop.run("history", "/q")
    assert (code, said) == (0, "No previous version of /q is kept.\n")


def test_the_control_endpoint_restores(shop: Shop) -> None:
    def post(**given: str) -> tuple[int, object]:
        reply = shop.client.post(
            "/_isg/revalidate", data=given, headers={"Authorization": f"Bearer {SECRET}"}
        )
        return reply.status_code, reply.json

    assert post(path="/p", mode="restore", version="1") == (200, {"restored": 1, "paths": ["/p"]})
    assert shop.client.get("/p").text == "one"
    more = ({"version": "1", "tag": "t"}, {"version": "1", "touched": "post:1"})
    for given in ({}, {"version": "x"}, {"version": "9"}, *more):
        assert post(path="/p", mode="restore", **given)[0] == 400
