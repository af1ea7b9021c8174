"""What no change tells of is named by ``why`` and ``show``: the time, and Django's caches."""

import datetime

import pytest
from click.testing import CliRunner
from django.core.cache import cache
from django.db import connection
from django.db.models import F, Func
from django.db.models.functions import Now
from django.utils import timezone

import isgware
from isgware.cli.commands import commands
from isgware.cli.subject import subject_of

from .newsroom.pages import PAGES
from .newsroom.site import newsroom as newsroom


def posts(**conditions):
    from .newsroom.models import Post

    return list(Post.objects.filter(**conditions).values_list("pk"))


def functions(name):
    from .newsroom.models import Post

    connection.ensure_connection()
    with isgware.untracked():
        connection.connection.create_function("of_the_app", 1, str)
    return list(Post.objects.annotate(x=Func(F("title"), function=name)).values_list("pk", "x"))


@pytest.mark.parametrize(
    ("page", "notes"),
    [
        (lambda n: posts(date__lte=timezone.now()), ["newsroom.Post.date"]),
        (lambda n: posts(date__lte=Now()), ["something"]),
        (lambda n: posts(date__range=("2020-01-01", timezone.localdate())), ["newsroom.Post.date"]),
        (lambda n: posts(date__lte=datetime.date(2020, 1, 1)), []),
        (lambda n: functions("printf"), []),
        (lambda n: functions("of_the_app"), ["of_the_app()"]),
        (lambda n: cache.get_or_set("a", 1), ["the cache 'default'"]),
        (lambda n: cache.get_many(["a"]), ["the cache 'default'"]),
        (lambda n: cache.set("a", 1), []),
    ],
    ids=[
        "now",
        "the database's now",
        "today",
        "a day",
        "a function",
        "of the app's",
        "cached",
        "cached, several",
        "set",
    ],
)
def test_what_no_change_tells_of_is_named(newsroom, tmp_path, monkeypatch, page, notes):
    monkeypatch.setitem(PAGES, "page", page)
    room = newsroom(f"file:{tmp_path}/store")
    assert room.clients[0].get("/page/1").status_code == 200
    unseen = room.isgs[0].why("/page/1", host="localhost").unseen
    assert len(unseen) == len(notes)
    for note, said in zip(notes, unseen, strict=True):
        assert note in said
        assert "test_unseen.py:" in said
        assert any(end in said for end in ("needs revalidate seconds", "may be older", "not known"))
    assert not any("test_unseen" in line for line in room.isgs[0].depends("/page/1"))
    shown = CliRunner().invoke(
        commands("isgware", lambda: subject_of(room.isgs[0])), ["show", "/page/1"]
    )
    assert ("unseen" in shown.output) == bool(notes)
