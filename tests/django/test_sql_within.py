"""SQL of the app's own that runs while the ORM makes or executes a statement."""

from contextlib import contextmanager

import pytest
from django.db import connection
from django.db.models import CharField, Func, Value

from isgware.core.dependencies import EverythingChanged
from isgware.management import record_writes

from .newsroom.pages import PAGES
from .newsroom.site import newsroom as newsroom
from .test_dependencies import depends
from .test_dependencies import room as room


def execute(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


READ, WRITE = "SELECT COUNT(*) FROM newsroom_comment", "DELETE FROM newsroom_comment"


@contextmanager
def of_a_wrapper(room, sql):
    """Which passes over its own statements."""

    def wrapper(run, statement, *given):
        if statement != sql:
            execute(sql)
        return run(statement, *given)

    with connection.execute_wrapper(wrapper):
        yield Value("x")


@contextmanager
def of_an_expression(room, sql):
    class Asking(Func):
        output_field = CharField()

        def as_sql(self, compiler, connection, **more):
            execute(sql)
            return "'x'", []

    yield Asking()


@contextmanager
def of_a_field(room, sql):
    """Such as one that takes the next number of a table."""
    field = room.models.Topic._meta.get_field("label")

    def pre_save(instance, add):
        execute(sql)
        return "x"

    field.pre_save = pre_save
    yield Value("x")
    del field.pre_save


@pytest.mark.parametrize("way", [of_a_wrapper, of_an_expression, of_a_field])
def test_what_it_writes_is_everything(room, way):
    told = []
    topic = room.models.Topic.objects.create(code="a", label="b")
    record_writes.listen(told.extend)
    edits = [lambda x: room.models.Topic.objects.create(code="c", label=x)]
    if way is of_a_field:
        edits.append(lambda x: topic.save())
    else:
        edits.append(lambda x: room.models.Topic.objects.filter(code="a").update(label=x))
    for edit in edits:
        told.clear()
        with way(room, WRITE) as value:
            edit(value)
        assert any(isinstance(write, EverythingChanged) for write in told)


@pytest.mark.parametrize("way", [of_a_wrapper, of_an_expression])
def test_what_it_reads_is_everything(room, monkeypatch, way):
    def page(number):
        with way(room, READ) as value:
            return list(room.models.Topic.objects.annotate(more=value))

    monkeypatch.setitem(PAGES, "get", page)
    assert any(line.startswith("*") for line in depends(room, "/get/1"))


def test_what_the_orm_runs_is_not(room, monkeypatch):
    seen = []

    def wrapper(run, statement, *given):
        seen.append(statement.split()[0])
        return run(statement, *given)

    def page(number):
        with connection.execute_wrapper(wrapper):
            return list(room.models.Topic.objects.all())

    monkeypatch.setitem(PAGES, "get", page)
    assert depends(room, "/get/1") == ["newsroom.Topic[]"]
    assert "SELECT" in seen
