"""P11: what a page did not read makes nobody special (Django)."""

from importlib import import_module

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib import messages
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.core.cache import cache
from django.http import HttpResponse
from django.template import engines
from django.urls import path
from django.views.decorators.vary import vary_on_cookie

import isgware.django
from isgware import revalidate
from isgware.policy import policy_of
from tests.promises.kit import environ_of
from tests.promises.kit import visit as send

BACKENDS = "django.contrib.sessions.backends"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ENGINES = ["signed_cookies", "cache", "file"]
COOKIES = "django.contrib.messages.storage.cookie.CookieStorage"
STORAGES = ["cookie.CookieStorage", "session.SessionStorage", "fallback.FallbackStorage"]


class Jar:
    """A visitor and their cookies."""

    def __init__(self, isg, **cookies):
        self.isg = isg
        self.cookies = cookies

    def visit(self, where, method="GET"):
        sent = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        where, _, query = where.partition("?")
        headers = {"Cookie": sent} if sent else {}
        reply = send(self.isg, where, query, method=method, headers=headers)
        for name, value in reply.headers:
            if name == "Set-Cookie":
                key, _, rest = value.partition("=")
                self.cookies[key.strip()] = rest.partition(";")[0]
                if self.cookies[key.strip()] in ("", '""'):
                    del self.cookies[key.strip()]
        return reply


def write(request):
    for key, value in request.GET.items():
        request.session[key] = value
    return HttpResponse("set")


def forget(request):
    request.session.flush()
    return HttpResponse("forgotten")


def tell(request):
    messages.success(request, "saved")
    return HttpResponse("told")


@pytest.fixture
def site(project, tmp_path):
    """``site(view, …)``: an ISG around views at ``/0``, ``/1`` …, and what changes sessions."""

    def make(*views, engine="signed_cookies", **changes):
        from django.views.decorators.csrf import csrf_exempt

        patterns = [
            path(str(number), view if policy_of(view) else revalidate(60)(view))
            for number, view in enumerate(views)
        ]
        for name, view in (("set", write), ("forget", forget), ("tell", tell)):
            patterns.append(path(name, csrf_exempt(view)))
        changes.setdefault("MIDDLEWARE", MIDDLEWARE)
        changes.setdefault(
            "MESSAGE_STORAGE", "django.contrib.messages.storage.cookie.CookieStorage"
        )
        return project(
            patterns, SESSION_ENGINE=f"{BACKENDS}.{engine}", SESSION_FILE_PATH=str(tmp_path),
            ISGWARE={"store": "memory:", "enabled": True}, **changes,
        )  # fmt: skip

    yield make
    cache.clear()
    if hasattr(FileStore, "_storage_path"):
        del FileStore._storage_path  # which Django finds once in a process


def hello(request):
    return HttpResponse(f"hello {request.session.get('name')}")


def plain(request):
    return HttpResponse("hello")


@pytest.mark.parametrize("engine", ENGINES)
def test_p11_a_session_without_the_key_that_is_read_gets_the_shared_page(site, engine):
    isg = site(hello, engine=engine)
    shopper, ann = Jar(isg), Jar(isg)
    shopper.visit("/set?basket=3", "POST")
    ann.visit("/set?name=Ann", "POST")
    first = Jar(isg).visit("/0")
    assert (first.text, "Cookie" in first.get("Vary")) == ("hello None", True)
    assert first.get("Cache-Control") == "private, max-age=0, must-revalidate"
    for _ in range(3):
        assert (shopper.visit("/0").cache, shopper.visit("/0").text) == ("HIT", "hello None")
        reply = ann.visit("/0")
        assert (reply.text, reply.cache, reply.detail) == ("hello Ann", "BYPASS", "cookie")


@pytest.mark.parametrize("engine", ENGINES)
def test_p11_logging_in_and_out_counts_with_the_next_visit(site, engine):
    isg = site(hello, engine=engine)
    jar = Jar(isg)
    assert jar.visit("/0").text == "hello None"
    for name in ("Ann", "Bob"):
        jar.visit(f"/set?name={name}", "POST")
        assert [jar.visit("/0").text for _ in range(2)] == [f"hello {name}"] * 2
        jar.visit("/forget", "POST")
        assert (jar.visit("/0").text, jar.visit("/0").cache) == ("hello None", "HIT")


