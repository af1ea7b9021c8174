"""One process of the oracle: a Django project of its own, behind an ISG with its own memory.

`serve` is what the process runs: it does what it is told through a pipe.
"""

import logging
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import partial
from random import Random

from django.conf import settings

NUMBERS = (1, 2, 3)
WRITERS, EDITS_EACH, READERS, READS_EACH = 2, 6, 2, 15


def configure(database):
    """Django, as a project that runs SQLite for several processes has it; or on the database of
    `tests.databases`."""
    import django
    from django.db.backends.signals import connection_created

    from ...databases import BACKEND, django_settings

    options = {"OPTIONS": {"timeout": 60}} if BACKEND == "sqlite" else {}
    settings.configure(
        SECRET_KEY="not a secret", USE_TZ=True, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
        INSTALLED_APPS=["isgware.django", "tests.django.newsroom"],
        DATABASES={"default": {**django_settings(database), **options}},
    )  # fmt: skip
    django.setup()
    if BACKEND == "sqlite":
        from ..newsroom.transactions import begin_as_said

        connection_created.connect(_quick)
        connection_created.connect(begin_as_said)


def _quick(connection, **_):
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = OFF")


def create_tables():
    from django.db import connection

    from isgware.render_context import untracked

    from ..newsroom import models

    with untracked(), connection.schema_editor() as editor:
        models.create_tables(editor)


def some_urls(seed, count, writing):
    """The pages that are compared: ``count`` of them, all without, of as many kinds as there are;
    ``writing``: also those that write while they are rendered."""
    from ..newsroom.more_pages import WRITING
    from ..newsroom.pages import PAGES

    random, names = Random(seed), [name for name in PAGES if writing or name not in WRITING]
    urls = []
    for numbers in zip(*(random.sample(NUMBERS, len(NUMBERS)) for _ in names), strict=True):
        some = [f"/{name}/{number}" for name, number in zip(names, numbers, strict=True)]
        urls += random.sample(some, len(some))
    return urls[:count]


class Site:
    """``shown``: see `some_urls`."""

    def __init__(self, shown, **options):
        from django.core.wsgi import get_wsgi_application
        from django.urls import clear_url_caches
        from werkzeug.test import Client

        import isgware.django

        from ..newsroom import (
            conditions,
            edits,
            made_by_database,
            more_pages,
            pages,
            transactions,
        )  # fmt: skip

        assert all((conditions, made_by_database, transactions, more_pages))  # they add theirs
        self.edits, self.pages = edits.EDITS, pages.PAGES
        self.raw = more_pages.RAW
        self.shown = some_urls(*shown)
        self.before_storing = threading.local()
        global urlpatterns
        urlpatterns = self._urls()
        clear_url_caches()
        self.isg = isgware.django.ISG(get_wsgi_application(), enabled=True, **options)
        self.client = Client(self.isg)
        #: Errors of an edit that its app would not have without isgware.
        self.locked = []
        self._now = {}

    def _urls(self):
        from django.urls import path

        return [path(f"{name}/<int:number>", self._view(name)) for name in self.pages]

    def _view(self, name):
        from django.http import HttpResponse

        from isgware import revalidate

        @revalidate(False)
        def view(request, number):
            text = repr(self.pages[name](number))
            if between := self.before_storing.__dict__.pop("call", None):
                between()
            return HttpResponse(text)

        return view

    def bare(self, url):
        """What the app says now, without isgware."""
        _, name, number = url.split("/")
        return repr(self.pages[name](int(number)))

    def get(self, url):
        answer = self.client.get(url)
        return answer.text, answer.headers.get("X-ISG-Cache")

    # What the process is told to do.

    def edit(self, seed, kinds=None):
        """One edit; returns its kind."""
        random = Random(seed)
        name = random.choice(sorted(kinds or self.edits))
        self._edit(name, random)
        return name

    def _edit(self, name, random):
        from django.core.exceptions import ObjectDoesNotExist
        from django.db import DatabaseError, OperationalError, connection

        try:
            self.edits[name](random)
        except OperationalError as error:
            if connection.vendor == "sqlite":  # elsewhere two edits may be in each other's way
                self.locked.append((name, str(error)))
        except (DatabaseError, ObjectDoesNotExist):
            pass  # another has taken away what it was about to change, or its unique value

    def edit_within_a_render(self, seed, kinds=None):
        """After a page has read, and before it is stored."""
        random = Random(seed)
        url, done = random.choice(self.shown), []

        def between():
            with in_thread(lambda: done.append(self.edit(random.random(), kinds))):
                pass

        self.isg.purge_path(url)
        self.before_storing.call = between
        self.get(url)
        self.before_storing.__dict__.clear()
        return f"{done} while {url} was rendered"

    def work(self, seed, kinds=None):
        """Several edit and several read, at once."""
        random = Random(seed)
        made = []

        def write(seed):
            made.extend(self.edit(f"{seed} {number}", kinds) for number in range(EDITS_EACH))

        def read(seed):
            random = Random(seed)
            for _ in range(READS_EACH):
                if random.random() < 0.3:
                    self.before_storing.call = partial(time.sleep, random.random() / 100)
                self.get(random.choice(self.shown))

        jobs = [write] * WRITERS + [read] * READERS
        with ExitStack() as stack:
            for job in jobs:
                stack.enter_context(in_thread(partial(job, random.random())))
        return made

    def check(self):
        """Compares every page. Returns those that are answered as fresh and are not, and how many
        of what kind there were."""
        wrong, found = [], Counter()
        for url in self.shown:
            truth = self.bare(url)
            body, label = self.get(url)
            found[label] += 1
            if label != "STALE" and body != truth:
                wrong.append((url, label, body, truth))
            raw = url.split("/")[1] in self.raw
            if truth != self._now.get(url, truth):
                found["changed, *" if raw else "changed"] += 1
            elif label != "HIT" and url in self._now:
                found["in vain, *" if raw else "in vain"] += 1
                found[f"in vain {url}"] += not raw
            self._now[url] = truth
        locked, self.locked = self.locked, []
        return wrong, found, locked


@contextmanager
def in_thread(job):
    """Runs ``job`` until the end of the block in a thread, with connections of its own."""
    from django.db import connections

    failed = []

    def run():
        try:
            job()
        except Exception as error:
            failed.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()
    if failed:
        raise failed[0]


def serve(directory, shown, options, end):
    """A process of the oracle."""
    logging.disable(logging.WARNING)
    configure(f"{directory}/database")
    site = Site(shown, **options)
    while (command := end.recv())[0] != "end":
        name, *given = command
        try:
            if name == "fill":
                create_tables()
                from ..newsroom.edits import fill

                end.send(fill(Random(given[0])))
            else:
                end.send(getattr(site, name)(*given))
        except BaseException as error:
            end.send(error)
            raise
    site.isg.close()


urlpatterns = []
