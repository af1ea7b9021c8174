"""P11: what a page did not read makes nobody special (Flask)."""

from __future__ import annotations

import flask
import pytest
from cachelib import SimpleCache
from flask import Flask, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_session import Session

import isgware.flask
from isgware import revalidate
from isgware.policy import Policy
from isgware.routing import visitor_check
from tests.promises.kit import Clock, Manual, Reply, visit

from .backends import SetUp

BACKENDS = ["cookie", "server"]


class Site:
    """A shop with a login, and visitors with cookie jars."""

    def __init__(self, backend: str | SetUp = "cookie", **options: object) -> None:
        self.app = app = Flask("shop")
        app.config.update(SECRET_KEY="not a secret")
        if callable(backend):
            backend(app)
        elif backend == "server":
            self.sessions = SimpleCache()
            app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=self.sessions)
            Session(app)
        self.clock, self.later = Clock(), Manual()
        self.renders = 0
        options.setdefault("store", "memory:")
        self.isg = isgware.flask.ISG(app, clock=self.clock, executor=self.later, **options)
        app.post("/set")(self._set)
        app.post("/forget")(self._forget)

    def page(self, path: str, view, **fields) -> None:  # type: ignore[no-untyped-def]
        def counted(**arguments: str) -> object:
            self.renders += 1
            return view(**arguments)

        self.app.get(path, endpoint=path)(revalidate(60, **fields)(counted))

    def _set(self) -> str:
        session.update(request.args.to_dict())
        return "set"

    def _forget(self) -> str:
        session.clear()
        return "forgotten"


class Jar:
    """A visitor and their cookies."""

    def __init__(self, site: Site, **cookies: str) -> None:
        self.site = site
        self.cookies = cookies

    def visit(self, path: str, method: str = "GET", **more: str) -> Reply:
        sent = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {**more, **({"Cookie": sent} if sent else {})}
        path, _, query = path.partition("?")
        reply = visit(self.site.app, path, query, method=method, headers=headers)
        for name, value in reply.headers:
            if name == "Set-Cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
                if not self.cookies[key]:
                    del self.cookies[key]
        return reply


@pytest.mark.parametrize("backend", BACKENDS)
def test_p11_a_session_without_the_key_that_is_read_gets_the_shared_page(backend: str) -> None:
    site = Site(backend)
    site.page("/", lambda: f"hello {session.get('name')}")
    stranger, shopper, ann = Jar(site), Jar(site), Jar(site)
    shopper.visit("/set?basket=3", "POST")
    ann.visit("/set?name=Ann", "POST")
    assert stranger.visit("/").text == "hello None"
    for _ in range(3):
        assert (shopper.visit("/").cache, shopper.visit("/").text) == ("HIT", "hello None")
        reply = ann.visit("/")
        assert (reply.text, reply.cache, reply.detail) == ("hello Ann", "BYPASS", "cookie")


@pytest.mark.parametrize("backend", BACKENDS)
def test_p11_logging_in_and_out_counts_with_the_next_visit(backend: str) -> None:
    site = Site(backend)
    site.page("/", lambda: f"hello {session.get('name')}")
    jar = Jar(site)
    assert jar.visit("/").text == "hello None"
    for name in ("Ann", "Bob"):
        jar.visit(f"/set?name={name}", "POST")
        assert [jar.visit("/").text for _ in range(2)] == [f"hello {name}"] * 2
        jar.visit("/forget", "POST")
        assert (jar.visit("/").text, jar.visit("/").cache) == ("hello None", "HIT")


@pytest.mark.parametrize("backend", BACKENDS)
def test_p11_a_session_that_gets_the_key_under_the_same_cookie_counts_at_once(backend: str) -> None:
    site = Site(backend)
    site.page("/", lambda: f"hello {session.get('name')}")
    jar, other = Jar(site), Jar(site)
    jar.visit("/set?basket=3", "POST")
    jar.visit("/")
    assert [jar.visit("/").cache for _ in range(3)] == ["HIT"] * 3
    jar.visit("/set?name=Ann", "POST")
    assert [jar.visit("/").text for _ in range(3)] == ["hello Ann"] * 3
    assert other.visit("/").text == "hello None"


