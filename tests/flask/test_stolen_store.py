"""Who has stolen the store has nothing that opens anything: no key, session, token or cookie of a
visitor, and nothing that tokens are made of."""

from __future__ import annotations

import re
from pathlib import Path

import flask
from flask import Flask, request, session
from flask_login import LoginManager, login_user
from flask_wtf import CSRFProtect

import isgware.flask
from isgware import revalidate
from isgware.flask.csrf import clean_room_value

from .backends import SetUp, backend, redis  # noqa: F401  (fixtures)
from .test_csrf import TOKEN
from .test_reads_decide import User

KEY, NONCE = "a key of twenty and more", "n0nce" * 5
VIEWS = {
    "/user": "{{ current_user.id }} {{ session.get('email') }}",
    "/form": "{{ current_user.id }}<input name=csrf_token value='{{ csrf_token() }}'>",
    "/own-form": "<input name=csrf_token value='{{ csrf_token() }}'>",
    "/xsrf": "<meta name=xsrf content='{{ xsrf() }}'>",
    "/theme": "{{ request.cookies.theme }}",
}


def site(set_up: SetUp, directory: Path) -> Flask:
    app = Flask("bank")
    app.secret_key = KEY
    set_up(app)
    CSRFProtect(app)
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    LoginManager(app).user_loader(User)
    made: list[str] = []

    def xsrf() -> str:
        value = request.cookies.get("xsrf") or f"xsrf{len(made):0>20}"
        made.append(value)
        flask.after_this_request(lambda answer: answer.set_cookie("xsrf", value) or answer)
        return value

    app.add_template_global(xsrf)

    @app.post("/login/<name>")
    def login(name: str) -> str:
        session["email"] = f"{name}@bank.example"
        return str(login_user(User(name), remember=True))

    @app.after_request
    def policy(answer: flask.Response) -> flask.Response:
        answer.headers["Content-Security-Policy"] = f"script-src 'nonce-{NONCE}'"
        return answer

    for path, text in VIEWS.items():
        fields = {"value_holes": ["cookie:xsrf"]} if path == "/xsrf" else {}
        view = revalidate(60, **fields)(lambda text=text: flask.render_template_string(text))
        app.get(path, endpoint=path)(view)
    isgware.flask.ISG(app, store=f"file:{directory}", enabled=True, compress=False)
    return app


def test_p12_nothing_in_a_stolen_store_opens_anything(backend: SetUp, tmp_path: Path) -> None:  # noqa: F811
    app = site(backend, tmp_path / "store")
    secrets = {KEY, NONCE, clean_room_value(app), "@bank.example"}
    clients = {name: app.test_client() for name in ("ann", "bob", "")}
    for name, client in clients.items():
        if name:
            client.post(f"/login/{name}")
        client.set_cookie("theme", "secret-theme")
        for _ in range(3):
            for path in VIEWS:
                secrets.update(TOKEN.findall(client.get(path).text))
        for cookie in ("session", "remember_token", "xsrf", "theme"):
            found = client.get_cookie(cookie)
            secrets.update({found.value} if found else ())
        with client.session_transaction() as kept:
            secrets.update({kept["csrf_token"], kept.get("_id", KEY), getattr(kept, "sid", KEY)})
    stored = [row.url.partition("localhost")[2] for row in app.extensions["isgware"].pages()]
    assert sorted(stored) == sorted(VIEWS)
    app.extensions["isgware"].core.close(1)
    files = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    kept = b"".join(path.read_bytes() for path in files)
    assert len(secrets) > 15
    assert not [secret for secret in secrets if secret.encode() in kept]
    assert not re.search(TOKEN.pattern.encode(), kept)
