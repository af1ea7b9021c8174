"""P13, decided by an oracle: after each commit every page is rendered bare and compared.

Two ISGs on one store stand for two processes: each has its own memory, and only one hears of
commits. Edits come at random, some of them in the middle of a render. ``ISGWARE_ORACLE=EDITS``
runs longer, with a seed for each hundred edits, ``ISGWARE_ORACLE_STORE=URL`` on another store,
``ISGWARE_TEST_DATABASE=URL`` on another database (`tests.databases`).
"""

import os
import threading
from random import Random

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connection, connections
from django.http import HttpResponse
from django.test.utils import override_settings
from django.urls import clear_url_caches, path
from werkzeug.test import Client

import isgware.django
from isgware import revalidate
from isgware.django import recorded_queries
from isgware.management import record_writes

from .hooks import databases_of

EDITS = int(os.environ.get("ISGWARE_ORACLE", "6"))
PER_SEED = 100
NUMBERS = (1, 2, 3)


class Newsroom:
    """The app, bare and behind two ISGs."""

    def __init__(self, random, store, **options):
        from .newsroom import edits, models, pages

        self.models, self.pages, self.edits = models, pages.PAGES, edits.EDITS
        self.random = random
        self.between = None
        self.options = {
            "store": store, "dependencies": True, "enabled": True, "backend_timeout": 30.0,
            **options,
        }  # fmt: skip

    def view(self, name):
        @revalidate(False)
        def view(request, number):
            text = repr(self.pages[name](number))
            between, self.between = self.between, None
            if between is not None:
                between()
            return HttpResponse(text)

        return view

    def urls(self):
        patterns = [path(f"{name}/<int:number>", self.view(name)) for name in self.pages]
        return type("urls", (), {"urlpatterns": patterns})

    def start(self):
        self.bare = Client(get_wsgi_application())
        first = isgware.django.ISG(get_wsgi_application(), **self.options)
        listeners = list(record_writes._listeners)
        second = isgware.django.ISG(get_wsgi_application(), **self.options)
        for listener in list(record_writes._listeners):
            if listener not in listeners:
                record_writes.unlisten(listener)
        isgware.django._current[:] = [first]
        self.isgs = first, second
        self.clients = Client(first), Client(second)

    def edit(self):
        name = self.random.choice(list(self.edits))
        self.edits[name](self.random)
        return name

    def edit_within_a_render(self):
        """The edit comes after the page has read, before it is stored."""
        url = self.url(self.random.choice(list(self.pages)))
        done = []

        def between():
            thread = threading.Thread(
                target=lambda: (done.append(self.edit()), connections.close_all())
            )
            thread.start()
            thread.join()

        self.isgs[0].purge_path(url)
        self.between = between
        self.random.choice(self.clients).get(url)
        self.between = None
        return f"{done} while {url} was rendered"

    def url(self, name):
        return f"/{name}/{self.random.choice(NUMBERS)}"

    def wrong(self):
        """Pages that are answered as fresh, and are not what the app says now."""
        found = []
        for name in self.pages:
            url = self.url(name)
            truth = self.bare.get(url).text
            for number, client in enumerate(self.clients):
                answer = client.get(url)
                label = answer.headers.get("X-ISG-Cache")
                if label != "STALE" and answer.text != truth:
                    found.append((url, number, label, answer.text, truth))
        return found


@pytest.fixture
def newsroom(tmp_path):
    with databases_of(tmp_path, "default"), override_settings(INSTALLED_APPS=[
        "isgware.django", "tests.django.newsroom"]):  # fmt: skip
        made = []

        def make(random, store, **options):
            room = Newsroom(random, store, **options)
            recorded_queries.stop_recording()
            with connection.schema_editor() as editor:
                for model in room.models.MODELS:
                    editor.create_model(model)
            if connection.vendor == "sqlite":
                connection.cursor().execute("PRAGMA journal_mode = WAL")
                connection.cursor().execute("PRAGMA synchronous = OFF")
            override = override_settings(ROOT_URLCONF=room.urls(), ALLOWED_HOSTS=["*"], DEBUG=False)
            override.enable()
            clear_url_caches()
            made.append((room, override))
            room.isgs = ()
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


@pytest.mark.parametrize("seed", range(max(1, EDITS // PER_SEED)))
def test_no_page_is_wrong_as_fresh_after_any_edit(newsroom, tmp_path, seed):
    random = Random(seed)
    evicting = {"max_pages": 40} if seed % 3 == 1 else {}
    soft = {"dependencies": "soft"} if seed % 5 == 4 else {}
    store = os.environ.get("ISGWARE_ORACLE_STORE") or f"file:{tmp_path}/store"
    room = newsroom(random, store, **evicting, **soft)
    author = room.models.Author.objects.create(name="ann")
    for number in NUMBERS:
        room.models.Topic.objects.create(code=f"T{number}", label=f"l{number}")
        room.models.Post.objects.create(
            title=f"p{number}", slug=f"s{number}", date="2024-01-01", author=author
        )
    assert room.wrong() == []
    for step in range(min(EDITS, PER_SEED)):
        within = random.random() < 0.25
        done = room.edit_within_a_render() if within else room.edit()
        assert room.wrong() == [], (seed, step, done)
