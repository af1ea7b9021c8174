"""`isgware.django.matched`: the URL of a request is resolved once, and Django finds what it
would."""

import pytest
from django.http import HttpResponse
from django.urls import path, register_converter, resolvers
from django.urls.converters import REGISTERED_CONVERTERS, StringConverter, get_converters
from django.utils import translation
from django.utils.functional import lazy


def lazystr(function):
    return lazy(function, str)()


def view(request, name):
    answer = HttpResponse(f"{name} {request.resolver_match.route} {translation.get_language()}")
    answer.set_cookie("seen", name)
    return answer


@pytest.fixture
def resolved(monkeypatch):
    """Paths that were looked up in a pattern."""
    found = []
    match = resolvers.RoutePattern.match

    def seen(pattern, looked_up):
        found.append(looked_up)
        return match(pattern, looked_up)

    monkeypatch.setattr(resolvers.RoutePattern, "match", seen)
    return found


def test_a_request_that_is_passed_on_is_resolved_once(project, visit, resolved):
    isg = project([path("p/<str:name>", view)])
    visit(isg, "/p/first")
    resolved.clear()
    assert visit(isg, "/p/a") == (None, "a p/<str:name> en-us")
    assert resolved == ["p/a"]


def test_converters_of_the_project_run_behind_its_middleware(project, visit, resolved):
    register_converter(type("Mine", (StringConverter,), {}), "mine")
    try:
        isg = project([path("p/<str:name>", view)])
        assert visit(isg, "/p/a") == (None, "a p/<str:name> en-us")
        assert resolved == ["p/a", "p/a"]
    finally:
        del REGISTERED_CONVERTERS["mine"]
        get_converters.cache_clear() if hasattr(get_converters, "cache_clear") else None


def sets_urlconf(get_response):
    def middleware(request):
        patterns = [path("p/<str:name>", lambda request, name: HttpResponse("other map"))]
        request.urlconf = type("other", (), {"urlpatterns": patterns})
        return get_response(request)

    return middleware


def changes_path(get_response):
    def middleware(request):
        request.path_info = "/p/moved"
        return get_response(request)

    return middleware


@lazystr
def in_german_elsewhere():
    return "q/<str:name>" if translation.get_language() == "de" else "p/<str:name>"


def changes_language(get_response):
    def middleware(request):
        with translation.override("de"):
            return get_response(request)

    return middleware


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [
        (sets_urlconf, "other map"),
        (changes_path, "moved p/<str:name> en-us"),
        (changes_language, "Not Found"),
    ],
)
def test_middleware_may_change_what_is_resolved(project, visit, middleware, expected):
    name = f"{__name__}.{middleware.__name__}"
    isg = project([path(in_german_elsewhere, view)], MIDDLEWARE=[name])
    assert expected in visit(isg, "/p/a")[1]
