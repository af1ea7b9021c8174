"""The oracle of P11 for Django: visitors with different sessions, on all pages in random order, get
what the bare project gives them. ``ISGWARE_LONG=1`` runs it for longer."""

from __future__ import annotations

import os
import random
from importlib import import_module

import pytest
from django.conf import settings
from django.contrib import messages
from django.contrib.messages import get_messages
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponsePermanentRedirect, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.vary import vary_on_cookie

from isgware import revalidate
from tests.promises.kit import Clock, Manual

from .test_reads import BACKENDS, MIDDLEWARE, STORAGES, Jar

LONG = bool(os.environ.get("ISGWARE_LONG"))
STEPS = 20_000 if LONG else 300
CHANGES = (
    "/set?name=Ann", "/set?name=Bob", "/set?basket=1", "/set?lang=de", "/set?lang=fr", "/forget",
    "/tell", "/cycle",
)  # fmt: skip
#: Each with the message storage that goes with it.
ENGINES = {
    "signed_cookies": STORAGES[0], "cache": STORAGES[1], "file": STORAGES[2], "db": STORAGES[0],
    "cached_db": STORAGES[2],
}  # fmt: skip


def _write(request):
    for key, value in request.GET.items():
        request.session[key] = value
    return HttpResponse("set")


def _forget(request):
    request.session.flush()
    return HttpResponse("forgotten")


def _tell(request):
    messages.success(request, "saved")
    return HttpResponse("told")


def _cycle(request):
    request.session.cycle_key()
    return HttpResponse("cycled")


def _counts(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]))


@vary_on_cookie
def _by_cookie(request):
    return HttpResponse(request.COOKIES.get("theme", "light"))


def _gone(request):
    return HttpResponse(f"no page for {request.session.get('name')}", status=404)


PAGES = {
    "plain": lambda request: HttpResponse("plain"),
    "name": lambda request: HttpResponse(str(request.session.get("name"))),
    "whole": lambda request: HttpResponse(str(sorted(request.session.keys()))),
    "empty": lambda request: HttpResponse(str(request.session.is_empty())),
    "theme": lambda request: HttpResponse(request.COOKIES.get("theme", "light")),
    "raw": lambda request: HttpResponse(str("theme" in request.META.get("HTTP_COOKIE", ""))),
    "stream": lambda request: StreamingHttpResponse(
        str(request.session.get(key)) for key in ("name", "basket")
    ),
    "messages": lambda request: HttpResponse(str([str(each) for each in get_messages(request)])),
    "counts": _counts,
    "by-cookie": _by_cookie,
    "gone": _gone,
    "moved": lambda request: HttpResponsePermanentRedirect(f"/to-{request.session.get('name')}"),
}


def _shown(reply):
    return reply.code, reply.get("Location"), reply.text


def _patterns():
    pages = [path(name, revalidate(60)(view), name=name) for name, view in PAGES.items()]
    lang = revalidate(60, vary=["session:lang"])(
        lambda request: HttpResponse(f"{request.session.get('lang')} {request.session.get('name')}")
    )
    changes = (("set", _write), ("forget", _forget), ("tell", _tell), ("cycle", _cycle))
    return [*pages, path("lang", lang), *(path(name, csrf_exempt(view)) for name, view in changes)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", [1, 2])
def test_p11_visitors_get_what_the_bare_project_gives_them(
    project, accounts, tmp_path, engine, seed
):
    accounts()
    if engine == "file" and hasattr(FileStore, "_storage_path"):
        del FileStore._storage_path
    clock, later, chosen = Clock(), Manual(), random.Random(seed)
    isg = project(
        _patterns(), SESSION_ENGINE=f"{BACKENDS}.{engine}", SESSION_FILE_PATH=str(tmp_path),
        MESSAGE_STORAGE=f"django.contrib.messages.storage.{ENGINES[engine]}",
        MIDDLEWARE=MIDDLEWARE,
        ISGWARE={"store": "memory:", "enabled": True, "clock": clock, "executor": later},
    )  # fmt: skip
    assert import_module(settings.SESSION_ENGINE)
    bare = get_wsgi_application()
    pairs = [(Jar(isg), Jar(bare)) for _ in range(5)]
    hits = 0
    for step in range(STEPS):
        pair = chosen.choice(pairs)
        if chosen.random() < 0.15:
            where = chosen.choice(CHANGES)
            for jar in pair:
                jar.visit(where, "POST")
        elif chosen.random() < 0.03:
            for jar in pair:
                jar.cookies["theme"] = (
                    chosen.choice(["dark", "red"]) if jar is pair[0] else (pair[0].cookies["theme"])
                )
        else:
            where = "/" + chosen.choice([*PAGES, "lang"])
            got, expected = (jar.visit(where) for jar in pair)
            assert (step, where, *_shown(got)) == (step, where, *_shown(expected))
            hits += got.cache in ("HIT", "STALE")
        if chosen.random() < 0.02:
            clock.tick(61)
            later.run()
    assert hits > STEPS / 7
    cache.clear()
    if hasattr(FileStore, "_storage_path"):
        del FileStore._storage_path  # which Django finds once in a process