WHOLE = {
    "items": lambda session: list(session.items()),
    "keys": lambda session: list(session.keys()),
    "is_empty": lambda session: session.is_empty(),
    "session_key": lambda session: session.session_key,
    "flush": lambda session: session.flush(),
    "cycle_key": lambda session: session.cycle_key(),
    "expiry": lambda session: session.get_expiry_age(),
    "inside": lambda session: session._session,
}


@pytest.mark.parametrize("way", WHOLE)
def test_p11_reading_everything_makes_any_session_personal(site, way):
    isg = site(lambda request: HttpResponse(str(WHOLE[way](request.session) is None)), plain)
    shopper = Jar(isg)
    shopper.visit("/set?basket=3", "POST")
    assert Jar(isg).visit("/0").cache == "MISS"
    forged = Jar(isg, sessionid="forged").visit("/0")  # holds nothing, and is there
    assert forged.cache == ("BYPASS" if way in ("is_empty", "session_key") else "HIT")
    assert shopper.visit("/0").cache == "BYPASS"
    assert [shopper.visit("/1").cache for _ in range(2)] == ["MISS", "HIT"]


ONE = {
    "in": lambda session: "name" in session,
    "get": lambda session: session.get("name"),
    "pop": lambda session: session.pop("name", None),
    "has_key": lambda session: session.has_key("name"),
    "template": lambda session: (
        engines["django"].from_string("{{ session.name }}").render({"session": session})
    ),
}


@pytest.mark.parametrize("way", ONE)
def test_p11_a_key_that_is_asked_for_is_read(site, way):
    templates = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
    isg = site(lambda request: HttpResponse(str(ONE[way](request.session))), TEMPLATES=templates)
    ann, shopper = Jar(isg), Jar(isg)
    ann.visit("/set?name=Ann", "POST")
    shopper.visit("/set?basket=1", "POST")
    Jar(isg).visit("/0")
    assert (ann.visit("/0").cache, shopper.visit("/0").cache) == ("BYPASS", "HIT")


@pytest.mark.parametrize("save_every_request", [False, True])
def test_p11_a_page_that_reads_nothing_is_everybodys(site, save_every_request):
    isg = site(plain, engine="cache", SESSION_SAVE_EVERY_REQUEST=save_every_request)
    ann = Jar(isg)
    ann.visit("/set?name=Ann", "POST")
    first = ann.visit("/0")
    assert (first.cache, first.get("Set-Cookie"), first.get("Vary")) == ("MISS", "", "")
    assert ann.visit("/0").cache == "HIT"


def test_p11_how_long_a_session_lasts_is_bookkeeping(site):
    def renews(request):
        request.session.set_expiry(300)
        return HttpResponse("hello")

    isg = site(renews, engine="cache")
    first = Jar(isg).visit("/0")
    assert (first.cache, first.get("Set-Cookie")) == ("MISS", "")
    assert Jar(isg).visit("/0").cache == "HIT"


def test_p11_cookies_are_read_by_name_or_all(site):
    isg = site(
        lambda request: HttpResponse(request.COOKIES.get("theme", "light")),
        lambda request: HttpResponse(request.META.get("HTTP_COOKIE", "none")),
        lambda request: HttpResponse(request.headers.get("Cookie", "none")),
        vary_on_cookie(plain),
        lambda request: HttpResponse(request.headers.get("X-Other", "none")),
    )
    for number in range(5):
        Jar(isg).visit(f"/{number}")
    assert Jar(isg, theme="dark").visit("/0").text == "dark"
    assert Jar(isg, other="x").visit("/0").cache == "HIT"
    for number in (1, 2, 3):
        assert Jar(isg, other="x").visit(f"/{number}").cache == "BYPASS"
        assert Jar(isg, _ga="x").visit(f"/{number}").cache == "HIT"
    assert Jar(isg, other="x").visit("/4").cache == "HIT"


def vary_and_session(request):
    return vary_on_cookie(hello)(request)


def test_p11_what_the_app_says_in_vary_counts_beside_what_the_framework_adds(site):
    isg = site(vary_and_session)
    Jar(isg).visit("/0")
    assert Jar(isg, other="x").visit("/0").cache == "BYPASS"


def counts(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]))


@pytest.mark.parametrize("engine", ENGINES)
def test_p11_a_write_refuses_the_page_names_the_key_and_is_not_saved(site, engine, tmp_path):
    isg = site(counts, engine=engine)
    jar = Jar(isg)
    assert [jar.visit("/0").text for _ in range(3)] == ["1", "2", "3"]
    assert jar.visit("/0").detail == "set-cookie"
    assert "writes the session key 'visits'" in str(isg.why("/0"))
    assert len(list(tmp_path.iterdir())) == (engine == "file")


