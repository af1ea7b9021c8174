"""``dependencies=True`` in Django: what people see of it, and say to it."""

import json

import pytest
from click.testing import CliRunner
from django.db import connection, models, transaction
from django.test.utils import CaptureQueriesContext
from werkzeug.test import Client

import isgware
from isgware.cli.commands import commands
from isgware.cli.subject import subject_of, subject_of_store
from isgware.core.stored_page import decode
from isgware.django import query_writes, recorded_queries
from isgware.django.apps import _record_queries
from isgware.management import record_writes

from ..databases import BACKEND
from .newsroom.site import newsroom as newsroom


@pytest.fixture
def room(newsroom, tmp_path):
    record_writes._touchers.clear()  # apps of other tests, which know no models
    room = newsroom(f"file:{tmp_path}/store", secret="a secret of some length")
    room.author = room.models.Author.objects.create(name="ann")
    room.posts = [
        room.models.Post.objects.create(
            title=f"p{n}", slug=f"s{n}", date="2024-01-01", author=room.author
        )
        for n in (1, 2)
    ]
    return room


def label(room, url, client=0):
    return room.clients[client].get(url).headers["X-ISG-Cache"]


def depends(room, url):
    assert label(room, url) == "MISS"
    return room.isgs[0].depends(url)


@pytest.mark.parametrize(
    ("url", "lines"),
    [
        ("/get/1", ["newsroom.Post:1"]),
        ("/by_slug/1", ["newsroom.Post:1"]),
        ("/get/9", ["newsroom.Post:9(id)"]),
        ("/count/1", ["newsroom.Post[author_id=1]"]),
        ("/exists/1", ["newsroom.Comment[approved=1, post_id=1]"]),
        (
            "/of_author/1",
            ["newsroom.Post:1", "newsroom.Post:2", "newsroom.Post[author_id=1; date, id]"],
        ),
        ("/flat/1", ["newsroom.Topic[label]"]),
        ("/many_to_many_back/1", ["newsroom.Post_topics[post_id=1; topic_id]"]),
        ("/related/1", ["newsroom.Author:1", "newsroom.Post:1"]),
        ("/raw_expression/1", ["newsroom.Post[*]"]),
        ("/nobody/1", []),
    ],
)  # fmt: skip
def test_a_page_depends_on_what_it_shows_and_asks(room, url, lines):
    assert sorted(depends(room, url)) == sorted(lines)


def test_only_narrows_a_row_to_its_columns(room):
    assert "newsroom.Post:1(author_id, id, title)" in depends(room, "/only/1")
    room.models.Post.objects.filter(pk=1).update(body="else")
    assert label(room, "/only/1") == "HIT"
    room.models.Post.objects.filter(pk=1).update(title="else")
    assert label(room, "/only/1") == "REVALIDATED"


def test_sql_of_the_apps_own_makes_a_page_depend_on_everything(room):
    (line,) = [line for line in depends(room, "/raw_query/1") if line.startswith("*")]
    assert "newsroom/pages.py:" in line
    room.models.Topic.objects.create(code="x", label="x")
    assert label(room, "/raw_query/1") == "REVALIDATED"


def test_sql_of_a_migration_is_not_the_apps_to_change(room, caplog):
    """`migrate` renews everything in any case."""

    def run():
        with connection.cursor() as cursor:
            cursor.execute("UPDATE newsroom_topic SET label = 'x'")

    assert label(room, "/count/1") == "MISS"
    called = {"__name__": "django.db.migrations.executor", "run": run}
    exec("run()", called)
    assert label(room, "/count/1") == "REVALIDATED"
    assert "renews every page" not in caplog.text


def test_sql_that_writes_renews_everything_and_says_so_once(room, caplog):
    depends(room, "/get/1")
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE newsroom_topic SET label = 'x'")
    assert caplog.text.count("renews every page") == 1
    assert "test_dependencies.py" in caplog.text
    assert label(room, "/get/1") == "REVALIDATED"


