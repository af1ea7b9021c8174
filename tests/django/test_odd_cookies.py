"""Session and CSRF cookies that are broken, forged, foreign or too long are as Django takes them,
and cost nobody else the stored page."""

import logging
import re

import pytest
from django.conf import settings
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.core import signing
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.urls import path

from isgware import revalidate
from tests.promises.kit import visit

from .test_reads import BACKENDS, MIDDLEWARE, Jar, write

ENGINES = ["db", "cached_db", "cache", "file", "signed_cookies"]
SALT = "django.contrib.sessions.backends.signed_cookies"
TOKEN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{64}(?![A-Za-z0-9])")
VIEWS = {
    "/plain": lambda request: "plain",
    "/name": lambda request: request.session.get("name"),
    "/whole": lambda request: sorted(request.session.keys(), key=str),
    "/empty": lambda request: request.session.is_empty(),
    "/key": lambda request: bool(request.session.session_key),
    "/form": get_token,
    "/café": lambda request: request.COOKIES.get("café", "none"),
}
COOKIES = {
    "empty": "", "a word": "x", "dots": "a.b.c", "no value": '""', "markup": "<script>alert(1)",
    "long": "x" * 5_000, "very long": "x" * 100_000, "a path": "../../../../etc/passwd",
    "as long as a key": "x" * 32, "a key in capitals": "X" * 32, "a glob": "*", "spaces": "a b",
    "a quote": '"a', "octal": '"\\000\\377"', "NUL": "a\x00b", "a control character": "a\x01b",
    "not UTF-8": "\xff\xfe", "half of UTF-8": "\xc3", "a percent sign": "%00%ff",
    "another site's": signing.dumps({"name": "Ann"}, key="another key", salt=SALT),
    "another salt's": signing.dumps({"name": "Ann"}, salt="mail"),
    "compressed nonsense": ".eJxx:abc:def", "a token": "t" * 64, "a secret": "s" * 32,
}  # fmt: skip


def page(view):
    return lambda request: HttpResponse(str(view(request)))


@pytest.fixture
def apps(project, accounts, tmp_path):
    """``apps(engine)``: an ISG around a project with sessions there, and the project itself."""

    def make(engine, **changes):
        accounts()
        views = [path(where[1:], revalidate(60)(page(view))) for where, view in VIEWS.items()]
        isg = project(
            [*views, path("set", write)], SESSION_ENGINE=f"{BACKENDS}.{engine}",
            SESSION_FILE_PATH=str(tmp_path), MIDDLEWARE=MIDDLEWARE, **changes,
            MESSAGE_STORAGE="django.contrib.messages.storage.cookie.CookieStorage",
            ISGWARE={"store": "memory:", "enabled": True},
        )  # fmt: skip
        return isg, get_wsgi_application()

    yield make
    cache.clear()
    if hasattr(FileStore, "_storage_path"):
        del FileStore._storage_path  # which Django finds once in a process


def shown(reply):
    return reply.code, TOKEN.sub("a token", reply.text)


@pytest.mark.filterwarnings("ignore::django.core.cache.CacheKeyWarning")
@pytest.mark.parametrize("engine", ENGINES)
def test_odd_cookies_are_as_django_takes_them(apps, engine, caplog, monkeypatch):
    isg, bare = apps(engine)
    ann, shopper = Jar(isg), Jar(isg)
    ann.visit("/set?name=Ann")
    shopper.visit("/set?basket=3")
    for where in VIEWS:
        visit(isg, where.encode().decode("latin-1"))
    monkeypatch.setattr(logging.getLogger("django"), "disabled", True)
    for name, cookie in COOKIES.items():
        for header in (
            f"sessionid={cookie}", f"sessionid={cookie}; sessionid=x", f"csrftoken={cookie}",
            f"caf\xc3\xa9={cookie}",
        ):  # fmt: skip
            for where in VIEWS:
                at = where.encode().decode("latin-1")
                got, expected = (visit(app, at, headers={"Cookie": header}) for app in (isg, bare))
                assert (name, where, *shown(got)) == (name, where, *shown(expected))
        assert (name, shopper.visit("/name").cache) == (name, "HIT")
        assert ann.visit("/name").text == "Ann"
    assert settings.SESSION_ENGINE.endswith(engine)
    told = [line for line in caplog.records if line.name == "isgware"]
    assert not [line.getMessage() for line in told if line.levelno > logging.INFO]
