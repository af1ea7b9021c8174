"""What a clean-room render of a Flask app is seen to ask of its visitor."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from cachelib import SimpleCache
from flask import Flask, Request, copy_current_request_context, g, request, session
from flask.sessions import SecureCookieSession, SessionInterface, SessionMixin
from flask_login import LoginManager, UserMixin, current_user, login_required, logout_user
from flask_session import Session
from flask_wtf import CSRFProtect
from flask_wtf.csrf import generate_csrf

from .kit import app_of, names, rendered


def seen(view: Callable[[], Any], kind: str = "session", **config: Any) -> set[str]:
    app = app_of(**config)
    app.register_error_handler(KeyError, lambda error: "no such key")
    app.add_url_rule("/", "view", lambda: str(view()))
    _, recording = rendered(app)
    return names(recording, kind)


ONE_KEY: dict[str, Callable[[], Any]] = {
    "get": lambda: session.get("k"),
    "in": lambda: "k" in session,
    "item": lambda: session["k"],
    "pop": lambda: session.pop("k", None),
    "setdefault": lambda: session.setdefault("k", 1),
    "del": lambda: session.__delitem__("k"),
    "template": lambda: flask.render_template_string("{{ session.k }}"),
}


@pytest.mark.parametrize("way", ONE_KEY)
def test_a_key_that_is_asked_for_is_read(way: str) -> None:
    assert seen(ONE_KEY[way]) == {"k"}


WHOLE: dict[str, Callable[[], Any]] = {
    "iteration": lambda: list(session),
    "len": lambda: len(session),
    "truth": lambda: bool(session),
    "items": lambda: list(session.items()),
    "keys": lambda: sorted(session.keys()),
    "values": lambda: list(session.values()),
    "dict": lambda: dict(session),
    "splat": lambda: {**session},
    "copy": lambda: copy.copy(session._get_current_object()),  # type: ignore[attr-defined]
    "comparison": lambda: session == {},
    "or": lambda: session._get_current_object() | {},  # type: ignore[attr-defined]
    "clear": lambda: session.clear(),
    "repr": lambda: repr(session),
    "json": lambda: json.dumps(session._get_current_object()),  # type: ignore[attr-defined]
    "new": lambda: session.new,
    "template": lambda: flask.render_template_string("{% if session %}x{% endif %}"),
}


@pytest.mark.parametrize("way", WHOLE)
def test_reading_everything_is_seen(way: str) -> None:
    assert seen(WHOLE[way]) == {"*"}


@pytest.mark.parametrize("way", WHOLE)
def test_everything_looks_empty_in_the_clean_room(way: str) -> None:
    app = app_of()
    app.add_url_rule("/", "view", lambda: str(WHOLE[way]()))
    response, recording = rendered(app)
    assert b"isgware" not in response.body
    assert recording.marked(response.body, response.headers) == ""


def test_nothing_is_read_by_who_does_not_ask() -> None:
    assert seen(lambda: session.__class__ and "hello") == set()


def test_a_session_keeps_its_type() -> None:
    def view() -> str:
        ours = session._get_current_object()  # type: ignore[attr-defined]
        assert isinstance(ours, SecureCookieSession | SessionMixin | dict)
        assert type(ours).__name__ == "SecureCookieSession"
        return "ok"

    assert seen(view) == set()


def test_a_session_that_is_taken_apart_in_c_is_betrayed_by_its_bait() -> None:
    import msgspec

    app = app_of()
    app.add_url_rule(
        "/", "view",
        lambda: dict.__repr__(session._get_current_object()),  # type: ignore[attr-defined]
    )  # fmt: skip
    response, recording = rendered(app)
    assert recording.marked(response.body, response.headers) == "session-taken-apart"
    app = app_of()
    app.add_url_rule(
        "/", "view",
        lambda: msgspec.json.encode(session._get_current_object()),  # type: ignore[attr-defined]
    )  # fmt: skip
    response, recording = rendered(app)
    assert names(recording, "session") or recording.marked(response.body, response.headers)


def test_permanent_is_bookkeeping_when_set_and_a_read_when_asked_for() -> None:
    def renews() -> str:
        session.permanent = True
        return "ok"

    app = app_of()
    app.add_url_rule("/", "view", renews)
    response, recording = rendered(app)
    written = recording.writes or response.all("set-cookie")
    assert (names(recording, "session"), bool(written)) == (set(), False)
    assert seen(lambda: session.permanent) == {"_permanent"}


def test_a_write_is_named_with_its_place_and_never_saved() -> None:
    def counts() -> str:
        session["visits"] = session.get("visits", 0) + 1
        return str(session["visits"])

    app = app_of()
    app.add_url_rule("/", "view", counts)
    response, recording = rendered(app)
    assert response.all("set-cookie") == []
    assert list(recording.writes) == ["visits"]
    assert recording.writes["visits"].startswith("tests/flask/test_recorder.py:")


WRITES: dict[str, Callable[[], Any]] = {
    "setdefault": lambda: session.setdefault("k", 1),
    "update": lambda: session.update(k=1),
    "update of pairs": lambda: session.update([("k", 1)]),
    "united": lambda: session._get_current_object().__ior__({"k": 1}),  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("way", WRITES)
def test_whatever_way_a_session_is_written_it_is_a_write(way: str) -> None:
    app = app_of()
    app.add_url_rule("/", "view", lambda: str(WRITES[way]()))
    _, recording = rendered(app)
    assert list(recording.writes) == ["k"]


def test_an_app_without_a_key_has_sessions_that_can_be_read() -> None:
    app = Flask(__name__)
    app.add_url_rule("/", "view", lambda: str(session.get("k")))
    response, recording = rendered(app)
    assert (response.body, names(recording, "session")) == (b"None", {"k"})


def test_what_only_reports_reads_nothing() -> None:
    looks = "def look(): return session.get('k'), request.cookies.get('c'), dict(request.headers)"
    for module, read in (("sentry_sdk.integrations.flask", False), ("sentry_of_our_own", True)):
        space = {"__name__": module, "session": session, "request": request}
        exec(looks, space)
        assert bool(seen(lambda look=space["look"]: look() and "")) is read  # type: ignore[misc]


def test_a_flash_is_a_write_and_showing_flashes_a_read() -> None:
    app = app_of()
    app.add_url_rule("/", "view", lambda: str(flask.flash("saved")))
    _, recording = rendered(app)
    assert list(recording.writes) == ["_flashes"]
    assert seen(lambda: flask.get_flashed_messages()) == {"_flashes"}


def test_the_place_is_in_the_template(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>\n{{ session.k }}\n</p>")
    app = Flask(__name__, template_folder=str(tmp_path))
    app.secret_key = "s"
    app.add_url_rule("/", "view", lambda: flask.render_template("page.html"))
    _, recording = rendered(app)
    assert recording.reads["session", "k"] == f"{tmp_path}/page.html:2"


COOKIE: dict[str, Callable[[], Any]] = {
    "get": lambda: request.cookies.get("theme"),
    "in": lambda: "theme" in request.cookies,
    "getlist": lambda: request.cookies.getlist("theme"),
    "template": lambda: flask.render_template_string("{{ request.cookies.theme }}"),
}
ALL_COOKIES: dict[str, Callable[[], Any]] = {
    "items": lambda: list(request.cookies.items()),
    "dict": lambda: dict(request.cookies),
    "to_dict": lambda: request.cookies.to_dict(),
    "len": lambda: len(request.cookies),
    "header": lambda: request.headers.get("Cookie"),
    "headers": lambda: dict(request.headers),
    "environ": lambda: request.environ.get("HTTP_COOKIE"),
    "environ-pop": lambda: request.environ.pop("HTTP_COOKIE", None),
    "environ-setdefault": lambda: request.environ.setdefault("HTTP_COOKIE", ""),
    "environ-copy": lambda: len(request.environ.copy()),
    "environ-dict": lambda: len(dict(request.environ)),
    "new-request": lambda: Request(request.environ).cookies.get("theme"),
}


@pytest.mark.parametrize("way", COOKIE)
def test_a_cookie_that_is_asked_for_is_read(way: str) -> None:
    assert seen(COOKIE[way], "cookies") == {"theme"}


@pytest.mark.parametrize("way", ALL_COOKIES)
def test_looking_at_the_header_reads_all_cookies(way: str) -> None:
    assert seen(ALL_COOKIES[way], "cookies") == {"*"}


def test_other_headers_of_the_apps_own_code_are_noted() -> None:
    found = seen(lambda: (request.user_agent.string, request.headers.get("Referer")), "headers")
    assert found == {"user-agent", "referer"}
    for look in (lambda: request.remote_addr, lambda: request.access_route):
        assert "remote-addr" in seen(look, "headers")
    assert seen(lambda: request.full_path, "headers") == set()


def test_a_request_keeps_its_type_and_the_address_that_it_finds_itself() -> None:
    class Own(Request):
        remote_addr = property(lambda self: self.environ["HTTP_X_CLIENT"], lambda *_: None)  # type: ignore[assignment]

    app = app_of()
    app.add_url_rule(
        "/",
        "view",
        lambda: f"{isinstance(request, Request)} {type(request._get_current_object())}",  # type: ignore[attr-defined]
    )
    assert b"True <class 'flask.wrappers.Request'>" in rendered(app)[0].body
    app.request_class = Own
    assert b"True" in rendered(app)[0].body


def test_foreign_middleware_inside_reads_all_cookies() -> None:
    app = app_of()
    app.add_url_rule("/", "view", lambda: "ok")
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start: inner(environ, start)  # type: ignore[method-assign]
    _, recording = rendered(app)
    assert names(recording, "cookies") == {"*"}


def test_known_middleware_inside_is_looked_through() -> None:
    from werkzeug.middleware.proxy_fix import ProxyFix

    app = app_of()
    app.add_url_rule("/", "view", lambda: "ok")
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    _, recording = rendered(app)
    assert recording.reads == {("opened", "session"): ""}


def test_where_a_session_is_found_is_noted() -> None:
    app = app_of(SESSION_COOKIE_NAME="sid")
    app.add_url_rule("/", "view", lambda: "ok")
    _, recording = rendered(app)
    assert names(recording, "opened") == {"sid"}


class OwnSessions(SessionInterface):
    """An interface that somebody wrote, put in place after isgware."""

    class Kept(dict, SessionMixin):  # type: ignore[type-arg]
        pass

    saved = 0

    def open_session(self, app: Flask, request: Request) -> Kept:
        request.cookies.get("their-cookie")
        return self.Kept()

    def save_session(self, app: Flask, session: SessionMixin, response: Any) -> None:
        type(self).saved += 1


def test_an_interface_of_ones_own_set_late_is_recorded_and_not_saved() -> None:
    app = app_of()
    app.add_url_rule("/", "view", lambda: str(session.get("k")))
    rendered(app)
    app.session_interface = OwnSessions()
    _, recording = rendered(app)
    assert names(recording, "opened") == {"their-cookie"}
    assert (names(recording, "session"), OwnSessions.saved) == ({"k"}, 0)
    app.test_client().get("/")
    assert OwnSessions.saved == 1


class Slots:
    """An interface to which nothing can be added, and sessions that cannot be told apart."""

    __slots__ = ("session",)

    def open_session(self, app: Flask, request: Request) -> Any:
        return self.session

    def is_null_session(self, session: object) -> bool:
        return False

    def save_session(self, app: Flask, session: SessionMixin, response: Any) -> None:
        pass


class Fixed(dict):  # type: ignore[type-arg]
    __slots__ = ("accessed", "modified", "permanent")


@pytest.mark.parametrize("interface", [Slots, type("Open", (Slots,), {})])
def test_a_session_that_cannot_be_recorded_is_read_as_a_whole(interface: Any) -> None:
    app = app_of()
    app.add_url_rule("/", "view", lambda: "ok")
    app.session_interface = interface()
    app.session_interface.session = session = Fixed()  # type: ignore[attr-defined]
    session.accessed = session.modified = session.permanent = False
    _, recording = rendered(app)
    assert names(recording, "session") == {"*"}
    if interface is Slots:
        assert names(recording, "opened") == {"*"}


def test_cookies_that_the_app_finds_in_a_way_of_its_own_are_read_as_a_whole() -> None:
    class Own(Request):
        @property
        def cookies(self) -> dict[str, str]:  # type: ignore[override]
            return {}

    app = app_of()
    app.request_class = Own
    app.add_url_rule("/", "view", lambda: "ok")
    _, recording = rendered(app)
    assert names(recording, "cookies") == {"*"}


def test_flask_session_is_recorded_and_not_saved() -> None:
    cache = SimpleCache()
    app = app_of(SESSION_TYPE="cachelib", SESSION_CACHELIB=cache)
    Session(app)

    def view() -> str:
        session.permanent = True
        return str(session.get("cart"))

    app.add_url_rule("/", "view", view)
    app.add_url_rule("/sid", "sid", lambda: str(session.sid))  # type: ignore[attr-defined]
    response, recording = rendered(app)
    assert (names(recording, "session"), recording.writes) == ({"cart"}, {})
    assert response.all("set-cookie") == []
    assert cache._cache == {}
    _, recording = rendered(app, "/sid")
    assert names(recording, "session") == {"*"}


class User(UserMixin):
    id = "7"


def login_app() -> Flask:
    app = app_of()
    manager = LoginManager(app)
    manager.user_loader(lambda _: User())
    app.add_url_rule("/", "index", lambda: flask.render_template_string("hello"))
    app.add_url_rule(
        "/user", "user",
        lambda: flask.render_template_string("{{ current_user.is_authenticated }}"),
    )  # fmt: skip
    app.add_url_rule("/mine", "mine", login_required(lambda: "mine"))
    app.add_url_rule("/logout", "logout", lambda: str(logout_user()))
    return app


def test_flask_logins_user_is_no_read_until_somebody_looks() -> None:
    _, recording = rendered(login_app())
    assert recording.reads == {("opened", "session"): ""}


@pytest.mark.parametrize("path", ["/user", "/mine", "/logout"])
def test_looking_at_the_user_reads_what_they_are_known_by(path: str) -> None:
    app = login_app()
    app.register_error_handler(401, lambda error: "who are you?")
    response, recording = rendered(app, path)
    assert "_user_id" in names(recording, "session")
    assert names(recording, "cookies") == {"remember_token"}
    if path == "/user":
        assert response.body == b"False"


def test_a_user_that_one_part_has_looked_at_is_read_by_the_next() -> None:
    app = login_app()

    @app.get("/twice")
    def twice() -> str:
        assert not current_user.is_authenticated
        recording = request.environ["isgware.render"].recording
        recording.reads.clear()
        return str(g._login_user.is_authenticated)

    _, recording = rendered(app, "/twice")
    assert "_user_id" in names(recording, "session")


def test_the_look_of_flask_wtf_at_its_token_is_no_read_and_what_it_made_is_noted() -> None:
    app = app_of()
    CSRFProtect(app)
    app.add_url_rule("/", "view", lambda: flask.render_template_string("{{ csrf_token() }}"))
    app.add_url_rule("/unused", "unused", lambda: str(len(generate_csrf())))
    for path in ("/", "/unused"):
        _, recording = rendered(app, path)
        assert (names(recording, "session"), recording.writes) == (set(), {})
        assert list(recording.tokens) == ["csrf_token"]


def test_reads_anywhere_in_the_render_count() -> None:
    app = app_of()
    app.before_request(lambda: session.get("before") and None)
    app.context_processor(lambda: {"x": session.get("processor")})

    @app.after_request
    def after(response: Any) -> Any:
        session.get("after")
        return response

    @app.get("/")
    def view() -> Any:
        @copy_current_request_context
        def elsewhere() -> None:
            session.get("thread")

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

        def body() -> Iterator[str]:
            yield flask.render_template_string("{{ x }}")
            yield str(session.get("generator"))

        return flask.stream_with_context(body())

    _, recording = rendered(app)
    expected = {"before", "processor", "after", "thread", "generator"}
    assert names(recording, "session") == expected


def test_a_user_looked_at_in_a_thread_is_read() -> None:
    app = login_app()

    @app.get("/thread")
    def view() -> str:
        @copy_current_request_context
        def elsewhere() -> None:
            current_user.is_authenticated  # noqa: B018

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return "ok"

    _, recording = rendered(app, "/thread")
    assert "_user_id" in names(recording, "session")


def test_visitors_own_requests_are_not_recorded() -> None:
    app = app_of()
    app.add_url_rule("/", "view", lambda: type(session._get_current_object()).__mro__[0].__name__)  # type: ignore[attr-defined]
    rendered(app)
    with app.test_request_context("/", headers={"Cookie": "a=b"}):
        assert type(session._get_current_object()) is SecureCookieSession  # type: ignore[attr-defined]
        assert type(request.environ) is dict
