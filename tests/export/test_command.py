"""``isgware export``: what it prints, and what its exit status says."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from flask import Flask, session

import isgware.flask
from isgware import revalidate
from isgware.cli import main as cli
from isgware.cli.commands import commands
from isgware.export.choice import REMEDIES


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = Flask("site")

    @app.get("/posts/<slug>")
    @revalidate(60)
    def post(slug: str) -> str:
        return f"<h1>{slug}</h1>"

    isg = isgware.flask.ISG(app, store=f"file:{tmp_path}/pages", enabled=True, backend_timeout=10)
    app.test_client().get("/posts/a")
    yield app
    isg.close(0)


@pytest.fixture
def export(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    module = ModuleType("exported_site")
    module.app = app  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    group = commands("isgware", cli.subject, [click.Argument(["target"])])

    def run(*more: str, target: str = "exported_site:app") -> Result:
        return CliRunner().invoke(group, ["export", target, str(tmp_path / "tree"), *more])

    return run


@pytest.mark.parametrize("kind", ["app", "store"])
def test_an_app_or_a_store_is_exported(export: Any, tmp_path: Path, kind: str) -> None:
    target = "exported_site:app" if kind == "app" else f"file:{tmp_path}/pages"
    result = export(target=target)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0] == (f"{tmp_path}/tree: 1 written, 0 unchanged, 0 removed.")
    assert (tmp_path / "tree/posts/a/index.html").read_text() == "<h1>a</h1>"


def test_flask_exports_its_app(app: Flask, tmp_path: Path) -> None:
    result = app.test_cli_runner().invoke(args=["isg", "export", str(tmp_path / "tree")])
    assert result.exit_code == 0
    assert (tmp_path / "tree/posts/a/index.html").exists()


def test_it_speaks_json(export: Any, tmp_path: Path) -> None:
    found = json.loads(export("--output", "json").stdout)
    assert found.pop("seconds") >= 0
    assert found == {
        "directory": f"{tmp_path}/tree", "site": "http://localhost", "written": 1, "unchanged": 0,
        "removed": 0, "redirects": 0, "left_out": {}, "examples": {}, "reload": True,
    }  # fmt: skip


def test_wrong_usage_is_status_2(export: Any, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/mine").write_text("mine")
    result = export()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is not empty" in result.stderr
    assert export("--force").exit_code == 0
    assert "holds the pages of http://localhost" in export("--base-url", "http://b.test").stderr


def test_a_failure_is_status_1(
    export: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export()
    lock = os.open(tmp_path / "tree/.isgware-export/lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    result = export()
    os.close(lock)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: Another export is at work")

    def full(*args: Any, **keywords: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    result = export("--rewrite")
    assert result.exit_code == 1
    assert "broke off: No space left on device" in result.stderr


def test_a_store_within_a_process_is_not_exported_from_another(
    export: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["exported_site"]
    app = Flask("memory")
    isgware.flask.ISG(app, store="memory:", enabled=True)
    monkeypatch.setattr(module, "app", app)
    result = export()
    assert result.exit_code == 2
    assert "lies within its own process" in result.stderr
    assert not (tmp_path / "tree").exists()


def test_what_a_visitor_chose_cannot_speak_to_the_terminal(export: Any, app: Flask) -> None:
    app.test_client().get("/posts/%C2%9B31m%E2%80%AE")
    result = export()
    assert r"/posts/\x9b31m\u202e" in result.stdout
    assert all(line.isprintable() for line in result.stdout.splitlines())


def test_an_export_that_leaves_everything_out_says_why_and_fails(
    app: Flask, export: Any, tmp_path: Path
) -> None:
    app.secret_key = "not a secret"
    app.view_functions["post"] = revalidate(60)(lambda slug: session.get("name", slug))
    app.extensions["isgware"].purge_all()
    app.test_client().get("/posts/a")
    result = export()
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[1:4] == [
        "Left out: 1 that depend on the visitor's cookies (Vary: Cookie) (/posts/a).",
        "Nothing is exported: every stored page is left out.",
        REMEDIES["cookie"],
    ]
    assert export("--output", "json").exit_code == 1


def test_an_export_of_an_empty_store_is_no_failure(app: Flask, export: Any) -> None:
    app.extensions["isgware"].purge_all()
    result = export()
    assert result.exit_code == 0
    assert "Nothing is stored; isgware build renders pages." in result.stdout
