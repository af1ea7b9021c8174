"""What isgware asks Django: URLs, scheme and host, languages, messages."""

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.db import connections
from django.http import HttpResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.utils.translation import get_language
from django.views import View
from django.views.decorators.common import no_append_slash
from werkzeug.test import Client

import isgware.django
from isgware import Policy, revalidate
from isgware.django import site

LOCALE = "django.middleware.locale.LocaleMiddleware"
LANGUAGES = {
    "USE_I18N": True,
    "LANGUAGE_CODE": "en",
    "LANGUAGES": [("en", "English"), ("de", "Deutsch"), ("fr", "français")],
    "MIDDLEWARE": [LOCALE],
}


@revalidate(60, tags=["post:{slug}"])
def post(request, slug):
    return HttpResponse(f"{slug} by {request.method} at {request.build_absolute_uri()}")


@revalidate(60)
def greeting(request):
    return HttpResponse(get_language())


@revalidate(60)
class Decorated(View):
    def get(self, request):
        return HttpResponse("decorated")


@method_decorator(revalidate(60), name="dispatch")
class MethodDecorated(View):
    def get(self, request):
        return HttpResponse("method")


def test_a_function_view_is_stored(project, visit):
    isg = project([path("posts/<slug:slug>", post)])
    assert [visit(isg, "/posts/a")[0] for _ in range(2)] == ["MISS", "HIT"]
    assert [info.tags for info in isg.pages()] == [("post:a",)]


@pytest.mark.parametrize("view", [Decorated, MethodDecorated], ids=["class", "method_decorator"])
def test_a_class_based_view_is_known_before_its_first_render(project, visit, view):
    isg = project([path("x", view.as_view())])
    assert [visit(isg, "/x")[0] for _ in range(2)] == ["MISS", "HIT"]


def test_an_undeclared_view_passes_untouched(project, visit):
    isg = project([path("login", lambda request: HttpResponse("login"))])
    assert visit(isg, "/login") == (None, "login")


def test_the_language_is_resolved_as_the_locale_middleware_does(project, visit):
    isg = project([path("hi", greeting)], **LANGUAGES)
    assert visit(isg, "/hi", headers={"Accept-Language": "de-AT,de;q=0.9"})[1] == "de"
    assert visit(isg, "/hi", headers={"Accept-Language": "fr"})[1] == "fr"
    assert visit(isg, "/hi", headers={"Accept-Language": "de"}) == ("HIT", "de")
    assert visit(isg, "/hi", headers={"Accept-Language": "tlh"})[1] == "en"


def test_the_language_cookie_goes_before_the_header(project, visit):
    isg = project([path("hi", greeting)], **LANGUAGES)
    german = {"Accept-Language": "de"}
    visit(isg, "/hi", headers=german)
    assert visit(isg, "/hi", cookie="django_language=fr", headers=german)[1] == "fr"
    assert visit(isg, "/hi", cookie="django_language=fr")[1] == "fr"
    for odd in (
        'django_language="fr"',
        "django_language=de; django_language=fr",
        "django_language=\xff",
    ):
        assert visit(isg, "/hi", cookie=odd, headers=german)[1] == ("de" if "\xff" in odd else "fr")
    assert visit(isg, "/hi", headers=german) == ("HIT", "de")


def test_one_variant_per_language_not_per_header(project, visit):
    isg = project([path("hi", greeting)], **LANGUAGES)
    for header in ("de", "de-DE", "de-AT;q=0.7", "de,en;q=0.1"):
        visit(isg, "/hi", headers={"Accept-Language": header})
    assert [info.variant for info in isg.pages()] == ["accept-language=de"]


def test_the_language_is_known_to_count_before_a_page_says_so(project, visit):
    """LocaleMiddleware adds it to the Vary of every page, so none is rendered to learn that."""
    renders = []

    @revalidate(60)
    def counting(request, number):
        renders.append(get_language())
        return HttpResponse(get_language())

    urls = [path("<int:number>", counting)]
    options = {"store": "memory:", "base_url": "http://localhost"}
    isg = project(urls, ISGWARE=options, **LANGUAGES)
    assert visit(isg, "/1", headers={"Accept-Language": "de"}) == ("MISS", "de")
    assert renders == ["de"]
    isg.regenerate("/2")
    isg.prerender(["/3"])
    assert renders == ["de", "en", "en"]
    assert [visit(isg, page) for page in ("/2", "/3")] == [("HIT", "en")] * 2


def test_language_prefixes_are_matched_in_their_language(project, visit):
    isg = project(i18n_patterns(path("hi", greeting)), **LANGUAGES)
    assert visit(isg, "/de/hi") == ("MISS", "de")
    assert visit(isg, "/de/hi", headers={"Accept-Language": "fr"}) == ("HIT", "de")


