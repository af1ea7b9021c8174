"""P11 attacked (Flask): whatever way a page reads of its visitor, two of them and a stranger get
what the bare app gives each, in any order."""

from __future__ import annotations

import copy
import functools
import html
import http.cookies
import json
import pickle
import threading
from collections.abc import Callable
from typing import Any

import flask
import pytest
import werkzeug.http
from cachelib import SimpleCache
from flask import Flask, g, request, session
from flask_session import Session

import isgware.flask
from isgware import revalidate

show = flask.render_template_string


def real() -> Any:
    return session._get_current_object()  # type: ignore[attr-defined]


def cookie_of(header: str | None) -> str:
    jar = http.cookies.SimpleCookie(header or "")
    return jar["mark"].value if "mark" in jar else "-"


def in_thread(read: Callable[[], Any]) -> str:
    found: list[str] = []
    run = flask.copy_current_request_context(lambda: found.append(str(read())))
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def swallowed(read: Callable[[], Any]) -> str:
    try:
        return str(read())
    except Exception:
        return "-"


SESSIONS: dict[str, Callable[[], Any]] = {
    "get": lambda: session.get("mark"),
    "truth": lambda: "some" if session else "none",
    "not": lambda: not session,
    "truth of the object": lambda: bool(real()),
    "any": lambda: any(session),
    "equal": lambda: session == {},
    "unbound items": lambda: list(dict.items(real())),
    "class": lambda: session.__class__.get(real(), "mark"),
    "json": lambda: json.dumps(real()),
    # Without its blanks: from Python 3.13 on, C code counts the bait before it asks for the items.
    "json indented": lambda: "".join(json.dumps(real(), indent=1, sort_keys=True).split()),
    "jsonify": lambda: flask.jsonify(real()).get_data(as_text=True),
    "deepcopy": lambda: copy.deepcopy(real()).get("mark"),
    "copy": lambda: copy.copy(real()).get("mark"),
    "pickle": lambda: swallowed(lambda: dict(pickle.loads(pickle.dumps(real())))),
    "vars": lambda: sorted(vars(real())) and vars(real()).get("mark"),
    "str": lambda: str(session),
    "format": lambda: f"{session}",
    "format_map": lambda: swallowed(lambda: "{mark}".format_map(real())),
    "star star": lambda: (lambda mark="-", **_: mark)(**real()),
    "match": lambda: matched(real()),
    "union": lambda: {"x": 1} | real(),
    "update": lambda: updated(real()),
    "template": lambda: show("{{ session }}"),
    "template items": lambda: show("{% for k, v in session.items() %}{{ v }}{% endfor %}"),
    "template loop": lambda: show("{% for k in session %}{{ session[k] }}{% endfor %}"),
    "template filter": lambda: show("{{ session|tojson }}{{ session|length }}"),
    "template dictsort": lambda: show("{{ session|dictsort }}"),
    "thread": lambda: in_thread(lambda: session.get("mark")),
    "generator": lambda: flask.stream_with_context(str(session.get(k)) for k in ("mark",)),
    "get_flashed_messages": lambda: flask.get_flashed_messages(),
    "new": lambda: session.new,
    "sessions interface": lambda: dict(
        flask.current_app.session_interface.open_session(flask.current_app, request) or {}
    ),
    "a request anew": lambda: dict(
        flask.current_app.session_interface.open_session(
            flask.current_app, flask.Request(dict(request.environ))
        ) or {}
    ),
    "a context anew": lambda: in_context_anew(),
    "context object": lambda: flask.globals.request_ctx.session.get("mark"),
    "serializer": lambda: opened_by_hand(),
}  # fmt: skip

COOKIES: dict[str, Callable[[], Any]] = {
    "get": lambda: request.cookies.get("mark"),
    "args": lambda: request.cookies.get("mark", type=str),
    "environ": lambda: cookie_of(request.environ.get("HTTP_COOKIE")),
    "environ json": lambda: cookie_of(
        json.loads(json.dumps(request.environ, default=str)).get("HTTP_COOKIE")
    ),
    "environ copy": lambda: cookie_of(copy.copy(request.environ).get("HTTP_COOKIE")),
    "environ splat": lambda: cookie_of({**request.environ}.get("HTTP_COOKIE")),
    "environ union": lambda: cookie_of(({} | request.environ).get("HTTP_COOKIE")),
    "environ update": lambda: cookie_of(updated(request.environ).get("HTTP_COOKIE")),
    "werkzeug": lambda: werkzeug.http.parse_cookie(request.environ).get("mark"),
    "header": lambda: cookie_of(request.headers.get("Cookie")),
    "header getlist": lambda: cookie_of("".join(request.headers.getlist("cookie"))),
    "headers listed": lambda: cookie_of(dict(request.headers).get("Cookie")),
    "headers str": lambda: "mark=" in str(request.headers),
    "headers to_wsgi": lambda: cookie_of(dict(request.headers.to_wsgi_list()).get("Cookie")),
    "headers in": lambda: "Cookie" in request.headers,
    "headers environ": lambda: cookie_of(request.headers.environ.get("HTTP_COOKIE")),
    "a request anew": lambda: flask.Request(request.environ).cookies.get("mark"),
    "a request of a copy": lambda: flask.Request(dict(request.environ)).cookies.get("mark"),
    "template": lambda: show("{{ request.cookies.mark }}"),
    "template all": lambda: show("{{ request.cookies }}").count("mark"),
    "deepcopy": lambda: copy.deepcopy(request.cookies).get("mark"),
    "json": lambda: json.loads(json.dumps(request.cookies)).get("mark"),
    "thread": lambda: in_thread(lambda: request.cookies.get("mark")),
    "sansio": lambda: type(request).cookies.func(request).get("mark"),  # type: ignore[attr-defined]
    "parsed again": lambda: parsed_again(),
}  # fmt: skip


