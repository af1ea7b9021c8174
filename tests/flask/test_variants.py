"""Variants of Flask pages by what is in the session, and by what a function says of its visitor."""

from __future__ import annotations

from typing import Any

import pytest
from flask import g, request, session
from flask_login import LoginManager, current_user, login_user

import isgware.flask
from isgware import ConfigurationError, Policy
from tests.promises.kit import visit

from .test_reads_decide import BACKENDS, Jar, Site, User


def visitor(site: Site, query: str = "", **cookies: str) -> Jar:
    jar = Jar(site, **cookies)
    if query:
        jar.visit(f"/set?{query}", "POST")
    return jar


@pytest.mark.parametrize("backend", BACKENDS)
def test_p1_a_key_of_the_session_is_part_of_the_key_and_of_the_clean_room(backend: str) -> None:
    site = Site(backend)
    seen: list[dict[str, Any]] = []

    def page() -> str:
        seen.append({**session, "modified": session.modified})
        return f"{session.get('lang')} {session.get('name')}"

    site.page("/", page, vary=["session:lang"])
    german, french = visitor(site, "lang=de"), visitor(site, "lang=fr")
    shopper = visitor(site, "basket=1")
    assert [jar.visit("/").text for jar in (german, french, shopper, Jar(site))] == [
        "de None", "fr None", "None None", "None None"
    ]  # fmt: skip
    asked = ("lang", "basket", "modified")
    rooms = [{key: room[key] for key in asked if key in room} for room in seen]
    assert {"lang": "de", "modified": False} in rooms
    assert {"modified": False} in rooms


@pytest.mark.parametrize("backend", BACKENDS)
def test_p11_a_keyed_key_makes_nobody_special(backend: str) -> None:
    site = Site(backend)
    site.page("/", lambda: f"{session.get('lang')} {session.get('name')}", vary=["session:lang"])
    first, second = visitor(site, "lang=de"), visitor(site, "lang=de&basket=1")
    ann = visitor(site, "lang=de&name=Ann")
    assert [first.visit("/").text, second.visit("/").text] == ["de None", "de None"]
    assert second.visit("/").cache == "HIT"
    for _ in range(2):
        reply = ann.visit("/")
        assert (reply.text, reply.cache, reply.detail) == ("de Ann", "BYPASS", "cookie")
    headers = dict(second.visit("/").headers)
    assert "private" in headers["Cache-Control"]
    assert "Cookie" in headers["Vary"]
    assert "private" in dict(Jar(site).visit("/").headers)["Cache-Control"]


@pytest.mark.parametrize(
    ("value", "detail"),
    [("x" * 65, "odd-variant"), ("a\nb", "odd-variant"), (7, "odd-variant"), ("", "")],
)
def test_p2_who_has_a_value_that_makes_no_key_gets_their_own_answer(
    value: object, detail: str
) -> None:
    site = Site("server")
    site.page("/", lambda: f"<{session.get('lang')}>", vary=["session:lang"])
    site.app.post("/odd")(lambda: session.update(lang=value) or "set")
    jar = Jar(site)
    jar.visit("/odd", "POST")
    replies = [jar.visit("/") for _ in range(2)]
    assert [reply.text for reply in replies] == [f"<{value}>"] * 2
    assert replies[1].detail == detail
    assert replies[1].cache == ("BYPASS" if detail else "HIT")


def test_p2_values_that_are_not_listed_get_their_own_answers() -> None:
    site = Site()
    site.page("/", lambda: str(session.get("lang")), vary={"session:lang": ["de", "en"]})
    assert [visitor(site, "lang=xx").visit("/").detail for _ in range(2)] == ["odd-variant"] * 2
    assert visitor(site, "lang=de").visit("/").text == "de"


def test_p2_owners_of_a_session_that_cannot_be_opened_get_their_own_answers() -> None:
    site = Site("server")
    site.page("/", lambda: "page", vary=["session:lang"])
    jar = visitor(site, "lang=de")
    opened = site.app.session_interface.open_session

    def down(app: Any, asked: Any) -> Any:
        if not asked.environ.get("wsgi.version"):
            raise OSError("down")
        return opened(app, asked)

    site.app.session_interface.open_session = down  # type: ignore[method-assign]
    assert (jar.visit("/").text, jar.visit("/").detail) == ("page", "session-unreadable")
    assert Jar(site).visit("/").cache == "MISS"


class Staff:
    """A site whose pages differ by role."""

    def __init__(self) -> None:
        self.site = site = Site()
        self.asked = 0
        manager = LoginManager(site.app)
        manager.user_loader(User)
        site.app.post("/login/<name>")(self._login)

        @site.isg.variant("role")
        def role() -> str:
            self.asked += 1
            g.seen = current_user
            if not current_user.is_authenticated:
                return "guest"
            return "editor" if current_user.id == "ann" else "reader"

        self.role = role

    def _login(self, name: str) -> str:
        return str(login_user(User(name)))

    def member(self, name: str) -> Jar:
        jar = Jar(self.site)
        jar.visit(f"/login/{name}", "POST")
        return jar