def show_messages(request):
    return HttpResponse(", ".join(map(str, messages.get_messages(request))) or "nothing")


@pytest.mark.parametrize("storage", STORAGES)
def test_p11_messages_are_read_where_they_are_shown(site, storage):
    name = f"django.contrib.messages.storage.{storage}"
    isg = site(show_messages, plain, engine="cache", MESSAGE_STORAGE=name)
    for number in range(2):
        assert Jar(isg).visit(f"/{number}").cache == "MISS"
    jar = Jar(isg)
    jar.visit("/tell", "POST")
    assert jar.visit("/1").cache == "HIT"
    assert jar.visit("/0").text == "saved"
    assert jar.visit("/0").text == "nothing"
    assert Jar(isg).visit("/0").cache == "HIT"


def test_p11_a_session_that_is_none_of_djangos_reads_all_cookies(site):
    isg = site(lambda request: HttpResponse(str(request.session.get("x"))), MIDDLEWARE=[OWN])
    Jar(isg).visit("/0")
    assert Jar(isg, any="x").visit("/0").cache == "BYPASS"
    assert Jar(isg, _ga="x").visit("/0").cache == "HIT"


OWN = f"{__name__}.own_sessions"


def own_sessions(get_response):
    def middleware(request):
        request.session = {"x": 1}
        return get_response(request)

    return middleware


def test_p11_wsgi_middleware_inside_that_is_not_known_reads_all_cookies(site):
    isg = site(plain)
    inner = isg.core.application
    outer = isgware.django.ISG(lambda environ, start: inner(environ, start))
    Jar(outer).visit("/0")
    assert Jar(outer, any="x").visit("/0").cache == "BYPASS"


def test_p11_a_backend_that_is_down_gives_owners_their_own_answers(site, monkeypatch):
    isg = site(
        lambda request: HttpResponse(str(request.GET and hello(request))), hello, engine="cache"
    )
    Jar(isg).visit("/1")
    store = import_module(settings.SESSION_ENGINE).SessionStore

    def down(self):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(store, "load", down)
    reply = Jar(isg, sessionid="x" * 32).visit("/1")
    assert (reply.code, reply.cache, reply.detail) == (500, "BYPASS", "session-unreadable")
    assert Jar(isg, other="x").visit("/1").cache == "HIT"


def test_p11_visitors_own_requests_stay_as_they_are(site):
    from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

    site(plain)
    request = WSGIHandler().request_class(environ_of("/0"))
    assert type(request) is WSGIRequest
    assert type(request.COOKIES) is dict


def test_p11_why_names_the_key_and_the_place(site):
    isg = site(hello)
    ann = Jar(isg)
    ann.visit("/set?name=Ann", "POST")
    Jar(isg).visit("/0")
    said = isg.why("/0", cookies=ann.cookies)
    assert said.decided_by.startswith(
        "the page reads the session key 'name' (tests/django/test_reads.py:"
    )


def test_p11_what_changes_nothing_is_named_all_the_same(site):
    isg = site(
        lambda request: HttpResponse(request.META["REMOTE_ADDR"] + request.headers["User-Agent"])
    )
    assert [Jar(isg, sessionid="x").visit("/0").cache for _ in range(2)] == ["MISS", "HIT"]
    named = [text.partition(" (")[0] for text in isg.why("/0").reads]
    assert named == ["the client's address", "the header 'user-agent'"]


@pytest.mark.parametrize("way", ["save", "create", "aset"])
def test_p11_a_session_that_the_page_saves_itself_refuses_it(site, way):
    def saves(request):
        if way == "aset":
            async_to_sync(request.session.aset)("k", 1)
        else:
            getattr(request.session, way)()
        return HttpResponse("saved")

    isg = site(saves, engine="cache")
    Jar(isg).visit("/0")
    assert Jar(isg).visit("/0").detail == "set-cookie"


def test_p12_middleware_that_copies_the_environ_leaves_tokens_as_they_are(site):
    form = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
    isg = site(
        lambda request: HttpResponse(
            engines["django"].from_string("{% csrf_token %}").render({}, request)
        ),
        TEMPLATES=form,
    )  # fmt: skip
    inner = isg.core.application
    outer = isgware.django.ISG(lambda environ, start: inner(dict(environ), start))
    assert [Jar(outer).visit("/0").cache for _ in range(2)] == ["MISS", "HIT"]
    tokens = {Jar(outer).visit("/0").text for _ in range(2)}
    assert len(tokens) == 2