def matched(value: Any) -> str:
    match value:
        case {"mark": mark}:
            return str(mark)
    return "-"


def updated(value: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    made.update(value)
    return made


def in_context_anew() -> str:
    with flask.current_app.request_context(dict(request.environ)):
        return str(session.get("mark"))


def opened_by_hand() -> str:
    interface: Any = flask.current_app.session_interface
    cookie = request.cookies.get("session")
    signer = interface.get_signing_serializer(flask.current_app)
    return str(signer.loads(cookie).get("mark")) if cookie else "-"


def parsed_again() -> str:
    del request.cookies
    return str(request.cookies.get("mark"))


HOOKS: dict[str, Callable[[Flask], Any]] = {
    "before_request": lambda app: app.before_request(lambda: put("mark")),
    "after_request": lambda app: app.after_request(appended),
    "after_this_request": lambda app: app.before_request(
        lambda: put_after(flask.after_this_request)
    ),
    "context_processor": lambda app: app.context_processor(
        lambda: {"mark": session.get("mark", "-")}
    ),
    "template_global": lambda app: app.add_template_global(
        lambda: session.get("mark", "-"), "marked"
    ),
    "url_value_preprocessor": lambda app: app.url_value_preprocessor(lambda *_: put("mark")),
    "signal": lambda app: flask.request_started.connect(signalled, app),
    "a template": lambda app: flask.before_render_template.connect(signalled, app),
    "request.x": lambda app: app.before_request(lambda: setattr(request, "x", session.get("mark"))),
    "a request of its own": lambda app: setattr(app, "request_class", OwnRequest),
    "functools.cache": lambda app: app.add_template_global(
        lambda: kept(session.get("mark", "-")), "marked"
    ),
    "a dict in g": lambda app: app.before_request(
        lambda: setattr(g, "mark", {**session}.get("mark"))
    ),
}


class OwnRequest(flask.Request):
    x = functools.cached_property(lambda self: session.get("mark"))


@functools.cache
def kept(mark: str) -> str:
    return f"kept for {mark}"


def put(name: str) -> None:
    g.mark = session.get(name)


def signalled(sender: Flask, **_: Any) -> None:
    put("mark")


def put_after(register: Any) -> None:
    register(appended)


def appended(response: flask.Response) -> flask.Response:
    response.set_data(f"{response.get_data(as_text=True)} {session.get('mark')}")
    return response


def site(views: dict[str, Callable[[], Any]], backend: str) -> Flask:
    app = Flask("ways")
    app.config.update(SECRET_KEY="not a secret")
    if backend == "server":
        app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache())
        Session(app)

    @app.post("/enter/<mark>")
    def enter(mark: str) -> flask.Response:
        session["mark"] = mark
        flask.flash(f"flash {mark}")
        response = flask.make_response("entered")
        response.set_cookie("mark", mark)
        return response

    for name, view in views.items():
        app.get(path_of(name), endpoint=name)(revalidate(60)(as_text(view)))
    return app


def path_of(name: str) -> str:
    return f"/{name.replace(' ', '-')}"


def as_text(view: Callable[[], Any]) -> Callable[[], Any]:
    def answer() -> Any:
        found = view()
        return found if hasattr(found, "__next__") else str(found)

    return answer


ORDERS = [("", "ANN", "BOB"), ("ANN", "BOB", "")]


def differences(
    views: dict[str, Callable[[], Any]], order: tuple[str, ...], backend: str = "cookie",
    hook: Callable[[Flask], Any] | None = None,
) -> list[tuple[str, ...]]:  # fmt: skip
    """Where visitors who come in this order get something else than from the bare app."""
    apps = [site(views, backend) for _ in range(2)]
    if hook:
        for app in apps:
            hook(app)
    isgware.flask.ISG(apps[0], store="memory:", enabled=True)
    clients = {mark: [app.test_client() for app in apps] for mark in order}
    found = []
    for name in views:
        for mark in filter(None, order):
            for client in clients[mark]:
                client.post(f"/enter/{mark}")
        for mark in 2 * order:
            ours, bare = (
                html.unescape(client.get(path_of(name)).get_data(as_text=True))
                for client in clients[mark]
            )
            if ours != bare:
                found.append((name, mark, ours, bare))
    return found


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("backend", ["cookie", "server"])
def test_p11_whatever_way_a_session_is_read(backend: str, order: tuple[str, ...]) -> None:
    assert not differences(SESSIONS, order, backend)


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_p11_whatever_way_a_cookie_is_read(order: tuple[str, ...]) -> None:
    assert not differences(COOKIES, order)


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("way", HOOKS)
def test_p11_wherever_a_session_is_read(way: str, order: tuple[str, ...]) -> None:
    template = "{{ g.mark }}{{ mark }}{{ marked() if marked }}{{ request.x }}"
    assert not differences({"page": lambda: show(template)}, order, hook=HOOKS[way])
