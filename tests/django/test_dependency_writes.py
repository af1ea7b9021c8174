"""What writes are told as: upserts, conditions not to be trusted, cursors of drivers, commits."""

import sqlite3
from contextlib import closing, contextmanager, suppress
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import BooleanField, CharField, Exists, F, Func, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now
from django.db.models.lookups import Exact

import isgware
from isgware.core.dependencies import Inserted, RowsChanged, Updated
from isgware.django import old_rows, query_writes, recorded_queries
from isgware.django.field_values import is_converted
from isgware.django.query_terms import Terms
from isgware.errors import ConfigurationError
from isgware.management import record_writes

from ..databases import BACKEND
from .newsroom.site import newsroom as newsroom
from .test_dependencies import depends, label
from .test_dependencies import room as room


class Longest(Func):
    output_field = CharField()

    def as_sql(self, compiler, connection, **more):
        return "(SELECT MAX(text) FROM newsroom_comment)", []


@contextmanager
def copy(statement):
    yield statement


@pytest.fixture
def told(room):
    writes = []
    record_writes.listen(writes.extend)
    return writes


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
    assert told[:2] == [
        Updated("newsroom_topic", "t1", {"label"}),
        Inserted("newsroom_topic", "t1", {"code": "t1"}),
    ]


def test_an_upsert_by_another_column_is_told_by_the_keys_that_come_back(room, told):
    Post = room.models.Post
    common = {"date": "2024-01-01", "author": room.author}
    for url in ("/get/1", "/get/2", "/flat/1"):
        depends(room, url)
    told.clear()
    Post.objects.bulk_create(
        [Post(slug="s1", title="new", **common)], update_conflicts=True, update_fields=["title"],
        **({} if BACKEND == "mysql" else {"unique_fields": ["slug"]}),
    )  # fmt: skip
    assert [label(room, url) for url in ("/get/1", "/get/2", "/flat/1")] == [
        "REVALIDATED", "HIT", "HIT",
    ]  # fmt: skip
    assert told[0] == Updated("newsroom_post", 1, {"title"})
    assert room.models.Post.objects.get(pk=1).title == "new"


@pytest.mark.skipif(BACKEND != "sqlite", reason="servers lock rows: see test_databases")
def test_nobody_writes_between_the_question_for_old_rows_and_the_write(room):
    other = sqlite3.connect(connection.settings_dict["NAME"], timeout=0)
    asked = []

    def write_meanwhile(execute, sql, *given):
        result = execute(sql, *given)
        if sql.startswith("SELECT"):
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("UPDATE newsroom_post SET views = 5")
            asked.append(sql)
        return result

    with closing(other), connection.execute_wrapper(write_meanwhile):
        room.models.Post.objects.filter(pk=1).update(views=3)
    assert len(asked) == 1


class OwnLookup(Exact):
    """It writes its own SQL."""


@pytest.mark.parametrize(
    "found",
    [
        lambda posts: posts.filter(date__lte=Now()),
        lambda posts: posts.filter(RawSQL("views < random()", (), BooleanField())),
        lambda posts: posts.filter(views__lt=RawSQL("random()", ())),
        lambda posts: posts.filter(OwnLookup(F("views"), 0)),
        lambda posts: posts.extra(where=["views < random()"]),
    ],
    ids=["now", "SQL", "compared with SQL", "a lookup of the app's own", "extra"],
)
def test_a_condition_that_may_change_its_mind_is_not_trusted(room, told, found):
    with suppress(DatabaseError):  # it is `rand` on some
        found(room.models.Post.objects).update(views=3)
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
        driver.callproc = lambda name, *given: name  # of which Django tells no wrapper
        assert cursor.callproc("count_topics") == "count_topics"
        assert label(room, "/get/1") == "REVALIDATED"


def test_all_rows_of_a_table_that_nothing_refers_to_can_be_deleted(room, told):
    """Django asks for its first table once it has one, and isgware must not ask before."""
    room.models.Comment.objects.create(post=room.posts[0], text="a")
    assert room.models.Comment.objects.all().delete()[0] == 1
    assert room.models.Comment.objects.count() == 0


def test_a_row_whose_key_nobody_told_may_be_one_that_was_not_there(room):
    Post, url = room.models.Post, "/get/3"
    assert depends(room, url) == ["newsroom.Post:3(id)"]
    fields = {"slug": "s3", "date": "2024-01-01", "author": room.author}
    Post.objects.bulk_create([Post(title="p3", **fields)], ignore_conflicts=True)
    assert label(room, url) == "REVALIDATED"


