"""``dependencies_durable``: what will be committed is announced just before."""

import sqlite3
import time

import pytest
from django.db import IntegrityError, connection, transaction

from isgware.core.dependencies import EverythingChanged, Inserted
from isgware.testing import FakeClock

from ..announcements import announcing
from ..storage.test_durable import kill
from .newsroom.site import newsroom as newsroom

BOTH = ["announced", "told"]


@pytest.fixture
def models(newsroom):
    return newsroom("memory:", dependencies_durable=True).models


@pytest.fixture
def heard(models):
    file = connection.settings_dict["NAME"]

    def topics():
        other = sqlite3.connect(file)
        try:
            return other.execute("SELECT count(*) FROM newsroom_topic").fetchone()[0]
        finally:
            other.close()

    with announcing(topics) as heard:
        yield heard


def topic(models, code="x"):
    return models.Topic.objects.create(code=code, label=code)


def test_a_commit_is_announced_before_and_told_afterwards(models, heard):
    with transaction.atomic():
        topic(models)
        with transaction.atomic():
            models.Topic.objects.update(label="y")
        assert heard.events == []
    assert sorted(heard.take()) == ["announced", "announced", "told", "told"]
    assert sorted(heard.seen) == [0, 0, 1, 1]


def test_a_write_that_commits_itself_is_announced_before(models, heard):
    topic(models)
    assert [(what, type(writes[0])) for what, writes in heard.events] == [
        ("announced", Inserted), ("told", Inserted),
    ]  # fmt: skip
    assert heard.seen == [0, 1]
    assert heard.ended == ["token 1"]
    heard.take()
    models.Topic.objects.update(label="y")
    assert heard.take() == BOTH
    models.Topic.objects.update(code="y")
    assert heard.take() == BOTH
    models.Topic.objects.get().delete()
    assert heard.take() == BOTH


def test_sql_of_the_apps_own_is_announced_before(models, heard):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO newsroom_topic VALUES ('x', 'x')")
    assert heard.take() == BOTH
    assert heard.seen == [0, 1]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM newsroom_topic")
        assert heard.events == []
    ((_, announced), (_, told)) = heard.events
    assert isinstance(announced[0], EverythingChanged)
    assert announced == told


def test_what_is_rolled_back_is_not_announced(models, heard):
    topic(models)
    heard.take()
    with pytest.raises(IntegrityError), transaction.atomic():
        models.Topic.objects.bulk_create([models.Topic(code="y"), models.Topic(code="x")])
    assert heard.events == []


def test_with_autocommit_off_the_apps_own_commit_is_announced(models, heard):
    transaction.set_autocommit(False)
    topic(models)
    transaction.commit()
    assert heard.take() == BOTH
    assert heard.seen == [0, 1]
    topic(models, "y")
    transaction.rollback()
    assert heard.take() == []
    topic(models, "z")
    transaction.set_autocommit(True)  # commits
    assert heard.take() == BOTH
    assert heard.seen == [0, 1, 1, 2]


def test_a_commit_that_fails_ends_what_it_announced(models, heard, monkeypatch):
    original = connection._commit

    def failing():
        original()
        raise OSError("the connection is gone")

    monkeypatch.setattr(connection, "_commit", failing)
    with pytest.raises(OSError, match="gone"), transaction.atomic():
        topic(models)
    assert heard.take() == BOTH
    assert heard.ended == ["token 1"]


KILLED = """
import os, signal, sys
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="x", INSTALLED_APPS=["isgware.django", "tests.django.newsroom"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    ISGWARE={"store": "file:" + sys.argv[2], "dependencies": True, "dependencies_durable": True,
        "enabled": True, "backend_timeout": 30},
    ROOT_URLCONF="tests.django.newsroom.pages",
)
django.setup()
from isgware.storage import told_writes
from tests.django.newsroom.models import Post

told_writes.tell = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Post.objects.create(title="q", slug="q", date="2024-01-01", author_id=1)
"""


def test_a_process_that_is_killed_between_its_commit_and_telling(newsroom, tmp_path):
    clock = FakeClock(time.time())
    room = newsroom(f"file:{tmp_path}/store", dependencies_durable=True, clock=clock)
    author = room.models.Author.objects.create(name="ann")
    room.models.Post.objects.create(title="p", slug="s", date="2024-01-01", author=author)
    assert [client.get("/count/1").text for client in room.clients] == ["1", "1"]
    kill(KILLED, connection.settings_dict["NAME"], tmp_path / "store")
    clock.advance(60)
    room.isgs[1].core.runtime.engine.page_store.maintain()
    assert [client.get("/count/1").text for client in room.clients] == ["2", "2"]
