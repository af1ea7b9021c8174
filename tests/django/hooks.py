"""Fixtures for change hooks: a library of books, and what the store is told about them."""

from contextlib import ExitStack, contextmanager

import pytest
from django.apps import apps
from django.db import connections, models
from django.db.backends.signals import connection_created
from django.test.utils import override_settings

from isgware.django import changes, revalidate_on_change

from ..databases import django_settings


def _hurry(connection, **_):
    """Nothing of a test has to outlast a power cut."""
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=OFF")
        cursor.execute("PRAGMA journal_mode=MEMORY")


@contextmanager
def databases_of(tmp_path, *aliases):
    """Databases of one test's own, in place of the project's."""
    databases = {alias: django_settings(tmp_path / alias) for alias in aliases}
    known = connections.settings
    connections.settings = connections.configure_settings(databases)
    connection_created.connect(_hurry)
    kept = {}
    for alias in databases:
        if hasattr(connections._connections, alias):
            kept[alias] = connections[alias]
            del connections[alias]
    yield
    connection_created.disconnect(_hurry)
    for alias in databases:
        connections[alias].close()
        del connections[alias]
    connections.settings = known
    for alias, connection_kept in kept.items():
        connections[alias] = connection_kept


@pytest.fixture
def library(tmp_path):
    """The models of the app, on two databases of this test's own."""
    aliases = ("default", "other")
    with (
        databases_of(tmp_path, *aliases),
        override_settings(INSTALLED_APPS=["tests.django.bookshelf"]),
    ):
        from tests.django.bookshelf import models as library

        for alias in aliases:
            with connections[alias].schema_editor() as editor:
                for model in (library.Author, library.Shelf, library.Book, library.Atlas):
                    editor.create_model(model)
        yield library


@pytest.fixture
def accounts(tmp_path):
    """``accounts(*apps, **settings)``: a database with users, sessions, and what more apps keep."""
    with ExitStack() as stack:

        def install(*more, **changes):
            installed = [f"django.contrib.{name}" for name in ("contenttypes", "auth", "sessions")]
            stack.enter_context(databases_of(tmp_path, "default"))
            hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
            stack.enter_context(override_settings(PASSWORD_HASHERS=hashers, **changes))
            stack.enter_context(override_settings(INSTALLED_APPS=[*installed, *more]))
            with connections["default"].schema_editor() as editor:
                for model in apps.get_models(include_auto_created=False):
                    editor.create_model(model)

        yield install


@pytest.fixture
def hook():
    """`revalidate_on_change` until the end of the test."""
    before = list(changes._watchers)
    yield revalidate_on_change
    signals = models.signals
    for watcher in changes._watchers[len(before) :]:
        handlers = (
            watcher.before_save, watcher.after_save, watcher.before_delete, watcher.meet,
            watcher.relation_changed,
        )  # fmt: skip
        keys = {(id(watcher), id(handler.__func__)) for handler in handlers}
        for signal in (
            signals.pre_save, signals.post_save, signals.pre_delete, signals.m2m_changed,
            signals.class_prepared,
        ):  # fmt: skip
            signal.receivers[:] = [entry for entry in signal.receivers if entry[0][0] not in keys]
            signal.sender_receivers_cache.clear()
    changes._watchers[:] = before


class Told:
    """What the store is told, in words."""

    def __init__(self, isg):
        self.calls = []
        shelf = isg.core.runtime.engine.page_store
        take = shelf.invalidate_eventually

        def note(names, *, hard=True):
            self.calls.append((hard, list(names)))
            take(names, hard=hard)

        shelf.invalidate_eventually = note

    def take(self):
        """Tags and paths told of since the last time."""
        found = {name for _, names in self.calls for name in names}
        self.calls.clear()
        return {name.partition(":")[2] for name in found}


@pytest.fixture
def told(project):
    return Told(project([]))


def make_book(library, **fields):
    author = library.Author.objects.create(name="ada")
    return library.Book.objects.create(title="Engines", author=author, **fields)
