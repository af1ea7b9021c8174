"""Variants of Django pages, by what is in the session, and what a function says of its visitor."""

from types import SimpleNamespace

import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpResponse
from django.utils.functional import SimpleLazyObject

import isgware.django.integration
from isgware import revalidate

from .test_reads import ENGINES, MIDDLEWARE, Jar
from .test_reads import site as site  # the fixture


class Users(SessionMiddleware):
    """As ``AuthenticationMiddleware``, of projects that have no such app."""

    def process_request(self, request):
        super().process_request(request)
        request.user = SimpleLazyObject(
            lambda: SimpleNamespace(is_authenticated="_auth_user_id" in request.session)
        )


@pytest.fixture(autouse=True)
def no_variants():
    """Those of the process are those of one test."""
    isgware.django.integration._variants.clear()
    yield
    isgware.django.integration._variants.clear()


def visitor(isg, query):
    jar = Jar(isg)
    jar.visit(f"/set?{query}", "POST")
    return jar


@pytest.mark.parametrize("engine", ENGINES)
def test_p1_a_key_of_the_session_is_part_of_the_key_and_of_the_clean_room(site, engine):
    held = []

    @revalidate(60, vary=["session:lang"])
    def page(request):
        inside = object.__getattribute__(request.session, "__dict__")  # which is no read
        held.append((dict(inside.get("_session_cache", {})), request.session.modified))
        lang, name = request.session.get("lang"), request.session.get("name")
        return HttpResponse(f"{lang} {name}")

    isg = site(page, engine=engine)
    german, shopper, ann = (
        visitor(isg, query) for query in ("lang=de", "lang=de&basket=1", "lang=de&name=Ann")
    )
    french = visitor(isg, "lang=fr")
    assert [jar.visit("/0").text for jar in (german, shopper, Jar(isg), french)] == [
        "de None", "de None", "None None", "fr None",
    ]  # fmt: skip
    assert shopper.visit("/0").cache == "HIT"
    for _ in range(2):
        reply = ann.visit("/0")
        assert (reply.text, reply.cache, reply.detail) == ("de Ann", "BYPASS", "cookie")
    keys = [({key for key in data if "isgware" not in key}, modified) for data, modified in held]
    assert ({"lang"}, False) in keys
    assert shopper.visit("/0").get("Cache-Control").startswith("private")


def test_p1_what_a_function_says_of_its_visitor_is_part_of_the_key(site):
    from isgware.django import isg as ours

    asked = []

    def role(request):
        asked.append(request.path)
        request.session.get("name")
        return request.session.get("role", "guest")

    says = []

    @revalidate(60, vary=["user:role"])
    def page(request):
        said = says[0](request)
        return HttpResponse(f"{said} {request.session.get('name')}")

    isg = site(page)
    says.append(ours().variant("role")(role))
    editor, reader = visitor(isg, "role=editor"), visitor(isg, "role=reader&basket=2")
    ann = visitor(isg, "role=reader&name=Ann")
    assert [jar.visit("/0").text for jar in (editor, reader, ann, Jar(isg))] == [
        "editor None", "reader None", "reader Ann", "guest None",
    ]  # fmt: skip
    before = len(asked)
    assert (editor.visit("/0").cache, Jar(isg).visit("/0").cache) == ("HIT", "HIT")
    assert len(asked) == before + 1
    assert set(asked) == {"/0"}


def test_p11_a_user_that_a_variant_has_looked_at_is_looked_at_by_the_page(site):
    """``request.user`` keeps what it has found: of the page's own request nobody may ask it."""
    from isgware.django import isg as ours

    says = []

    @revalidate(60, vary=["user:kind"])
    def page(request):
        return HttpResponse(f"{says[0](request)} {request.user.is_authenticated}")

    isg = site(
        page,
        MIDDLEWARE=[f"{__name__}.Users", *MIDDLEWARE[1:]],
    )
    says.append(ours().variant("kind")(lambda request: str(request.user.is_authenticated)))
    first = Jar(isg).visit("/0")
    assert first.text == "False False"
    assert "Cookie" in first.get("Vary")
    member = visitor(isg, "_auth_user_id=1")
    assert [member.visit("/0").cache for _ in range(2)] == ["BYPASS", "BYPASS"]