def test_p1_what_a_function_says_of_its_visitor_is_part_of_the_key() -> None:
    staff = Staff()
    staff.site.page("/", lambda: f"for the {staff.role()}", vary=["user:role"])
    ann, bob, eve = (staff.member(name) for name in ("ann", "bob", "eve"))
    assert [jar.visit("/").text for jar in (ann, bob, eve, Jar(staff.site))] == [
        "for the editor", "for the reader", "for the reader", "for the guest",
    ]  # fmt: skip
    assert [jar.visit("/").cache for jar in (ann, bob, eve, Jar(staff.site))] == ["HIT"] * 4
    for jar in (ann, Jar(staff.site)):
        headers = dict(jar.visit("/").headers)
        assert ("private" in headers["Cache-Control"], "Cookie" in headers["Vary"]) == (True, True)
    before = staff.asked
    assert ann.visit("/").text == "for the editor"
    assert staff.asked == before + 1
    Jar(staff.site).visit("/")
    assert staff.asked == before + 1
    assert isgware.flask.ISG().variant("role")(lambda: "") is not None


def test_p11_a_function_of_a_variant_hides_no_read_of_the_page() -> None:
    staff = Staff()

    def page() -> str:
        said = staff.role()
        return f"{said} {current_user.is_authenticated} {'seen' in g}"

    staff.site.page("/", page, vary=["user:role"])
    assert Jar(staff.site).visit("/").text == "guest False False"
    for name, told in (("ann", "editor"), ("eve", "reader")):
        jar = staff.member(name)
        assert [jar.visit("/").text for _ in range(2)] == [f"{told} True True"] * 2
        assert jar.visit("/").cache == "BYPASS"


@pytest.mark.parametrize(
    ("returned", "detail"),
    [(None, "odd-variant"), (3, "odd-variant"), ("x" * 65, "odd-variant"),
     (ValueError("no"), "variant-failed"), (LookupError, "variant-failed")],
)  # fmt: skip
def test_p2_a_function_that_fails_costs_its_visitors_the_page_and_nobody_else(
    returned: object, detail: str, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site()

    def role() -> object:
        if isinstance(returned, Exception):
            raise returned
        return returned

    if returned is not LookupError:
        site.isg.variant("role")(role)
    site.page("/", lambda: "page", vary=["user:role"])
    jar = visitor(site, "basket=1")
    assert [(jar.visit("/").text, jar.visit("/").detail) for _ in range(2)] == [
        ("page", detail)
    ] * 2
    errors = [record for record in caplog.records if "@isg.variant" in record.getMessage()]
    assert len(errors) == 1
    assert Jar(site).visit("/").cache == "MISS"
    told = site.isg.why("/", cookies=jar.cookies)
    assert any("@isg.variant" in line for line in str(told).splitlines()), told


def test_an_owner_of_an_analytics_cookie_is_asked_nothing() -> None:
    staff = Staff()
    staff.site.page("/", lambda: "page", vary=["user:role"])
    Jar(staff.site).visit("/")
    before = staff.asked
    assert Jar(staff.site, _ga="1").visit("/").cache == "HIT"
    assert staff.asked == before


def test_a_variant_is_renewed_in_the_background_as_it_is() -> None:
    site = Site()
    site.page("/", lambda: f"{session.get('lang')} {site.renders}", vary=["session:lang"])
    jar = visitor(site, "lang=de")
    assert jar.visit("/").text == "de 1"
    site.clock.tick(61)
    assert jar.visit("/").cache == "STALE"
    site.later.run()
    assert (jar.visit("/").text, jar.visit("/").cache) == ("de 2", "HIT")
    (row,) = site.isg.pages()
    assert row.variant == "session:lang=de"


@pytest.mark.parametrize(
    ("vary", "told"),
    [("session:", "session:KEY"), ("user:", "@isg.variant"), ("user:a b", "@isg.variant"),
     ("session:a\nb", "session:KEY"), ("session:" + "x" * 300, "session:KEY")],
)  # fmt: skip
def test_what_names_no_variant_is_an_error_that_says_how_to_write_it(vary: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        Policy(vary=[vary])


def test_a_variant_is_registered_once_under_a_name() -> None:
    isg = isgware.flask.ISG()
    isg.variant("role")(lambda: "")
    for name, function in (("role", lambda: ""), ("no name", lambda: ""), ("other", 3), (4, str)):
        with pytest.raises(ConfigurationError, match="variant"):
            isg.variant(name)(function)  # type: ignore[arg-type, type-var]


def test_p1_a_visitor_without_cookies_gets_the_page_of_nobody() -> None:
    site = Site()

    @site.isg.variant("theme")
    def theme() -> str:
        return request.cookies.get("theme", "light")

    site.page("/", lambda: theme(), vary=["user:theme"])
    assert [Jar(site, theme=name).visit("/").text for name in ("dark", "red")] == ["dark", "red"]
    assert (Jar(site).visit("/").text, visit(site.app, "/").cache) == ("light", "HIT")
