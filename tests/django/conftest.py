"""A small Django project in this process; each test overrides the settings it is about."""

import pytest
from django.conf import settings

if not settings.configured:
    settings.configure(SECRET_KEY="not a secret", USE_TZ=True, ALLOWED_HOSTS=["*"])

import django
from django.apps import apps

if not apps.ready:
    django.setup()

from django.core.wsgi import get_wsgi_application
from django.test.utils import override_settings
from django.urls import clear_url_caches
from werkzeug.test import Client

import isgware.django

from ..databases import BACKEND
from .hooks import accounts, hook, library, told  # noqa: F401  (fixtures)

#: They are about what servers do.
collect_ignore = ["test_databases.py"] if BACKEND == "sqlite" else []


@pytest.fixture
def project():
    """``project(urlpatterns, **settings)`` makes an ISG around a project of those URLs."""
    overrides = []

    def make(patterns, **changes):
        changes.setdefault("ISGWARE", {"store": "memory:"})
        urlconf = type("urls", (), {"urlpatterns": patterns})
        override = override_settings(
            ROOT_URLCONF=urlconf, ALLOWED_HOSTS=["*"], DEBUG=False, **changes
        )
        override.enable()
        overrides.append(override)
        clear_url_caches()
        return isgware.django.ISG(get_wsgi_application())

    yield make
    for override in reversed(overrides):
        override.disable()
    clear_url_caches()
    isgware.django._current.clear()


@pytest.fixture
def visit():
    """``visit(isg, path, **headers)``: status label and text."""

    def get(isg, path, cookie=None, **kwargs):
        client = Client(isg, use_cookies=False)
        headers = dict(kwargs.pop("headers", {}))
        if cookie:
            headers["Cookie"] = cookie
        answer = client.get(path, headers=headers, **kwargs)
        return answer.headers.get("X-ISG-Cache"), answer.text

    return get
