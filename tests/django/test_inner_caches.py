"""Caches inside a Django project, around views that isgware keeps."""

import sys
from functools import partial
from types import ModuleType

import pytest
from django.core.checks import Warning
from django.http import HttpResponse
from django.middleware.cache import UpdateCacheMiddleware
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import cache_page
from django.views.decorators.http import require_safe

from isgware import Policy, revalidate
from isgware.django.apps import check_inner_caches


class OwnCacheMiddleware(UpdateCacheMiddleware):
    """A project's own, made of Django's."""


@revalidate(60)
@cache_page(300)
def inside(request):
    return HttpResponse("inside")


@cache_page(300)
@revalidate(60)
def outside(request):
    return HttpResponse("outside")


@revalidate(60)
@method_decorator(cache_page(300), name="dispatch")
class OfClass(View):
    def get(self, request):
        return HttpResponse("class")


@revalidate(60)
class OfMethod(View):
    @method_decorator([require_safe, cache_page(300)])
    def get(self, request):
        return HttpResponse("method")


@revalidate(60)
@require_safe
def plain(request):
    return HttpResponse(partial(str, "plain")())


def undeclared(request):
    return HttpResponse("undeclared")


def factory():
    cached = cache_page(300)(undeclared)

    @revalidate(60)
    def other(request):
        return HttpResponse(str(cached))

    return other


def warnings_of(caplog):
    return [line for line in caplog.messages if "cached by" in line or "caches pages" in line]


@pytest.mark.parametrize(
    ("view", "name"),
    [
        (inside, "inside"),
        (outside, "outside"),
        (OfClass.as_view(), "OfClass"),
        (OfMethod.as_view(), "OfMethod"),
        (cache_page(300)(plain), "plain"),
    ],
    ids=["below", "above", "class", "method", "in the URLconf"],
)
def test_a_cache_around_a_declared_view_is_told_once_and_by_the_check(
    project, visit, caplog, view, name
):
    isg = project([path("prices", view, name="prices"), path("plain", plain)])
    for _ in range(2):
        visit(isg, "/prices")
    [told] = warnings_of(caplog)
    assert told.startswith(f"/prices ({name}) is cached by cache_page, too.")
    [found] = check_inner_caches(None)
    assert isinstance(found, Warning)
    assert (found.id, name in found.msg) == ("isgware.W001", True)


@pytest.mark.parametrize(
    "view",
    [plain, cache_page(300)(undeclared), factory()],
    ids=["no cache", "not declared", "a cached view that another one refers to"],
)
def test_nothing_is_told_without_reason(project, visit, caplog, view):
    isg = project([path("prices", view)])
    visit(isg, "/prices")
    assert (warnings_of(caplog), check_inner_caches(None)) == ([], [])


def test_a_view_that_a_pattern_declares_counts(project, visit, caplog):
    options = {"store": "memory:", "routes": {"/<path:page>": Policy(revalidate=60)}}
    isg = project([path("prices", cache_page(300)(undeclared))], ISGWARE=options)
    visit(isg, "/prices")
    assert len(warnings_of(caplog)) == len(check_inner_caches(None)) == 1


def test_a_cache_that_keeps_nothing_is_none(project, visit, caplog):
    dummy = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    isg = project(
        [path("prices", inside)], CACHES=dummy, MIDDLEWARE=[f"{__name__}.OwnCacheMiddleware"]
    )
    visit(isg, "/prices")
    assert (warnings_of(caplog), check_inner_caches(None)) == ([], [])


@pytest.mark.parametrize(
    "middleware",
    [
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.cache.FetchFromCacheMiddleware",
        f"{__name__}.OwnCacheMiddleware",
    ],
)
def test_cache_middleware_is_told(project, visit, caplog, middleware):
    isg = project([path("plain", plain)], MIDDLEWARE=[middleware])
    visit(isg, "/plain")
    [told] = warnings_of(caplog)
    assert told.startswith(f"{middleware} caches pages inside the app.")
    [found] = check_inner_caches(None)
    assert (found.id, middleware in found.msg) == ("isgware.W002", True)


def test_wagtail_cache_is_known_by_its_module(project, visit, caplog, monkeypatch):
    module = ModuleType("wagtailcache.cache")
    source = (
        "import functools\n"
        "def cache_page(view):\n"
        "    @functools.wraps(view)\n"
        "    def run(request):\n"
        "        return view(request)\n"
        "    return run\n"
    )
    exec(source, module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    isg = project([path("prices", revalidate(60)(module.cache_page(undeclared)))])
    visit(isg, "/prices")
    [told] = warnings_of(caplog)
    assert "is cached by wagtail-cache's cache_page, too." in told