def test_a_row_is_known_by_the_key_that_the_database_holds(room, monkeypatch):
    """Whatever a field of the app's own makes of it."""
    Topic = room.models.Topic
    Topic.objects.create(code="t1", label="old")
    monkeypatch.setattr(
        Topic._meta.pk, "from_db_value", lambda value, *_: f"topic_{value}", raising=False
    )
    stored = lambda value: value and value.removeprefix("topic_")  # noqa: E731
    monkeypatch.setattr(Topic._meta.pk, "get_prep_value", stored)
    is_converted.cache_clear()
    pages = {"get": lambda number: Topic.objects.get(pk="t1").label}
    with patch.dict(room.pages, pages):
        assert depends(room, "/get/1") == ["newsroom.Topic:t1"]
        Topic.objects.filter(pk="t1").update(label="new")
        assert label(room, "/get/1") == "REVALIDATED"
        named = {} if BACKEND == "mysql" else {"unique_fields": ["code"]}
        Topic.objects.bulk_create(
            [Topic(code="topic_t1", label="newer")], update_conflicts=True,
            update_fields=["label"], **named,
        )  # fmt: skip
        assert label(room, "/get/1") == "REVALIDATED"
    is_converted.cache_clear()


@pytest.mark.skipif(BACKEND != "sqlite", reason="elsewhere a view is locked as a table")
def test_a_view_of_sqlite_can_be_written_by_its_triggers(room, told):
    with isgware.untracked(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE newsroom_topic RENAME TO kept")
        cursor.execute("CREATE VIEW newsroom_topic AS SELECT code, label FROM kept")
        cursor.execute(
            "CREATE TRIGGER changed INSTEAD OF UPDATE ON newsroom_topic "
            "BEGIN UPDATE kept SET label = NEW.label WHERE code = NEW.code; END"
        )
        cursor.execute("INSERT INTO kept (code, label) VALUES ('t1', 'old')")
    room.models.Topic.objects.update(label="new")
    assert told == [RowsChanged("newsroom_topic", {"label"})]
    assert room.models.Topic.objects.get().label == "new"


@pytest.mark.parametrize(
    ("template", "everything"),
    [
        ("(SELECT COUNT(*) FROM newsroom_comment)", True),
        ("EXTRACT(DOW FROM %(expressions)s)", False),
    ],
)
def test_a_template_of_the_apps_own_may_select_from_other_tables(template, everything):
    terms = Terms(SimpleNamespace(alias_map={}, model=None), ())
    terms.walk(Func(Value(1), template=template))
    assert bool(terms.raw) is everything


def test_a_subquery_that_asks_whether_a_table_is_empty_reads_it(room):
    pages, Comment = room.pages, room.models.Comment
    query = room.models.Post.objects.filter(Exists(Comment.objects.all()))
    with patch.dict(pages, {"get": lambda number: list(query.values_list("title"))}):
        assert label(room, "/get/1") == "MISS"
        Comment.objects.create(post=room.posts[0], text="a")
        assert label(room, "/get/1") == "REVALIDATED"


def test_a_process_that_can_have_no_isg_says_that_it_renews_nothing(caplog, monkeypatch):
    monkeypatch.setattr(query_writes, "_failures", set())

    def made():
        raise ConfigurationError("The store is not ours to write.")

    told = query_writes.Told(made, lambda: False)
    told()
    told()
    assert caplog.messages == [
        "dependencies=: what this process writes to the database renews no pages: The store is not "
        "ours to write."
    ]


def test_of_several_statements_in_one_text_the_later_ones_may_write(room):
    kind = recorded_queries._active[0].raw._kind
    assert kind("SET lock_timeout = '2s'; DELETE FROM newsroom_topic") == "writes"
    assert kind("SET a = 'x;y';") == "neither"


def test_an_expression_of_the_apps_own_reads_the_tables_that_its_sql_names(room):
    query = room.models.Post.objects.annotate(longest=Longest())
    with patch.dict(room.pages, {"get": lambda number: list(query.values_list("longest"))}):
        assert "newsroom.Comment[*]" in depends(room, "/get/1")


def test_rows_can_be_updated_in_a_transaction_that_was_begun_in_plain_words(room):
    depends(room, "/get/1")
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        assert room.models.Post.objects.filter(pk=1).update(title="new") == 1
        cursor.execute("COMMIT")
    assert label(room, "/get/1") == "REVALIDATED"
    assert room.models.Post.objects.get(pk=1).title == "new"


def test_what_a_driver_does_not_say_of_transactions_is_noted():
    known = {"get_autocommit": lambda: True, "in_atomic_block": False, "vendor": "mysql"}
    mysql = SimpleNamespace(connection=SimpleNamespace(), **known)
    free = []
    for sql in ("START TRANSACTION", "ROLLBACK TO a", "SELECT 1", "COMMIT"):
        old_rows.note_begun(mysql, sql.split()[0].lower(), sql)
        free.append(old_rows.can_begin(mysql))
    assert free == [False, False, False, True]
