"""Pages that have something of their visitors' own are no files: export names each of them."""

from __future__ import annotations

from pathlib import Path

import flask
from flask import Flask, request, session
from flask_wtf import CSRFProtect

import isgware.flask
from isgware import revalidate


def test_export_names_pages_that_read_and_pages_with_tokens(tmp_path: Path) -> None:
    app = Flask("mixed")
    app.secret_key = "not a secret"
    CSRFProtect(app)
    views = {
        "/": lambda: "everybody's",
        "/name": lambda: str(session.get("name")),
        "/theme": lambda: request.cookies.get("theme", "light"),
        "/form": lambda: flask.render_template_string("<input value={{ csrf_token() }}>"),
        "/nonce": lambda: ("n", 200, {"Content-Security-Policy": f"script-src 'nonce-{'n' * 20}'"}),
    }  # fmt: skip
    for path, view in views.items():
        app.get(path, endpoint=path)(revalidate(60)(view))
    isg = isgware.flask.ISG(app, store="memory:", enabled=True)
    for path in views:
        app.test_client().get(path)
    report = isg.export(tmp_path / "out")
    assert (report.written, report.left_out) == (1, {"cookie": 2, "value-holes": 2})
    assert report.examples == {"cookie": ["/name", "/theme"], "value-holes": ["/form", "/nonce"]}
    told = str(report)
    assert "Reading the session, the user or a cookie" in told
    assert "hashes instead of nonces" in told
    isg.purge_path("/")
    assert isg.export(tmp_path / "none").nothing_fits  # for which the command exits with 1
