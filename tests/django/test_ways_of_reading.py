"""P11 attacked (Django): whatever way a page reads of its visitor, two of them and a stranger get
what the bare project gives each, in any order."""

import copy
import functools
import html
import http.cookies
import json
import pickle
import threading
from importlib import import_module

import pytest
from django.conf import settings
from django.contrib import messages
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_started
from django.http import HttpResponse, StreamingHttpResponse, parse_cookie
from django.template import engines
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from werkzeug.test import Client

from isgware import revalidate

BACKENDS = "django.contrib.sessions.backends"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.messages.context_processors.messages",
    ]},
}]  # fmt: skip


def show(request, text):
    return engines["django"].from_string(text).render({}, request)


def cookie_of(header):
    jar = http.cookies.SimpleCookie(header or "")
    return jar["mark"].value if "mark" in jar else "-"


def in_thread(read):
    found = []
    thread = threading.Thread(target=lambda: found.append(str(read())))
    thread.start()
    thread.join()
    return found[0]


def store_of(request):
    return import_module(settings.SESSION_ENGINE).SessionStore


def updated(value):
    made = {}
    made.update(value)
    return made


CACHE = "_session_cache"
SESSION = {
    "get": lambda r: r.session.get("mark"),
    "item": lambda r: r.session["mark"] if r.session.has_key("mark") else "-",
    "class": lambda r: r.session.__class__.get(r.session, "mark"),
    "_session": lambda r: r.session._session.get("mark"),
    "_get_session": lambda r: r.session._get_session().get("mark"),
    "_get_session no load": lambda r: r.session._get_session(no_load=True).get("mark"),
    "load": lambda r: r.session.load().get("mark"),
    "__dict__": lambda r: sorted(r.session.__dict__.get(CACHE) or r.session.load()),
    "vars": lambda r: sorted(vars(r.session).get(CACHE, {})),
    "vars key": lambda r: bool(vars(r.session).get("_SessionBase__session_key")),
    "session_key": lambda r: bool(r.session.session_key),
    "_session_key": lambda r: bool(r.session._session_key),
    "_get_session_key": lambda r: bool(r.session._get_session_key()),
    "_get_or_create": lambda r: bool(r.session._get_or_create_session_key()),
    "mangled": lambda r: bool(r.session._SessionBase__session_key),
    "exists": lambda r: bool(r.session.exists(r.session.session_key or "x")),
    "cache_key": lambda r: len(getattr(r.session, "cache_key", "")) > 50,
    "items": lambda r: [list(r.session.items())],
    "values": lambda r: list(r.session.values()),
    "keys": lambda r: list(r.session.keys()),
    "dict": lambda r: dict(r.session.items()),
    "encode": lambda r: r.session.encode(r.session._session) and len(r.session._session),
    "json": lambda r: json.dumps(r.session._session),
    "deepcopy": lambda r: copy.deepcopy(r.session).get("mark"),
    "copy": lambda r: copy.copy(r.session).get("mark"),
    "pickle": lambda r: pickle.loads(pickle.dumps(dict(r.session.items()))),
    "template": lambda r: show(r, "{{ request.session.mark }}"),
    "template items": lambda r: show(r, "{% for k in request.session.items %}{{ k }}{% endfor %}"),
    "template if": lambda r: show(r, "{% if request.session.mark %}x{% endif %}"),
    "thread": lambda r: in_thread(lambda: r.session.get("mark")),
    "own store": lambda r: store_of(r)(r.COOKIES.get("sessionid")).get("mark"),
    "own store by key": lambda r: store_of(r)(session_key=r.session.session_key).get("mark"),
    "own class": lambda r: type(r.session)(r.session.session_key).get("mark"),
    "a request anew": lambda r: str(WSGIRequest(dict(r.environ)).COOKIES.get("mark")),
    "is_empty": lambda r: r.session.is_empty(),
    "expiry": lambda r: r.session.get_expiry_age(),
    "test cookie": lambda r: r.session.test_cookie_worked(),
    "messages": lambda r: [str(m) for m in messages.get_messages(r)],
    "messages len": lambda r: len(messages.get_messages(r)),
    "messages true": lambda r: bool(messages.get_messages(r)),
    "messages storage": lambda r: [str(m) for m in r._messages],
    "messages data": lambda r: [str(m) for m in r._messages._loaded_messages],
    "messages template": lambda r: show(r, "{% for m in messages %}{{ m }}{% endfor %}"),
    "messages if": lambda r: show(r, "{% if messages %}some{% endif %}"),
}
COOKIES = {
    "get": lambda r: r.COOKIES.get("mark"),
    "in": lambda r: "mark" in r.COOKIES,
    "items": lambda r: sorted(r.COOKIES),
    "META": lambda r: cookie_of(r.META.get("HTTP_COOKIE")),
    "META copy": lambda r: cookie_of(r.META.copy().get("HTTP_COOKIE")),
    "META splat": lambda r: cookie_of({**r.META}.get("HTTP_COOKIE")),
    "META update": lambda r: cookie_of(updated(r.META).get("HTTP_COOKIE")),
    "META copied": lambda r: cookie_of(copy.copy(r.META).get("HTTP_COOKIE")),
    "META list": lambda r: cookie_of(dict(list(r.META.items())).get("HTTP_COOKIE")),
    "environ": lambda r: cookie_of(r.environ.get("HTTP_COOKIE")),
    "parse_cookie": lambda r: parse_cookie(r.META.get("HTTP_COOKIE", "")).get("mark"),
    "header": lambda r: cookie_of(r.headers.get("Cookie")),
    "header item": lambda r: cookie_of(r.headers["Cookie"]) if "mark" in str(r.headers) else "-",
    "header in": lambda r: "Cookie" in r.headers,
    "headers": lambda r: cookie_of(dict(r.headers).get("Cookie")),
    "headers items": lambda r: cookie_of(dict(r.headers.items()).get("Cookie")),
    "headers copy": lambda r: cookie_of(r.headers.copy().get("Cookie")),
    "headers repr": lambda r: "mark=" in repr(r.headers),
    "headers wsgi": lambda r: cookie_of(r.headers.to_wsgi_names(r.headers).get("HTTP_COOKIE")),
    "a request anew": lambda r: WSGIRequest(r.environ).COOKIES.get("mark"),
    "a request of a copy": lambda r: WSGIRequest(dict(r.environ)).COOKIES.get("mark"),
    "cached property": lambda r: WSGIRequest.COOKIES.func(r).get("mark"),
    "signed": lambda r: r.get_signed_cookie("mark", default="-"),
    "json": lambda r: json.loads(json.dumps(r.COOKIES)).get("mark"),
    "template": lambda r: show(r, "{{ request.COOKIES.mark }}"),
    "template all": lambda r: show(r, "{{ request.COOKIES }}").count("mark"),
    "deepcopy": lambda r: copy.deepcopy(r.COOKIES).get("mark"),
    "request deepcopy": lambda r: copy.copy(r).COOKIES.get("mark"),
    "request session": lambda r: copy.copy(r).session.get("mark"),
    "repr": lambda r: repr(r),
}  # fmt: skip


