"""What databases do in their own ways: locks of rows, upserts, cursors of drivers, commits.

Those that need a server run on that of ``ISGWARE_TEST_DATABASE``:
``python tools/dependency_databases.py``.
"""

import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.models.functions import Now

from isgware.core.dependencies import Inserted, RowsChanged, Updated
from isgware.management import record_writes

from ..databases import BACKEND
from .test_dependencies import depends, label
from .test_dependencies import room as room
from .test_dependencies_oracle import newsroom as newsroom

server = pytest.mark.skipif(BACKEND == "sqlite", reason="ISGWARE_TEST_DATABASE names no server")
postgresql = pytest.mark.skipif(BACKEND != "postgresql", reason="a matter of PostgreSQL")


@contextmanager
def copy(statement):
    yield statement


@pytest.fixture
def told(room):
    writes = []
    record_writes.listen(writes.extend)
    return writes


def in_thread(function):
    """Start it beside; returns what waits for its end and gives what it raised."""
    raised = []

    def run():
        try:
            function()
        except Exception as error:
            raised.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()

    def ended():
        thread.join(30)
        assert not thread.is_alive()
        return raised

    return ended


@server
@pytest.mark.parametrize("condition", [{"pk": 1}, {"slug": "s1"}], ids=["key", "condition"])
def test_an_old_value_is_read_under_the_lock(room, told, condition):
    """The second writer waits for the first, and changes what that has left."""
    Post, bob = room.models.Post, room.models.Author.objects.create(name="bob")
    eve = room.models.Author.objects.create(name="eve")
    told.clear()
    with transaction.atomic():
        Post.objects.filter(pk=1).update(author=bob)
        ended = in_thread(lambda: Post.objects.filter(**condition).update(author=eve))
    assert ended() == []
    assert [(write.old["author_id"], write.new["author_id"]) for write in told] == [
        (room.author.pk, bob.pk), (bob.pk, eve.pk),
    ]  # fmt: skip


@postgresql
def test_rows_may_refer_to_one_that_is_being_changed(room):
    """The lock of the question is no stronger than that of an UPDATE that sets no key."""

    def refer():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            room.models.Comment.objects.create(post_id=1, text="c")

    with transaction.atomic():
        room.models.Post.objects.filter(pk=1).update(title="else")
        assert in_thread(refer)() == []


@server
def test_a_deadlock_is_the_apps_to_retry(room, told):
    """MySQL has rolled the transaction back then: what is executed next is in another."""
    objects, meet = room.models.Post.objects, threading.Barrier(2, timeout=20)

    def write(first, second):
        with transaction.atomic():
            objects.filter(pk=first).update(views=5)
            meet.wait()
            objects.filter(pk=second).update(views=5)

    ended = in_thread(lambda: write(2, 1))
    failed = []
    try:
        write(1, 2)
    except OperationalError as error:
        failed.append(error)
    failed += ended()
    assert len(failed) == 1
    assert isinstance(failed[0], OperationalError)
    assert sorted(write.key for write in told) == [1, 2]
    assert objects.filter(views=5).count() == 2


def test_an_upsert_changes_the_rows_that_the_database_names(room, told):
    Topic = room.models.Topic
    Topic.objects.create(code="t1", label="old")
    told.clear()
    named = {} if BACKEND == "mysql" else {"unique_fields": ["code"]}
    Topic.objects.bulk_create(
        [Topic(code="t1", label="new"), Topic(code="t2", label="b")],
        update_conflicts=True, update_fields=["label"], **named,
    )  # fmt: skip
    if BACKEND == "mysql":  # its keys are no numbers of the database's, so that it is not asked
        assert told[0] == RowsChanged("newsroom_topic", {"label"})
        return
    key = {"code": "t1"}
    assert told[:2] == [
        Updated("newsroom_topic", "t1", {"label"}, key, key), Inserted("newsroom_topic", "t1", key),
    ]  # fmt: skip


def test_an_upsert_by_another_column_is_told_by_the_keys_that_come_back(room, told):
    Post = room.models.Post
    common = {"date": "2024-01-01", "author": room.author}
    for url in ("/get/1", "/get/2", "/flat/1"):
        depends(room, url)
    Post.objects.bulk_create(
        [Post(slug="s1", title="new", **common)], update_conflicts=True, update_fields=["title"],
        **({} if BACKEND == "mysql" else {"unique_fields": ["slug"]}),
    )  # fmt: skip
    assert [label(room, url) for url in ("/get/1", "/get/2", "/flat/1")] == [
        "REVALIDATED", "HIT", "HIT",
    ]  # fmt: skip
    assert room.models.Post.objects.get(pk=1).title == "new"


def test_a_condition_that_may_change_its_mind_is_not_trusted(room, told):
    room.models.Post.objects.filter(date__lte=Now()).update(views=3)
    assert told == [RowsChanged("newsroom_post", {"views"})]


def test_a_request_right_after_a_commit_sees_it_and_leaves_the_connection_to_be_used(room):
    """Django closes old connections when a request has ended."""
    connection.settings_dict["CONN_MAX_AGE"] = 0
    depends(room, "/get/1")
    seen = []
    with transaction.atomic():
        transaction.on_commit(lambda: seen.append(label(room, "/get/1")))
        room.models.Post.objects.filter(pk=1).update(title="new")
        transaction.on_commit(lambda: seen.append(label(room, "/get/1")))
    assert seen == ["REVALIDATED", "HIT"]
    room.models.Post.objects.filter(pk=1).update(title="newer")
    assert label(room, "/get/1") == "REVALIDATED"


def test_prefetched_relations_are_no_sql_of_the_apps_own(room):
    topic = room.models.Topic.objects.create(code="t1", label="l")
    room.posts[0].topics.add(topic)
    lines = depends(room, f"/prefetched/{room.author.pk}")
    assert "newsroom.Topic:t1" in lines
    assert not any(line.startswith("*") or line.endswith("[*]") for line in lines)


def test_what_a_drivers_cursor_does_past_djangos_is_everything(room, monkeypatch):
    """As psycopg's ``copy``, which has copied at the end of its block."""
    depends(room, "/get/1")
    with connection.cursor() as cursor:
        driver = SimpleNamespace(copy=copy, close=lambda: None)
        monkeypatch.setattr(cursor, "cursor", driver)
        with cursor.copy("COPY newsroom_topic FROM STDIN"):
            assert label(room, "/get/1") == "HIT"
        assert label(room, "/get/1") == "REVALIDATED"


@postgresql
def test_rows_that_are_copied(room):
    depends(room, "/flat/1")
    with connection.cursor() as cursor, cursor.copy("COPY newsroom_topic FROM STDIN") as copying:
        copying.write_row(("t9", "label"))
        assert label(room, "/flat/1") == "HIT"
    assert label(room, "/flat/1") == "REVALIDATED"
