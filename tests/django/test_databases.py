"""What differs from SQLite: locks of rows, and transactions that wait for each other.

Runs on the server that ``ISGWARE_TEST_DATABASE`` names: ``python tools/dependency_databases.py``.
"""

import threading
from contextlib import suppress

import pytest
from django.db import OperationalError, connection, connections, transaction

from isgware.core.dependencies import EverythingChanged

from ..databases import BACKEND
from .newsroom.site import newsroom as newsroom
from .test_dependencies import depends, label
from .test_dependencies import room as room
from .test_dependency_writes import told as told

mysql = pytest.mark.skipif(BACKEND != "mysql", reason="a matter of MySQL")
postgresql = pytest.mark.skipif(BACKEND != "postgresql", reason="a matter of PostgreSQL")


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
        thread.join(60)
        assert not thread.is_alive()
        return raised

    return ended


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
    # Which thread comes to tell first is open.
    assert sorted((write.old["author_id"], write.new["author_id"]) for write in told) == [
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


def test_a_deadlock_is_the_apps_to_retry(room, told):
    """MySQL has rolled the transaction back then: what is executed next is in another."""
    objects, meet = room.models.Post.objects, threading.Barrier(2, timeout=60)

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


@postgresql
def test_rows_that_are_copied(room):
    depends(room, "/flat/1")
    with connection.cursor() as cursor, cursor.copy("COPY newsroom_topic FROM STDIN") as copying:
        copying.write_row(("t9", "label"))
        assert label(room, "/flat/1") == "HIT"
    assert label(room, "/flat/1") == "REVALIDATED"


@mysql
@pytest.mark.parametrize("sql", ["CREATE TABLE made (id INTEGER)", "BEGIN"])
def test_what_commits_without_saying_so(room, told, sql):
    """In a block that fails afterwards, which takes nothing back."""
    with suppress(OSError), transaction.atomic():
        room.models.Post.objects.filter(pk=1).update(views=9)
        with connection.cursor() as cursor:
            cursor.execute(sql)
        assert isinstance(told[-1], EverythingChanged)
        raise OSError
    assert room.models.Post.objects.get(pk=1).views == 9