def test_p11_a_page_that_reads_nothing_asks_nobody_anything() -> None:
    site = Site("server")
    site.page("/", lambda: "hello")
    jar = Jar(site)
    jar.visit("/set?name=Ann", "POST")
    assert jar.visit("/").cache == "MISS"
    opened = []
    original = site.app.session_interface.open_session
    site.app.session_interface.open_session = lambda *a: opened.append(a) or original(*a)  # type: ignore
    reply = jar.visit("/")
    assert (reply.cache, opened, reply.get("Vary")) == ("HIT", [], "")
    assert "public" in reply.get("Cache-Control")


def test_p11_a_page_that_reads_says_so_to_caches_in_front() -> None:
    site = Site()
    site.page("/session", lambda: str(session.get("name")))
    site.page("/cookie", lambda: str(request.cookies.get("theme")))
    for path in ("/session", "/cookie"):
        for _ in range(2):
            reply = Jar(site).visit(path)
            assert "Cookie" in reply.get("Vary")
            assert reply.get("Cache-Control") == "private, max-age=0, must-revalidate"


@pytest.mark.parametrize(
    ("said", "vary", "control"),
    [({}, "Cookie", "private, max-age=0, must-revalidate"),
     ({"Vary": "Accept", "Cache-Control": "max-age=5"}, "Accept, Cookie", "max-age=5"),
     ({"Vary": "Cookie", "Expires": "0"}, "Cookie", ""), ({"Vary": "*"}, "*", None)],
)  # fmt: skip
def test_p11_own_answers_say_so_to_caches_in_front_as_well(
    said: dict[str, str], vary: str, control: str | None
) -> None:
    site = Site()
    site.page("/", lambda: (request.cookies.get("theme", "light"), 200, said))
    Jar(site).visit("/")
    reply = Jar(site, theme="dark").visit("/")
    assert reply.text == "dark"
    if control is not None:
        assert (reply.cache, reply.get("Vary")) == ("BYPASS", vary)
        assert reply.get("Cache-Control") == control


def test_p11_a_cookie_that_is_read_counts_though_the_app_says_no_vary() -> None:
    site = Site()
    site.page("/", lambda: f"theme {request.cookies.get('theme', 'light')}")
    assert Jar(site).visit("/").text == "theme light"
    assert Jar(site, other="x", _ga="1").visit("/").cache == "HIT"
    dark = Jar(site, theme="dark").visit("/")
    assert (dark.text, dark.cache, dark.detail) == ("theme dark", "BYPASS", "cookie")


def test_p11_who_says_vary_cookie_reads_every_cookie() -> None:
    site = Site()
    site.page("/", lambda: ("hello", 200, {"Vary": "Cookie"}))
    Jar(site).visit("/")
    assert Jar(site, _ga="1").visit("/").cache == "HIT"
    assert Jar(site, anything="1").visit("/").cache == "BYPASS"


def test_p11_cookies_of_the_policy_go_before_what_was_read() -> None:
    site = Site()
    site.page("/", lambda: f"hello {session.get('name')}", cookies=["vip"])
    ann = Jar(site)
    ann.visit("/set?name=Ann", "POST")
    assert Jar(site).visit("/").text == "hello None"
    assert ann.visit("/").text == "hello None"
    assert Jar(site, vip="1").visit("/").cache == "BYPASS"


def test_p11_keep_vary_keeps_what_the_frameworks_session_says() -> None:
    site = Site()
    site.page("/", lambda: session._get_current_object() is not None and "hello", keep_vary=True)  # type: ignore
    site.page("/less", lambda: session._get_current_object() is not None and "hello")  # type: ignore
    assert "Cookie" in Jar(site).visit("/").get("Vary")
    assert "Cookie" not in Jar(site).visit("/less").get("Vary")
    assert Jar(site, x="1").visit("/").cache == "BYPASS"
    assert Jar(site, x="1").visit("/less").cache == "HIT"


