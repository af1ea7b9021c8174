"""Holes in Django: everybody gets the stored page, and what is a visitor's own is put into it."""

from __future__ import annotations

import gzip
import re

import pytest
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.template import engines
from django.test.utils import override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from werkzeug.test import Client

from isgware import ConfigurationError, hole, holes, page, revalidate

SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
HOOK = "tests.django.test_holes.hook"
FILLER = "<p>text that makes a page of it</p>\n" * 60
PAGE = (
    """{% load isgware %}{% hole "_account.html" %}|{% hole "basket" small=True %}<a>Basket</a>
{% endhole %}|"""
    + FILLER
)
TOKEN = re.compile("[A-Za-z0-9]{64}")
renders: list[str] = []
answers: list[object] = []


@pytest.fixture(autouse=True)
def registry():
    before = dict(holes.registered)
    renders.clear()
    answers.clear()

    @hole("basket")
    def basket(request, small=False):
        return f"<i>{len(request.session.get('items', []))} items{' small' if small else ''}</i>"

    yield
    holes.registered.clear()
    holes.registered.update(before)


def hook(get_response):
    """A middleware that answers what the test says, and counts who comes by."""

    def middleware(request):
        renders.append("middleware")
        if answers and isinstance(answers[0], HttpResponse):
            return answers.pop()
        if answers:
            raise answers.pop()
        return get_response(request)

    return middleware


@csrf_exempt
def become(request, name):
    request.session["user"] = name
    request.session["items"] = [1, 2]
    return HttpResponse("done")


def site(project, template=PAGE, view=None, middleware=(SESSIONS, HOOK), **settings):
    @revalidate(60)
    def shown(request):
        renders.append("view")
        return HttpResponse(engines["django"].from_string(template).render({}, request))

    files = {"_account.html": "<b>{{ request.session.user|default:'stranger' }}</b>"}
    templates = [{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [("django.template.loaders.locmem.Loader", files)],
            "libraries": {"isgware": "isgware.django.templatetags.isgware"},
            "context_processors": ["django.template.context_processors.request"],
        },
    }]  # fmt: skip
    settings.setdefault("SESSION_ENGINE", "django.contrib.sessions.backends.signed_cookies")
    routes = [
        path("page", view or shown), path("become/<name>", become),
        path("order", lambda request: HttpResponse("ordered")),
    ]  # fmt: skip
    return project(routes, TEMPLATES=templates, MIDDLEWARE=list(middleware), **settings)


def visitor(isg, name=None):
    client = Client(isg)
    if name:
        client.post(f"/become/{name}")
    return client


def test_strangers_get_placeholders_and_members_their_own(project):
    isg = site(project)
    ann, bob, stranger = visitor(isg, "ann"), visitor(isg, "bob"), visitor(isg)
    for _ in range(3):
        for who, name in ((ann, "ann"), (bob, "bob")):
            got = who.get("/page")
            assert got.text.startswith(f"<b>{name}</b>|<i>2 items small</i>|")
            assert got.headers["Cache-Control"] == "private, no-cache"
            assert "detail=filled" in got.headers["Cache-Status"]
            assert "ETag" not in got.headers
        got = stranger.get("/page")
        assert got.text.startswith("<b>stranger</b>|<a>Basket</a>\n|")
        assert got.headers["ETag"]
        assert "private" in got.headers["Cache-Control"]
    assert renders.count("view") == 1


def test_one_run_behind_all_middleware(project):
    isg = site(project)

    @hole("count")
    def count(request):
        if "user" in request.session:
            request.session["n"] = request.session.get("n", 0) + 1
        return f"[{request.session.get('n', 0)}]"

    isg = site(project, '{% load isgware %}{% hole "count" %}{% hole "count" %}' + FILLER)
    visitor(isg).get("/page")
    ann = visitor(isg, "ann")
    renders.clear()
    assert [ann.get("/page").text[:6] for _ in range(3)] == ["[1][1]", "[2][2]", "[3][3]"]
    assert renders == ["middleware"] * 3


def test_a_run_that_answers_early_or_raises(project, caplog):
    isg = site(project)
    visitor(isg).get("/page")
    ann = visitor(isg, "ann")
    answers[:] = [HttpResponseRedirect("/login")]
    assert ann.get("/page").headers["Location"] == "/login"
    answers[:] = [HttpResponse("closed", status=503)]
    assert ann.get("/page").status_code == 503
    answers[:] = [RuntimeError("in the middleware")]
    got = ann.get("/page")
    assert got.text.startswith("<b>stranger</b>|<a>Basket</a>\n|")
    assert "detail=hole-failed" in got.headers["Cache-Status"]
    assert "in the middleware" in caplog.text
    assert ann.get("/page").text.startswith("<b>ann</b>|")