def test_a_commit_in_plain_words_may_commit_anything(room):
    """What the ORM wrote before it was told before it, too."""
    depends(room, "/get/1")
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        assert label(room, "/get/1") == "HIT"
        cursor.execute("COMMIT")
    assert label(room, "/get/1") == "REVALIDATED"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM newsroom_topic",
        "PRAGMA user_version" if BACKEND == "sqlite" else "SET NAMES 'utf8'",
        "SAVEPOINT a",
        "-- x\n EXPLAIN SELECT 1",
    ],
)
def test_sql_that_only_reads_renews_nothing(room, sql):
    depends(room, "/get/1")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert label(room, "/get/1") == "HIT"


def test_a_save_that_changes_nothing_renews_nothing(room):
    depends(room, "/of_author/1")
    room.posts[0].refresh_from_db()
    room.posts[0].save()
    assert label(room, "/of_author/1") == "HIT"


def test_untracked_code_neither_reads_nor_tells(room):
    depends(room, "/get/1")
    with isgware.untracked():
        room.models.Post.objects.filter(pk=1).update(views=7)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE newsroom_post SET views = 8")
    assert label(room, "/get/1") == "HIT"


def test_what_was_touched_is_renewed_in_every_process(room):
    for url in ("/get/1", "/get/2", "/count/1", "/flat/1"):
        depends(room, url)
        assert label(room, url, 1) == "HIT"
    isgware.touched("newsroom.Post:1")
    assert [label(room, url, 1) for url in ("/get/1", "/get/2", "/count/1", "/flat/1")] == [
        "REVALIDATED", "HIT", "REVALIDATED", "HIT",
    ]  # fmt: skip
    isgware.touched("newsroom.Topic[*]")
    assert label(room, "/flat/1") == "REVALIDATED"


def test_inside_of_a_transaction_what_was_touched_waits_for_the_commit(room):
    depends(room, "/get/1")
    with transaction.atomic():
        isgware.touched("newsroom.Post:1")
        assert label(room, "/get/1", 1) == "HIT"
    assert label(room, "/get/1", 1) == "REVALIDATED"


def test_pages_that_a_change_concerns_are_listed(room):
    for url in ("/get/1", "/get/2", "/related/2", "/count/1", "/flat/1"):
        depends(room, url)
    paths = {info.path for info in room.isgs[0].affected("newsroom.Post:2")}
    assert paths == {"/get/2", "/related/2", "/count/1"}
    assert {info.path for info in room.isgs[0].affected("newsroom.Topic[*]")} == {"/flat/1"}


def test_the_control_endpoint_takes_what_was_touched(room):
    depends(room, "/get/1")
    answer = Client(room.isgs[1]).post(
        "/_isg/revalidate",
        headers={"Authorization": "Bearer a secret of some length"},
        json={"touched": ["newsroom.Post:1"]},
    )
    assert (answer.status_code, answer.json["touched"]) == (200, ["newsroom.Post:1"])
    assert answer.json["pages"] == 1
    assert label(room, "/get/1") == "REVALIDATED"
    refused = Client(room.isgs[1]).post(
        "/_isg/revalidate",
        headers={"Authorization": "Bearer a secret of some length"},
        json={"touched": ["nothing"]},
    )
    assert refused.status_code == 400