def test_scheme_behind_a_proxy_is_in_key_and_render(project, visit):
    isg = project(
        [path("posts/<slug:slug>", post)],
        SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
        SECURE_SSL_REDIRECT=True,
        MIDDLEWARE=["django.middleware.security.SecurityMiddleware"],
    )
    secure = {"X-Forwarded-Proto": "https"}
    label, text = visit(isg, "/posts/a", headers=secure)
    assert (label, "at https://" in text) == ("MISS", True)
    assert visit(isg, "/posts/a", headers=secure)[0] == "HIT"
    assert visit(isg, "/posts/a")[1] == ""  # the redirect is the app's own, never stored
    assert visit(isg, "/posts/a", headers=secure)[0] == "HIT"


def test_the_forwarded_host_counts_only_if_django_counts_it(project, visit):
    forged = {"X-Forwarded-Host": "evil.example"}
    isg = project([path("posts/<slug:slug>", post)])
    assert "evil" not in visit(isg, "/posts/a", headers=forged)[1]
    isg = project([path("posts/<slug:slug>", post)], USE_X_FORWARDED_HOST=True)
    assert "http://evil.example/" in visit(isg, "/posts/a", headers=forged)[1]
    assert "evil" not in visit(isg, "/posts/a")[1]


def test_pending_messages_keep_nobody_from_a_page_that_shows_none(project, visit):
    isg = project(
        [path("hi", greeting)],
        MIDDLEWARE=["django.contrib.messages.middleware.MessageMiddleware"],
        MESSAGE_STORAGE="django.contrib.messages.storage.cookie.CookieStorage",
    )
    visit(isg, "/hi")
    assert visit(isg, "/hi", cookie="messages=W10")[0] == "HIT"


def test_options_come_from_settings(project):
    isg = project([], ISGWARE={"STORE": "memory:", "revalidate": 30})
    assert isg.core.runtime.settings.revalidate == 30


def test_paths_are_built_by_reverse(project):
    @revalidate(60, paths=[{"slug": "a"}, "/posts/b"])
    def unnamed(request, slug):
        return HttpResponse(slug)

    shop = ([path("<int:pk>", greeting, name="item")], "shop")
    isg = project(
        [path("posts/<slug:slug>", unnamed), path("shop/", include(shop)), path("", greeting)]
    )
    planner = isg.core.runtime.engine.planner
    routes = {route.rule: route for route in isg.core.runtime.site.routes()}
    assert list(routes) == ["/posts/<slug:slug>", "/shop/<int:pk>", "/"]
    route = routes["/posts/<slug:slug>"]
    assert route.arguments == {"slug"}
    assert list(planner.paths.listed(route.name, route.policy)) == ["/posts/a", "/posts/b"]
    assert routes["/shop/<int:pk>"].name == "shop:item"
    item = Policy(paths=[{"pk": 7}, {"pk": "x"}])
    first, second = planner.paths.listed("shop:item", item)
    assert first == "/shop/7"
    assert "NoReverseMatch" in second.reason or "Reverse for" in second.reason


def test_paths_with_a_language_are_built_in_each(project):
    patterns = i18n_patterns(path("about", greeting, name="about"), prefix_default_language=False)
    isg = project(patterns, **LANGUAGES)
    planner = isg.core.runtime.engine.planner
    assert planner.paths.plain("about") == ["/about", "/de/about", "/fr/about"]


class Connection:
    alias = "default"


def test_a_forked_process_leaves_connections_and_pools_to_its_parent(project, monkeypatch):
    """Unclosed: closing them would end them for both."""
    isg = project([path("", greeting)])
    used, pool = Connection(), object()
    used.connection, used._connection_pools = object(), {"default": pool}
    monkeypatch.setattr(connections, "all", lambda initialized_only: [used])
    isg.core.runtime.site.after_fork()
    assert (used.connection, used._connection_pools) == (None, {})
    assert pool in site._inherited


# Cross-origin requests.


@pytest.mark.parametrize("wrapped", [False, True], ids=["handler", "wrapped"])
@pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda request: request.headers.get("origin"), id="headers"),
        pytest.param(lambda request: request.META.get("HTTP_ORIGIN"), id="META"),
        pytest.param(lambda request: dict(request.headers).get("Origin"), id="all headers"),
    ],
)
def test_a_page_whose_render_looked_at_origin_is_kept_for_each(project, visit, look, wrapped):
    @revalidate(60)
    def data(request):
        return HttpResponse(str(look(request)))

    isg = project([path("data", data)])
    if wrapped:
        handler = isg.core.application
        isg = isgware.django.ISG(lambda environ, start_response: handler(environ, start_response))
    for expected in ("MISS", "HIT"):
        for origin in (None, "https://a.test", "https://b.test"):
            headers = {"Origin": origin} if origin else {}
            assert visit(isg, "/data", headers=headers) == (expected, str(origin))