def test_a_hole_that_raises_costs_that_hole_only(project, caplog):
    @hole("odd")
    def odd(request, n=0):
        if "user" in request.session and n:
            raise Http404
        return f"({n})"

    isg = site(project, '{% load isgware %}{% hole "odd" n=1 %}{% hole "_account.html" %}' + FILLER)
    visitor(isg).get("/page")
    assert visitor(isg, "ann").get("/page").text.startswith("(1)<b>ann</b>")
    assert "The hole 'odd'" in caplog.text


@pytest.mark.parametrize("with_sessions", [False, True])
def test_tokens_of_the_page_and_of_its_holes(project, with_sessions):
    @hole("form")
    def form(request):
        return f"<input name=csrfmiddlewaretoken value={get_token(request)}>"

    template = '{% load isgware %}<form>{% csrf_token %}{% hole "_account.html" %}{% hole "form" %}'
    isg = site(
        project, template + FILLER, middleware=(SESSIONS, CSRF, HOOK),
        CSRF_USE_SESSIONS=with_sessions,
    )  # fmt: skip
    assert visitor(isg).get("/page").headers["X-ISG-Cache"] == "MISS"
    for name in ("ann", None, "bob"):
        who = visitor(isg, name)
        for _ in range(3):
            got = who.get("/page")
            assert "hit" in got.headers["Cache-Status"]
            assert f"<b>{name or 'stranger'}</b>" in got.text
            tokens = TOKEN.findall(got.text)
            assert len(tokens) == 2
            assert len({unmasked(token) for token in tokens}) == 1
            for token in tokens:
                sent = {"csrfmiddlewaretoken": token}
                assert who.post("/order", data=sent).status_code == 200
                assert visitor(isg, "eve").post("/order", data=sent).status_code == 403
    assert renders.count("view") == 1


def unmasked(token):
    from django.middleware.csrf import _unmask_cipher_token

    return _unmask_cipher_token(token)


def test_holes_in_python_and_in_a_404(project):
    @revalidate(60)
    def missing(request):
        return HttpResponse(page.hole("basket", small=True) + FILLER, status=404)

    isg = site(project, view=missing)
    visitor(isg).get("/page")
    for name, items in (("ann", 2), (None, 0)):
        got = visitor(isg, name).get("/page", headers={"Accept-Encoding": "gzip"})
        assert got.status_code == 404
        assert "hit" in got.headers["Cache-Status"]
        assert gzip.decompress(got.data).startswith(f"<i>{items} items small</i>".encode())


def test_a_hole_inside_a_fragment_cache_is_an_error_that_says_so(project, caplog):
    template = '{% load isgware cache %}{% cache 60 side %}{% hole "_account.html" %}{% endcache %}'
    isg = site(project, template, DEBUG_PROPAGATE_EXCEPTIONS=True)
    with pytest.raises(ConfigurationError, match="inside a cache of the app"):
        visitor(isg).get("/page")


def test_a_site_wide_cache_keeps_no_page_with_holes(project):
    cached = (
        "django.middleware.cache.UpdateCacheMiddleware", SESSIONS, HOOK,
        "django.middleware.cache.FetchFromCacheMiddleware",
    )  # fmt: skip
    isg = site(project, middleware=cached)
    for _ in range(3):
        for name in ("ann", None, "bob"):
            got = visitor(isg, name).get("/page")
            assert got.text.startswith(f"<b>{name or 'stranger'}</b>|")
            assert "isgh" not in got.text


def test_nested_holes_refuse_the_page_and_fail_in_debug(project):
    @hole("outer")
    def outer(request):
        return f"({page.hole('_account.html')})"

    isg = site(project, '{% load isgware %}{% hole "outer" %}' + FILLER)
    got = visitor(isg, "ann").get("/page")
    assert got.text.startswith("(<b>ann</b>)")
    assert "detail=nested-hole" in got.headers["Cache-Status"]
    with override_settings(DEBUG=True):
        assert visitor(isg, "ann").get("/page").status_code == 500


def test_tags_in_place(project):
    isg = site(project, enabled=False)
    got = visitor(isg, "ann").get("/page")
    assert got.text.startswith("<b>ann</b>|<i>2 items small</i>|")


@pytest.mark.parametrize(("template", "said"), [
    ("{% hole %}", "takes the name"), ('{% hole "basket" True %}', "arguments by name"),
    ('{% hole "nothing" %}', "no hole 'nothing'"),
])  # fmt: skip
def test_errors_of_tags(project, template, said):
    isg = site(project, "{% load isgware %}" + template, DEBUG_PROPAGATE_EXCEPTIONS=True)
    with pytest.raises(Exception, match=said):
        visitor(isg).get("/page")
