"""An ISG that nobody refers to any more ends its threads and is collected, its app too (P7)."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
from cachelib import SimpleCache
from flask import Flask

from isgware import revalidate
from isgware.flask import ISG
from tests.promises.kit import eventually


def used(**options: Any) -> tuple[weakref.ref[Any], ...]:
    """An app as a factory makes it, and its ISG, after visits that needed every thread."""
    app = Flask(__name__)
    isg = ISG(app, enabled=True, **options)

    @app.get("/")
    @revalidate(60)
    def page() -> str:
        return "page"

    client = app.test_client()
    for _ in range(2):
        client.get("/")
    isg.revalidate_path("/")
    client.get("/")
    eventually(lambda: client.get("/").headers["X-ISG-Cache"] == "HIT")
    return weakref.ref(app), weakref.ref(isg), weakref.ref(isg.core)


@pytest.mark.parametrize("store", ["memory:", "file:", "SimpleCache"])
@pytest.mark.parametrize("mode", ["shared", "full"])
def test_p7_an_app_that_is_let_go_of_is_collected_with_its_threads(
    store: str, mode: str, tmp_path: Path
) -> None:
    before = set(threading.enumerate())
    options: dict[str, Any] = {"store": f"file:{tmp_path}/s" if store == "file:" else store}
    if store == "SimpleCache":
        options = {"store": SimpleCache(), "coordinator": f"file:{tmp_path}/s"}
    left = used(cache_control=mode, **options)

    def gone() -> bool:
        gc.collect()
        return all(it() is None for it in left) and not set(threading.enumerate()) - before

    assert eventually(gone)
