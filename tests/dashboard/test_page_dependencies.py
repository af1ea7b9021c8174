"""What the page of a page says of its dependencies."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client

from isgware import ISG, Policy
from isgware.core.dependencies import Updated
from isgware.management import record_writes
from isgware.render_context import database

from .conftest import BEARER, SECRET, Clock, log_in


@pytest.mark.parametrize("dependencies", [True, "soft"])
def test_a_page_says_what_it_depends_on_and_which_change_it_shows_no_more(
    clock: Clock, dependencies: bool | str
) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if (reads := database.get()) is not None:
            reads.row("item", 5)
            reads.note("cache", lambda: "it read a cache")
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"item"]

    isg = ISG(
        app, store="memory:", dependencies=dependencies, clock=clock, secret=SECRET, enabled=True,
        routes={"/item": Policy(revalidate=60)},
    )  # fmt: skip
    Client(isg).get("/item")
    owner = Client(isg)
    found = owner.get("/_isg/page?path=/item", headers=BEARER).get_json()["page"]
    assert (found["depends"], found["unseen"], found["changed"]) == (
        ["item:5"], ["it read a cache"], "",
    )  # fmt: skip
    record_writes.tell([Updated("item", 5, None)])
    said = owner.get("/_isg/page?path=/item", headers=BEARER).get_json()
    assert "item:5" in (said["page"]["changed"] if dependencies == "soft" else said["gone"])
    log_in(owner)
    text = owner.get("/_isg/page?path=/item").text
    assert ("No change tells that" in text) == (dependencies == "soft")
    assert "item:5" in text
    isg.close()
