"""Tokens of stored pages over time: the first, second and hundredth copy, after a change of the
key, a login and the end of the session, are taken and refused as those of the bare project."""

import pytest
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.middleware.csrf import get_token, rotate_token
from django.test.utils import override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from freezegun import freeze_time
from werkzeug.test import Client

from isgware import revalidate

from .test_csrf import CSRF, SESSIONS, tokens
from .test_reads import BACKENDS

COPIES = (1, 2, 100)


@revalidate(100_000)
def form(request):
    return HttpResponse(f"<input name=csrfmiddlewaretoken value={get_token(request)}>")


def enter(request):
    request.session.cycle_key()
    rotate_token(request)
    return HttpResponse("entered")


def done(request):
    return HttpResponse("done")


def post(client, sent):
    return client.post("/done", data={"csrfmiddlewaretoken": sent}).status_code


def token(client):
    return tokens(client.get("/form"))[0]


def what_becomes_of_tokens(app, now):
    clients = {}
    for number in range(1, max(COPIES) + 1):
        client = Client(app)
        found = token(client)
        if number in COPIES:
            clients[client] = found
    for client, own in clients.items():
        yield [post(client, sent) for sent in clients.values()]
        yield post(client, own[:-1] + ("A" if own[-1] != "A" else "B")), post(client, "")
    with override_settings(SECRET_KEY="another key", SECRET_KEY_FALLBACKS=["not a secret"]):
        for client, own in clients.items():
            yield post(client, own), post(client, token(client))
    for client, own in clients.items():
        client.post("/enter")
        clients[client] = token(client)
        yield post(client, own), post(client, clients[client])
    now.tick(601)
    for client, own in clients.items():
        renewed = token(client)
        yield post(client, own), post(client, renewed)
    with override_settings(SECRET_KEY="a third key"):
        for client in clients:
            yield post(client, token(client))


@pytest.mark.parametrize("engine", ["cookie", "db", "cached_db", "cache", "signed_cookies"])
def test_p12_tokens_are_taken_and_refused_as_by_the_bare_project(project, accounts, engine):
    accounts()
    isg = project(
        [path("form", form), path("done", done), path("enter", csrf_exempt(enter))],
        MIDDLEWARE=[SESSIONS, CSRF],
        CSRF_USE_SESSIONS=engine != "cookie", SESSION_COOKIE_AGE=600, SECRET_KEY="not a secret",
        SESSION_ENGINE=f"{BACKENDS}.{'cache' if engine == 'cookie' else engine}",
        ISGWARE={"store": "memory:", "enabled": True},
    )  # fmt: skip
    told = []
    for app in (get_wsgi_application(), isg):
        cache.clear()
        with freeze_time("2026-01-01 12:00:00") as now:
            told.append(list(what_becomes_of_tokens(app, now)))
            last = Client(app).get("/form")
    cache.clear()
    assert told[1] == told[0]
    assert told[1][0] == [200, 403, 403]
    assert last.headers["X-ISG-Cache"] == "HIT"