def run(subject, *arguments):
    result = CliRunner().invoke(commands("isgware", lambda: subject), list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_line_shows_and_says_it(room, tmp_path):
    depends(room, "/get/1")
    subject = subject_of(room.isgs[0])
    assert run(subject, "depends", "/get/1") == "newsroom.Post:1\n"
    assert json.loads(run(subject, "depends", "/get/1", "--output", "json")) == ["newsroom.Post:1"]
    (line,) = run(subject, "affected", "newsroom.Post:1").splitlines()[1:]
    assert line.split()[:3] == ["/get/1", "200", "fresh"]
    assert "depends on" in run(subject, "show", "/get/1")
    store = subject_of_store(f"file:{tmp_path}/store")
    assert run(store, "depends", "/get/1") == "newsroom.Post:1\n"
    assert "newsroom.Post:1" in run(store, "show", "/get/1")
    assert run(store, "touched", "newsroom.Post:1") == (
        "Touched newsroom.Post:1: 1 stored page depends on it.\n"
    )
    assert label(room, "/get/1") == "REVALIDATED"


def test_why_names_what_a_page_depends_on_and_what_changed(room):
    depends(room, "/get/1")
    assert room.isgs[0].why("/get/1").depends == ("newsroom.Post:1",)
    room.models.Post.objects.filter(pk=1).update(title="new")
    said = room.isgs[0].why("/get/1", host="localhost").decided_by
    assert said == "title of newsroom.Post:1 changed since the render"


def test_what_a_render_writes_renews_other_pages_and_not_its_own(room, caplog):
    depends(room, "/get/1")
    assert label(room, "/counting/1") == "MISS"
    assert label(room, "/counting/1") == "HIT"
    assert label(room, "/get/1") == "REVALIDATED"
    assert caplog.text.count("while a page is rendered") == 1
    room.models.Post.objects.filter(pk=1).update(title="else")
    assert label(room, "/counting/1") == "REVALIDATED"


def test_sessions_and_untracked_models_do_not_count(newsroom, tmp_path):
    room = newsroom(f"file:{tmp_path}/store", untracked=["newsroom.Topic"])
    assert depends(room, "/flat/1") == []
    room.models.Topic.objects.create(code="x", label="x")
    assert label(room, "/flat/1") == "HIT"


def test_what_is_said_to_web_processes_alone_is_logged(newsroom, tmp_path, caplog):
    newsroom(f"file:{tmp_path}/store")
    assert ["Give it in settings.ISGWARE" in line for line in caplog.messages] == [True]


def test_the_environment_counts_for_commands_too(newsroom, monkeypatch):
    monkeypatch.setattr(record_writes, "_makers", [])
    monkeypatch.setenv("ISGWARE_DEPENDENCIES", "true")
    assert not recorded_queries.recording()
    _record_queries()
    assert recorded_queries.recording()


def test_a_page_from_before_the_option_is_stale(newsroom, tmp_path):
    room = newsroom(f"file:{tmp_path}/store", dependencies=False)
    assert label(room, "/get/1") == "MISS"
    other = isgware.django.ISG(
        room.isgs[0].core.application, **room.options | {"dependencies": True}
    )
    assert Client(other).get("/get/1").headers["X-ISG-Cache"] == "STALE"
    other.close()


def test_a_soft_change_makes_pages_stale(newsroom, tmp_path):
    room = newsroom(f"file:{tmp_path}/store", dependencies="soft")
    room.models.Author.objects.create(name="ann")
    depends(room, "/annotated/1")
    room.models.Author.objects.create(name="bob")
    assert label(room, "/annotated/1") == "STALE"


def test_what_a_page_depends_on_is_stored_with_it(room):
    depends(room, "/of_author/1")
    store = room.isgs[0].core.runtime.store
    (row,) = store.rows("/of_author/1")
    entry = decode(store.get(row.key, row.rendered_at), row.key)
    assert entry.depended.names == row.depended.names
    assert 0 < entry.depended.size < 400


def test_each_kind_of_write_renews_the_questions_it_concerns(room):
    other = room.models.Author.objects.create(name="bob")
    urls = [f"/count/{room.author.pk}", f"/count/{other.pk}"]

    def renewed():
        return [label(room, url) == "REVALIDATED" for url in urls]

    for url in urls:
        depends(room, url)
    post = room.models.Post.objects.create(
        title="n", slug="n", date="2024-01-01", author=room.author
    )
    assert renewed() == [True, False]
    room.models.Post.objects.filter(pk=post.pk).update(author=other)
    assert renewed() == [True, True]
    post.delete()
    assert renewed() == [False, True]
    room.models.Post.objects.filter(author=room.author).delete()
    assert renewed() == [True, False]


def test_a_row_that_is_not_there_yet_is_awaited(room):
    depends(room, "/by_slug/3")
    room.models.Post.objects.create(title="n", slug="s3", date="2024-01-01", author=room.author)
    assert label(room, "/by_slug/3") == "REVALIDATED"


def test_a_row_that_another_process_has_changed_meanwhile_leaves_the_question_it_was_in(room):
    bob, eve = (room.models.Author.objects.create(name=name) for name in ("bob", "eve"))
    loaded = room.models.Post.objects.get(pk=1)
    with isgware.untracked():  # as another process, that has told already
        room.models.Post.objects.filter(pk=1).update(author=bob)
    depends(room, f"/count/{bob.pk}")
    loaded.author = eve
    loaded.save()
    assert label(room, f"/count/{bob.pk}") == "REVALIDATED"


def test_rows_that_came_between_the_look_and_the_write_are_not_missed(room, monkeypatch):
    depends(room, "/get/1")
    monkeypatch.setattr(query_writes, "rows_before", lambda *_: [])
    room.models.Post.objects.update(views=9)
    assert label(room, "/get/1") == "REVALIDATED"


def test_a_row_that_gets_another_key_is_another_row(room):
    room.models.Topic.objects.create(code="x", label="x")
    depends(room, "/topics_counted/1")
    room.models.Topic.objects.filter(pk="x").update(code="y")
    assert label(room, "/topics_counted/1") == "REVALIDATED"


def test_rows_with_keys_of_several_columns(room):
    if not hasattr(models, "CompositePrimaryKey"):
        pytest.skip("since Django 5.2")
    depends(room, "/seats/1")
    seat = room.models.Seat.objects.create(row=1, number=2)
    assert label(room, "/seats/1") == "REVALIDATED"
    seat.taken = True
    seat.save()
    assert label(room, "/seats/1") == "REVALIDATED"
    room.models.Seat.objects.create(row=1, number=3)
    label(room, "/seats/1")
    room.models.Seat.objects.filter(row=1, number=3).delete()
    assert label(room, "/seats/1") == "REVALIDATED"


@pytest.mark.skipif(BACKEND != "sqlite", reason="others do not lock the other tables")
def test_rows_are_known_that_other_tables_decide(room):
    bob = room.models.Author.objects.create(name="bob")
    post = room.models.Post.objects.create(title="b", slug="b", date="2024-01-01", author=bob)
    for url in ("/get/1", f"/get/{post.pk}"):
        depends(room, url)
    room.models.Post.objects.filter(author__name="bob").update(views=9)
    assert [label(room, url) for url in ("/get/1", f"/get/{post.pk}")] == ["HIT", "REVALIDATED"]


def test_of_a_bulk_update_each_row_has_its_own_value(room):
    bob, eve = (room.models.Author.objects.create(name=name) for name in ("bob", "eve"))
    urls = [f"/count/{author.pk}" for author in (room.author, bob, eve)]
    for url in urls:
        depends(room, url)
    room.posts[1].author = bob
    room.models.Post.objects.bulk_update(room.posts, ["author"])
    found = [label(room, url) for url in urls]
    assert found == ["REVALIDATED", "REVALIDATED", "HIT"]


def test_a_write_that_django_does_not_send_locks_nothing(room):
    with CaptureQueriesContext(connection) as sent:
        assert room.models.Post.objects.filter(pk__in=[]).update(views=1) == 0
        assert room.models.Comment.objects.filter(pk__in=[]).delete()[0] == 0
    assert [query["sql"] for query in sent if "newsroom" in query["sql"]] == []
