"""``manage.py isg`` from within Python."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.http import HttpResponse
from django.urls import path
from django.utils.translation import get_language

from isgware import revalidate
from isgware.django.management.commands.isg import Command


@revalidate(60)
def home(request):
    return HttpResponse("home")


def printed(*words):
    out = StringIO()
    call_command(Command(), *words, stdout=out)
    return out.getvalue()


def test_call_command_acts_on_the_process_s_isg(project, visit):
    isg = project([path("", home)])
    visit(isg, "/")
    assert "fresh" in printed("ls")
    assert printed("purge", "/") == "Purged: /.\n"
    assert visit(isg, "/")[0] == "REVALIDATED"


def test_what_fails_ends_with_its_status(project):
    project([path("", home)])
    with pytest.raises(SystemExit) as ended:
        printed("show", "/")
    assert ended.value.code == 1


def test_build_renders_what_reverse_gives_in_processes(project, tmp_path):
    @revalidate(60, paths=[{"slug": "a"}, {"slug": "b"}, {"slug": "fails"}])
    def post(request, slug):
        return HttpResponse(str(1 / (slug != "fails")))

    store = {"store": f"file:{tmp_path}/pages", "base_url": "https://example.com", "enabled": True}
    patterns = [path("", home), path("posts/<slug>", post, name="post")]
    isg = project(patterns, ISGWARE=store)
    report = isg.prerender()
    assert (report.rendered, report.failed) == (3, 1)
    (failure,) = report.failures
    assert failure.reason.endswith("ZeroDivisionError: division by zero")
    assert [info.path for info in isg.pages()] == ["/", "/posts/a", "/posts/b"]
    assert "● /posts/<slug>" in printed("routes")


def test_each_language_is_built(project, tmp_path):
    @revalidate(60, vary=["Accept-Language"])
    def greeting(request):
        return HttpResponse(get_language())

    isg = project(
        [path("", greeting)],
        ISGWARE={"store": "memory:", "base_url": "https://example.com"},
        USE_I18N=True,
        LANGUAGE_CODE="en",
        LANGUAGES=[("en", "English"), ("de", "Deutsch"), ("fr", "français")],
        MIDDLEWARE=["django.middleware.locale.LocaleMiddleware"],
    )
    assert isg.prerender().rendered == 3
    variants = [info.variant for info in isg.pages()]
    assert sorted(variants) == [f"accept-language={name}" for name in ("de", "en", "fr")]


def test_a_query_set_that_fetches_related_objects_can_be_listed(project, library):
    """Of models, which are no paths; but one is told of each."""
    library.Book.objects.create(title="a")

    @revalidate(60, paths=library.Book.objects.prefetch_related("shelves"))
    def book(request, title):
        return HttpResponse(title)

    store = {"store": "memory:", "base_url": "https://example.com", "enabled": True}
    report = project([path("<title>", book, name="book")], ISGWARE=store).prerender()
    assert [failure.reason for failure in report.failures] == [
        "Book is neither a path nor a dict of URL arguments"
    ]