def test_p11_a_cookie_that_the_page_deletes_is_read() -> None:
    site = Site()

    def page() -> flask.Response:
        response = flask.make_response("hello")
        response.delete_cookie("notice")
        return response

    site.page("/", page)
    first = Jar(site).visit("/")
    assert (first.cache, first.get("Set-Cookie")) == ("MISS", "")
    reply = Jar(site, notice="seen").visit("/")
    assert (reply.cache, reply.get("Set-Cookie").startswith("notice=;")) == ("BYPASS", True)
    assert Jar(site, other="x").visit("/").cache == "HIT"


def test_p11_what_a_body_reads_after_the_view_has_returned_counts() -> None:
    site = Site()

    def page() -> object:
        return flask.stream_with_context(part for part in (session.get(k, "-") for k in ("name",)))

    site.page("/", page)
    ann = Jar(site)
    ann.visit("/set?name=Ann", "POST")
    assert Jar(site).visit("/").text == "-"
    assert ann.visit("/").text == "Ann"
    site.clock.tick(61)
    assert Jar(site).visit("/").text == "-"


def test_p11_reads_that_come_and_go_with_renders_last_for_a_day() -> None:
    site = Site()
    reads = [True]
    site.page("/", lambda: f"hello {session.get('name')}" if reads[0] else "hello you")
    ann = Jar(site)
    ann.visit("/set?name=Ann", "POST")
    assert Jar(site).visit("/").text == "hello None"
    reads[0] = False
    for _ in range(2):
        site.clock.tick(61)
        Jar(site).visit("/")
        site.later.run()
        assert Jar(site).visit("/").cache == "HIT"
        assert ann.visit("/").cache == "BYPASS"
    site.isg.purge_path("/")
    Jar(site).visit("/")
    assert ann.visit("/").cache == "BYPASS"
    site.clock.tick(86_400)
    Jar(site).visit("/")
    site.later.run()
    assert (ann.visit("/").cache, ann.visit("/").text) == ("HIT", "hello you")