def test_a_page_that_looks_at_other_headers_is_one_for_all_origins(project, visit):
    @revalidate(60)
    def data(request):
        return HttpResponse(request.headers.get("Accept", "nothing"))

    isg = project([path("data", data)])
    assert visit(isg, "/data") == ("MISS", "nothing")
    assert visit(isg, "/data", headers={"Origin": "https://a.test"})[0] == "HIT"


def test_requests_keep_their_type(project, visit):
    @revalidate(60)
    def data(request):
        return HttpResponse(type(request).__name__)

    isg = project([path("data", data), path("own", lambda request: data(request))])
    assert visit(isg, "/data") == ("MISS", "WSGIRequest")


# Languages and caches in front.


def said(isg, at, **headers):
    return Client(isg, use_cookies=False).get(at, headers=headers).headers["Cache-Control"]


def test_a_page_whose_language_a_cookie_may_decide_is_private(project):
    isg = project([path("hello", greeting)], **LANGUAGES)
    for _ in range(2):
        assert said(isg, "/hello").startswith("private")
        assert said(isg, "/hello", Cookie="django_language=de").startswith("private")


def test_a_page_whose_path_says_the_language_is_shared(project):
    isg = project(i18n_patterns(path("hello", greeting)), **LANGUAGES)
    assert said(isg, "/de/hello").startswith("public")


def test_without_languages_a_page_is_shared(project):
    assert said(project([path("hello", greeting)]), "/hello").startswith("public")


# Spellings.


COMMON = "django.middleware.common.CommonMiddleware"


def names(isg, at):
    return isg.core.verbs.names(at)


@pytest.mark.parametrize("verb", ["purge_path", "regenerate"])
def test_the_verbs_take_the_path_that_django_redirects_from(project, visit, verb):
    options = {"store": "memory:", "base_url": "http://localhost"}
    isg = project([path("posts/<slug:slug>/", post)], MIDDLEWARE=[COMMON], ISGWARE=options)
    visit(isg, "/posts/a/")
    getattr(isg, verb)("/posts/a")
    assert visit(isg, "/posts/a/")[0] == ("REVALIDATED" if verb == "purge_path" else "HIT")
    assert [info.path for info in isg.pages()] == ["/posts/a/"]


def test_django_redirects_only_what_it_cannot_serve(project):
    patterns = [path("a/", post), path("b", post), path("b/", post)]
    isg = project(patterns, MIDDLEWARE=[COMMON])
    assert names(isg, "/a") == ["path:/a", "path:/a/"]
    for given in ("/b", "/nowhere", "/a/"):
        assert names(isg, given) == [f"path:{given}"]


@pytest.mark.parametrize("changes", [{"APPEND_SLASH": False}, {"MIDDLEWARE": []}])
def test_a_project_that_appends_no_slash_redirects_nothing(project, changes):
    isg = project([path("a/", post)], **{"MIDDLEWARE": [COMMON], **changes})
    assert names(isg, "/a") == ["path:/a"]


def test_a_view_that_wants_no_slash_gets_none(project):
    isg = project([path("a/", no_append_slash(post))], MIDDLEWARE=[COMMON])
    assert names(isg, "/a") == ["path:/a"]


def test_a_path_with_a_language_is_redirected_in_that_language(project):
    isg = project(
        i18n_patterns(path("posts/<slug:slug>/", post)),
        **{**LANGUAGES, "MIDDLEWARE": [LOCALE, COMMON]},
    )
    assert names(isg, "/de/posts/a") == ["path:/de/posts/a", "path:/de/posts/a/"]


def test_routes_are_counted_by_their_names_declared_or_not(project):
    def plain(request, **arguments):
        return HttpResponse("plain")

    shop = ([path("cart", plain, name="cart")], "shop")
    isg = project([
        path("posts/<slug:slug>", post, name="post"),
        path("about/", plain, name="about"),
        path("nameless/<int:number>", plain),
        path("shop/", include(shop)),
    ])  # fmt: skip
    client = Client(isg)
    for url in ("/posts/a", "/about/", "/nameless/1", "/shop/cart", "/nowhere"):
        client.get(url)
    client.post("/shop/cart")
    fleet = isg.stats().fleet
    assert set(fleet.routes) == {
        "post", "about", "tests.django.test_site.plain", "shop:cart", "undeclared",
    }  # fmt: skip
