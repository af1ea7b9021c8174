"""``ISGWARE = {"revalidate": …}``: an answer that sets a session with nothing of anybody in it is
learned from, whatever the engine; one that logs somebody in is not."""

import pytest
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.core.cache import cache
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.urls import path
from werkzeug.test import Client

from tests.promises.kit import Manual

from .test_reads import BACKENDS, MIDDLEWARE


def page(request):
    request.session.set_expiry(300)
    return HttpResponse(f"<input name=csrfmiddlewaretoken value={get_token(request)}>")


def magic_link(request):
    request.session["_auth_user_id"] = "7"
    return page(request)


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "file", "signed_cookies"])
@pytest.mark.parametrize("use_sessions", [False, True], ids=["cookie", "session"])
def test_a_session_with_nothing_in_it_is_learned_from(
    project, accounts, tmp_path, engine, use_sessions
):
    accounts()
    later = Manual()
    isg = project(
        [path("page", page), path("in", magic_link)], CSRF_USE_SESSIONS=use_sessions,
        SESSION_ENGINE=f"{BACKENDS}.{engine}", SESSION_FILE_PATH=str(tmp_path),
        MIDDLEWARE=MIDDLEWARE[:3], ISGWARE={
            "store": "memory:", "enabled": True, "revalidate": 60, "executor": later
        },
    )  # fmt: skip
    found = {}
    for where in ("/page", "/in"):
        for _ in range(2):
            reply = Client(isg).get(where, buffered=True)
            assert "csrfmiddlewaretoken" in reply.text
            found.setdefault(where, []).append(reply.headers.get("X-ISG-Cache"))
            later.run()
    assert found == {"/page": ["BYPASS", "HIT"], "/in": [None, None]}
    cache.clear()
    if hasattr(FileStore, "_storage_path"):
        del FileStore._storage_path  # which Django finds once in a process
