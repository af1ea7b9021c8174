"""What ``isgware build`` forks, and what it must not take along: connections of the app."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from isgware import connect
from isgware.core.series import parts_of

SITE = """
import os, signal
from flask import Flask
from isgware import revalidate
from isgware.flask import ISG
from sqlalchemy import create_engine, event, text

app = Flask("site")
engine = create_engine("sqlite:///data.db")

@event.listens_for(engine, "connect")
def note(connection, record):
    record.info["pid"] = os.getpid()

def owner():
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        return connection.info["pid"]

def slugs():
    owner()
    if os.environ["WHEN"] == "later":
        yield {"slug": "dies"}
    yield from ({"slug": slug} for slug in "abc")

if os.environ["WHEN"] == "import":
    owner()

@app.get("/posts/<slug>")
@revalidate(3600, paths=slugs)
def post(slug):
    if slug == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    return "own" if owner() == os.getpid() else "the parent's"

isg = ISG(app, base_url="https://example.com", store="file:pages")
"""


@pytest.mark.parametrize("when", ["import", "later"])
def test_a_worker_uses_no_connection_of_its_parent(tmp_path: Path, when: str) -> None:
    """Not one that was opened by importing the app, nor, in a worker that replaces another one,
    what ``paths`` has opened meanwhile."""
    (tmp_path / "forked.py").write_text(SITE)
    subprocess.run(
        [sys.executable, "-m", "isgware", "build", "forked:app", "--jobs", "1"],
        cwd=tmp_path, env={**os.environ, "WHEN": when}, capture_output=True, timeout=300,
        check=False,
    )  # fmt: skip
    with connect(f"file:{tmp_path}/pages") as store:
        found = {row.path: store.catalogue.entry(row.key) for row, _ in store.catalogue.standing()}
        counts = {parts_of(name): amount for _, name, amount in store.store.counts(0, 0.0)}
    assert counts["renders", "post", "rendered"] == 3, "workers tell what they have rendered"
    assert {path: entry.body for path, entry in found.items() if entry} == {
        f"/posts/{slug}": b"own" for slug in "abc"
    }