def enter(request, mark):
    request.session["mark"] = mark
    messages.success(request, f"message {mark}")
    response = HttpResponse("entered")
    response.set_cookie("mark", mark)
    return response


ORDERS = [("", "ANN", "BOB"), ("ANN", "BOB", "")]


@pytest.fixture
def differences(project):
    """``differences(views, order, engine, **settings)``: where visitors who come in this order get
    something else than from the bare project."""

    def run(views, order, engine, **changes):
        changes = {"MIDDLEWARE": MIDDLEWARE, "TEMPLATES": TEMPLATES, **changes}
        paths = {name: f"/{number}" for number, name in enumerate(views)}
        pages = [path(paths[name][1:], revalidate(60)(view)) for name, view in views.items()]
        isg = project(
            [*pages, path("enter/<mark>", csrf_exempt(enter))],
            SESSION_ENGINE=engine if "." in engine else f"{BACKENDS}.{engine}",
            ISGWARE={"store": "memory:", "enabled": True},
            MESSAGE_STORAGE="django.contrib.messages.storage.session.SessionStorage", **changes,
        )  # fmt: skip
        apps = isg, isg.core.application
        clients = {mark: [Client(app) for app in apps] for mark in order}
        found = []
        for name, where in paths.items():
            for client in [client for mark in order if mark for client in clients[mark]]:
                client.post(f"/enter/{'ANN' if client in clients['ANN'] else 'BOB'}")
            for mark in 2 * order:
                ours, bare = (html.unescape(client.get(where).text) for client in clients[mark])
                if ours != bare:
                    found.append((name, mark, ours, bare))
        return found

    yield run
    cache.clear()