@pytest.mark.parametrize("backend", BACKENDS)
def test_p11_a_write_refuses_the_page_and_names_the_key(
    backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(backend)

    def counts() -> str:
        session["visits"] = session.get("visits", 0) + 1
        return str(session["visits"])

    site.page("/", counts)
    jar = Jar(site)
    assert [jar.visit("/").text for _ in range(3)] == ["1", "2", "3"]
    assert jar.visit("/").detail == "set-cookie"
    assert "writes the session key 'visits' (tests/flask/test_reads_decide.py:" in caplog.text
    assert "writes the session key 'visits'" in str(site.isg.why("/"))
    if backend == "server":
        assert len(site.sessions._cache) == 1


def test_p11_bookkeeping_is_no_write() -> None:
    site = Site()

    @site.app.before_request
    def renew() -> None:
        session.permanent = True

    site.page("/", lambda: "hello")
    jar = Jar(site)
    jar.visit("/set?basket=1", "POST")
    reply = jar.visit("/")
    assert (reply.cache, reply.get("Set-Cookie")) == ("MISS", "")
    assert jar.visit("/").cache == "HIT"


def test_p11_a_session_backend_that_is_down_gives_owners_their_own_answers() -> None:
    site = Site("server")
    site.page("/", lambda: f"hello {request.args and session.get('name')}")
    site.page("/name", lambda: f"hello {session.get('name')}")
    Jar(site).visit("/name")
    original = site.app.session_interface.open_session
    asked = []

    def down(app: Flask, request: flask.Request) -> object:
        if "session" not in request.cookies:
            return original(app, request)
        asked.append(1)
        raise ConnectionError("no route to host")

    site.app.session_interface.open_session = down  # type: ignore[method-assign]
    site.app.config["PROPAGATE_EXCEPTIONS"] = False
    owner = Jar(site, session="x" * 43)
    reply = owner.visit("/name")
    assert (reply.cache, reply.detail) == ("BYPASS", "session-unreadable")
    assert len(asked) == 2  # once to judge, once by the app itself
    owner.visit("/name")
    assert len(asked) == 3
    assert Jar(site, other="x").visit("/name").cache == "HIT"


def test_p11_invented_session_cookies_are_looked_at_and_not_remembered_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert visitor_check._MAX_REMEMBERED <= 4_096
    monkeypatch.setattr(visitor_check, "_MAX_REMEMBERED", 64)
    site = Site()
    site.page("/", lambda: f"hello {session.get('name')}")
    Jar(site).visit("/")
    for number in range(200):
        assert Jar(site, session=f"forged{number}").visit("/").cache == "HIT"
    check = site.isg.core.runtime.engine.visitors
    assert 0 < len(check._keys) <= 64
    assert 0 < len(check._admitted) <= 64


def test_p11_only_what_flask_itself_keeps_in_a_cookie_is_remembered() -> None:
    """A subclass may keep something else beside it, which changes under the same cookie."""

    class Sessions(SecureCookieSessionInterface):
        pass

    class Own(SecureCookieSession):
        pass

    site = Site()
    kept = site.isg.core.runtime.site
    assert kept.cookie_session == "session"
    site.app.session_interface = Sessions()
    assert (kept.cookie_session, kept.session_cookie) == ("", "session")
    site.app.session_interface = SecureCookieSessionInterface()
    site.app.session_interface.session_class = Own
    assert kept.cookie_session == ""


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


@pytest.mark.parametrize("backend", BACKENDS)
def test_p11_flask_login_costs_only_pages_that_show_the_user(backend: str) -> None:
    site = Site(backend)
    manager = LoginManager(site.app)
    manager.user_loader(User)
    site.app.post("/login/<name>")(lambda name: str(login_user(User(name), remember=True)))
    site.app.get("/logout", endpoint="logout")(revalidate(60)(lambda: str(logout_user())))
    site.page("/", lambda: flask.render_template_string("hello"))
    site.page("/me", lambda: flask.render_template_string("{{ current_user.id or 'nobody' }}"))
    site.page("/view", lambda: current_user.id if current_user.is_authenticated else "nobody")
    ann, bob = Jar(site), Jar(site)
    for name, jar in (("ann", ann), ("bob", bob)):
        jar.visit(f"/login/{name}", "POST")
    for path in ("/", "/me", "/view", "/logout"):
        Jar(site).visit(path)
    for _ in range(2):
        assert (ann.visit("/").cache, bob.visit("/").cache) == ("HIT", "HIT")
        for path in ("/me", "/view"):
            assert (ann.visit(path).text, bob.visit(path).text) == ("ann", "bob")
            assert Jar(site).visit(path).text == "nobody"
    del bob.cookies["session"]
    assert bob.visit("/me").text == "bob"  # by the remember cookie alone
    assert ann.visit("/logout").cache == "BYPASS"
    assert ann.visit("/me").text == "nobody"


def test_p11_why_names_the_key_and_the_place() -> None:
    site = Site()
    site.page("/", lambda: f"hello {session.get('name')}")
    ann = Jar(site)
    ann.visit("/set?name=Ann", "POST")
    Jar(site).visit("/")
    said = site.isg.why("/", cookies=ann.cookies)
    assert (said.outcome, said.detail) == ("BYPASS", "cookie")
    assert said.decided_by.startswith(
        "the page reads the session key 'name' (tests/flask/test_reads_decide.py:"
    )
    assert "JavaScript" in said.remedy
    shared = site.isg.why("/", cookies={"session": "x"})
    assert shared.outcome == "HIT"
    assert shared.reads[0].startswith("the session key 'name' (tests/flask/test_reads_decide.py:")


def test_p11_policies_with_keep_vary_are_checked() -> None:
    with pytest.raises(isgware.ConfigurationError, match="keep_vary"):
        Policy(keep_vary="yes")  # type: ignore[arg-type]
