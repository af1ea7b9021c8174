"""Holes in Jinja2 templates under Django, in asynchronous views and functions, and what a hole may
try there."""

from __future__ import annotations

import gzip

import pytest
from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.template import engines
from django.test.utils import override_settings
from jinja2 import Environment

from isgware import hole, page, revalidate
from tests.django.test_holes import FILLER, HOOK, SESSIONS, renders, site, visitor
from tests.django.test_holes import registry as registry
from tests.flask.test_client_holes import asks, made

JINJA = (
    '{{ hole("basket", request=request) }}|'
    '{% call hole("basket", small=true, request=request) %}<a>Basket</a>{% endcall %}|'
    '{{ hole("basket", client=true) }}|' + FILLER
)


def environment(**options):
    made = Environment(**options)
    made.globals["hole"] = page.hole
    return made


def test_jinja_templates_under_django(project):
    @revalidate(60)
    def shown(request):
        renders.append("view")
        return HttpResponse(engines["jinja"].from_string(JINJA).render({}, request))

    jinja = {
        "BACKEND": "django.template.backends.jinja2.Jinja2", "NAME": "jinja",
        "OPTIONS": {"environment": "tests.django.test_holes_elsewhere.environment"},
    }  # fmt: skip
    isg = site(project, view=shown)
    with override_settings(TEMPLATES=[*settings.TEMPLATES, jinja]):
        first = visitor(isg).get("/page")
        assert first.text.startswith("<i>0 items</i>|<a>Basket</a>|<isg-hole")
        ann = visitor(isg, "ann").get("/page")
        assert ann.text.startswith("<i>2 items</i>|<i>2 items small</i>|<isg-hole")
        assert "detail=filled" in ann.headers["Cache-Status"]
        assert made(visitor(isg, "ann").get(asks(first.text))) == {"0": "<i>2 items</i>"}
        assert renders.count("view") == 1


def test_asynchronous_views(project):
    @revalidate(60)
    async def shown(request):
        renders.append("view")
        return HttpResponse(page.hole("basket") + FILLER)

    isg = site(project, view=shown)
    visitor(isg).get("/page")
    for name, items in (("ann", 2), (None, 0)):
        got = visitor(isg, name).get("/page")
        assert got.text.startswith(f"<i>{items} items</i>")
        assert "hit" in got.headers["Cache-Status"]
    assert renders.count("view") == 1


def test_asynchronous_holes(project):
    @hole("later")
    async def later(request):
        return f"<u>{request.session.get('user', 'nobody')}</u>"

    isg = site(project, '{% load isgware %}{% hole "later" %}' + FILLER)
    visitor(isg).get("/page")
    got = visitor(isg, "ann").get("/page")
    assert got.text.startswith("<u>ann</u>")
    assert "detail=filled" in got.headers["Cache-Status"]


def test_what_a_hole_does_to_the_session_is_its_visitors_alone(project, caplog):
    @hole("visits")
    def visits(request):
        if not request.session.get("user"):
            return "0"
        request.session["visits"] = request.session.get("visits", 0) + 1
        if request.session["visits"] == 3:
            request.session.flush()
            return "gone"
        return str(request.session["visits"])

    @hole("moved")
    def moved(request):
        if request.session.get("user"):
            return HttpResponseRedirect("/login")
        return "here"

    template = '{% load isgware %}{% hole "visits" %}|{% hole "moved" %}|' + FILLER
    isg = site(project, template)
    visitor(isg).get("/page")
    ann, bob = visitor(isg, "ann"), visitor(isg, "bob")
    for who, shown in ((ann, "1"), (bob, "1"), (ann, "2"), (ann, "gone"), (bob, "2")):
        got = who.get("/page")
        assert got.text.startswith(f"{shown}|here|")
        assert "sessionid=" in got.headers["Set-Cookie"]
    assert "The hole 'moved' returned" in caplog.text
    for who in (ann, visitor(isg)):
        got = who.get("/page")
        assert got.text.startswith("0|here|")
        assert "Set-Cookie" not in got.headers


@pytest.mark.parametrize("headers", [
    {"Accept-Encoding": "gzip"}, {"Range": "bytes=0-5"}, {"If-None-Match": "*"},
])  # fmt: skip
def test_behind_middleware_that_compresses_and_validates(project, headers):
    middleware = (
        "django.middleware.gzip.GZipMiddleware",
        "django.middleware.http.ConditionalGetMiddleware", SESSIONS, HOOK,
    )  # fmt: skip
    isg = site(project, middleware=middleware)
    visitor(isg).get("/page")
    ann = visitor(isg, "ann")
    got = ann.get("/page", headers=headers)
    assert got.status_code == 200
    body = gzip.decompress(got.data) if "Content-Encoding" in got.headers else got.data
    assert body.startswith(b"<b>ann</b>|<i>2 items small</i>|")
    assert ann.head("/page", headers=headers).data == b""