class SessionStore(CacheStore):
    """A project's own."""

    def shown(self):
        return self._session.get("mark")


def page(read):
    return lambda request: HttpResponse(str(read(request)))


def pages(reads):
    return {name: page(read) for name, read in reads.items()}


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("engine", ["signed_cookies", "cache"])
def test_p11_whatever_way_a_session_is_read(differences, engine, order):
    assert not differences(pages(SESSION), order, engine)


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_p11_whatever_way_a_cookie_is_read(differences, order):
    assert not differences(pages(COOKIES), order, "signed_cookies")


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_p11_a_session_class_of_the_projects_own_has_methods_of_its_own(differences, order):
    views = pages({"shown": lambda request: request.session.shown()})
    assert not differences(views, order, __name__)


def streamed(request):
    return StreamingHttpResponse(str(request.session.get(name)) for name in ("mark",))


def in_front(get_response):
    def middleware(request):
        request.mark = request.session.get("mark")
        return get_response(request)

    return middleware


def behind(get_response):
    def middleware(request):
        response = get_response(request)
        response.content += str(request.session.get("mark")).encode()
        return response

    return middleware


def shows_messages(get_response):
    def middleware(request):
        response = get_response(request)
        response.content += ",".join(str(m) for m in messages.get_messages(request)).encode()
        return response

    return middleware


def lazy(get_response):
    from django.utils.functional import SimpleLazyObject

    def middleware(request):
        request.mark = SimpleLazyObject(lambda: request.session.get("mark") or "nobody")
        return get_response(request)

    return middleware


SEEN = threading.local()


def started(sender, environ, **more):
    SEEN.mark = parse_cookie(environ.get("HTTP_COOKIE", "")).get("mark")


def processor(request):
    return {"mark": request.session.get("mark")}


@functools.cache
def kept(mark):
    return f"kept for {mark}"


def on_the_request(request):
    request.x = request.session.get("mark")
    return HttpResponse(show(request, "{{ request.x }}"))


PLACES = {
    "request.x": (on_the_request, None),
    "functools.cache": (page(lambda request: kept(request.session.get("mark"))), None),
    "streamed": (streamed, None),
    "in front": (page(lambda request: request.mark), "in_front"),
    "behind": (page(lambda request: "page"), "behind"),
    "messages": (page(lambda request: "page"), "shows_messages"),
    "lazy": (page(lambda request: request.mark), "lazy"),
    "lazy inside": (page(lambda request: request.mark._setupfunc and str(request.mark)), "lazy"),
}


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("place", PLACES)
def test_p11_wherever_a_session_is_read(differences, place, order):
    view, middleware = PLACES[place]
    more = [f"{__name__}.{middleware}"] if middleware else []
    assert not differences({place: view}, order, "cache", MIDDLEWARE=[*MIDDLEWARE, *more])


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_p11_a_handler_of_a_signal_reads_for_the_page(differences, order):
    request_started.connect(started)
    try:
        views = {"signal": lambda request: HttpResponse(str(SEEN.mark))}
        assert not differences(views, order, "cache")
    finally:
        request_started.disconnect(started)


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_p11_a_context_processor_reads_for_the_page(differences, order):
    templates = copy.deepcopy(TEMPLATES)
    templates[0]["OPTIONS"]["context_processors"].append(f"{__name__}.processor")
    views = {"processor": lambda request: HttpResponse(show(request, "{{ mark }}"))}
    assert not differences(views, order, "cache", TEMPLATES=templates)
