"""Fixtures of the promise tests: a clock, an executor, and ISGs that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from isgware import ISG
from tests.promises.kit import Clock, Manual, Site
from tests.stores import Redis, running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def later() -> Manual:
    """The background: what is scheduled runs when the test says ``later.run()``."""
    return Manual()


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def wrap(clock: Clock, later: Manual) -> Iterator[Callable[..., ISG]]:
    """Make an ISG with the test's clock and background; it is closed with the test."""
    made: list[ISG] = []

    def make(app: Any, **options: Any) -> ISG:
        options = {"store": "memory:", "clock": clock, "executor": later, **options}
        made.append(ISG(app, **options))
        return made[-1]

    yield make
    for isg in made:
        isg.close(0)


@pytest.fixture(scope="session")
def one_redis() -> Iterator[Redis]:
    with running(Redis()) as server:
        yield server


@pytest.fixture
def redis_url(one_redis: Redis) -> str:
    """An empty Redis."""
    one_redis.client().flushall()
    return one_redis.url


@pytest.fixture
def django_project() -> Iterator[Callable[..., Any]]:
    """``django_project(urlpatterns, clock=…, **options and settings)`` makes Django's ISG."""
    django = pytest.importorskip("django")
    from django.conf import settings

    if not settings.configured:
        settings.configure(SECRET_KEY="not a secret", USE_TZ=True, ALLOWED_HOSTS=["*"])
    from django.apps import apps

    if not apps.ready:
        django.setup()
    from django.core.wsgi import get_wsgi_application
    from django.test.utils import override_settings
    from django.urls import clear_url_caches

    import isgware.django

    overrides = []

    def make(patterns: list[Any], **given: Any) -> Any:
        changes = {name: given.pop(name) for name in list(given) if name.isupper()}
        changes.setdefault("ISGWARE", {"store": "memory:"})
        urlconf = type("urls", (), {"urlpatterns": patterns})
        changes = {"ALLOWED_HOSTS": ["*"], "DEBUG": False, **changes}
        override = override_settings(ROOT_URLCONF=urlconf, **changes)
        override.enable()
        overrides.append(override)
        clear_url_caches()
        return isgware.django.ISG(get_wsgi_application(), **given)

    yield make
    for override in reversed(overrides):
        override.disable()
    clear_url_caches()
    isgware.django._current.clear()
