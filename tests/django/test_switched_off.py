"""Where isgware is switched off, as under Django's test runner, the app's queries are its own."""

import pytest
from django.core import mail
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext, override_settings

from isgware.django import recorded_queries
from isgware.django.apps import _record_queries
from isgware.management import record_writes

from .newsroom.site import newsroom as newsroom

#: A topic that is deleted takes its relations along.
STATEMENTS = 5


def write(room):
    """Everything once. Returns how many there were, less COMMIT and its
    like, and what waited for the commit."""
    Topic = room.models.Topic
    with CaptureQueriesContext(connection) as seen, transaction.atomic():
        Topic.objects.create(code="a", label="b")
        Topic.objects.update(label="c")
        Topic.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE newsroom_topic SET label = 'd'")
        waiting = list(connection.run_on_commit)
    return len([q for q in seen if q["sql"].split()[0] in ("INSERT", "UPDATE", "DELETE")]), waiting


def none_of_ours(room, caplog, monkeypatch):
    told = []
    monkeypatch.setattr(record_writes, "_listeners", [told.extend])
    caplog.clear()
    assert write(room) == (STATEMENTS, [])
    recorded_queries._migrated(using="default")  # sent, it would come to apps of other tests, too
    assert told == []
    assert caplog.text == ""


@pytest.mark.parametrize("said", [False, None], ids=["said", "the test runner"])
def test_nothing_is_asked_kept_or_logged(newsroom, monkeypatch, caplog, said):
    monkeypatch.setattr(mail, "outbox", [], raising=False)
    none_of_ours(newsroom("memory:", enabled=said), caplog, monkeypatch)


def test_nor_before_there_is_an_isg(newsroom, monkeypatch, caplog):
    """As tests begin, and in commands."""
    room = newsroom("memory:")
    recorded_queries.stop_recording()
    monkeypatch.setattr(mail, "outbox", [], raising=False)
    with override_settings(ISGWARE={"store": "memory:", "dependencies": True}):
        _record_queries()
    none_of_ours(room, caplog, monkeypatch)


def test_switched_on_it_asks_before_it_writes(newsroom, monkeypatch):
    monkeypatch.setattr(mail, "outbox", [], raising=False)
    statements, waiting = write(newsroom("memory:", enabled=True))
    assert statements > STATEMENTS
    assert waiting == []
