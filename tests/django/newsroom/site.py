"""The newsroom behind two ISGs on one store, which stand for two processes: each has a memory of
its own, and only one hears of commits.
"""

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse
from django.test.utils import override_settings
from django.urls import clear_url_caches, path
from werkzeug.test import Client

import isgware.django
from isgware import revalidate
from isgware.django import recorded_queries
from isgware.management import record_writes

from ..hooks import databases_of


class Newsroom:
    def __init__(self, store, **options):
        from . import models, more_pages, pages

        assert more_pages  # it adds its own
        self.models, self.pages = models, pages.PAGES
        self.options = {
            "store": store, "dependencies": True, "enabled": True, "backend_timeout": 30.0,
            **options,
        }  # fmt: skip
        self.isgs = self.clients = ()

    def urls(self):
        patterns = [path(f"{name}/<int:number>", self._view(name)) for name in self.pages]
        return type("urls", (), {"urlpatterns": patterns})

    def _view(self, name):
        @revalidate(False)
        def view(request, number):
            return HttpResponse(repr(self.pages[name](number)))

        return view

    def start(self):
        first = isgware.django.ISG(get_wsgi_application(), **self.options)
        listeners = list(record_writes._listeners)
        second = isgware.django.ISG(get_wsgi_application(), **self.options)
        for listener in list(record_writes._listeners):
            if listener not in listeners:
                record_writes.unlisten(listener)
        isgware.django._current[:] = [first]
        self.isgs = first, second
        self.clients = Client(first), Client(second)


@pytest.fixture
def newsroom(tmp_path):
    """``newsroom(store, **options)``, on a database of the test's own."""
    with databases_of(tmp_path, "default"), override_settings(INSTALLED_APPS=[
        "isgware.django", "tests.django.newsroom"]):  # fmt: skip
        made = []

        def make(store, **options):
            room = Newsroom(store, **options)
            recorded_queries.stop_recording()
            with connection.schema_editor() as editor:
                room.models.create_tables(editor)
            override = override_settings(ROOT_URLCONF=room.urls(), ALLOWED_HOSTS=["*"], DEBUG=False)
            override.enable()
            clear_url_caches()
            made.append((room, override))
            room.start()
            return room

        yield make
        for room, override in made:
            for isg in room.isgs:
                isg.close()
            override.disable()
        recorded_queries.stop_recording()
        record_writes._listeners.clear()
        isgware.django._current.clear()
        clear_url_caches()
