"""Statements of which a hook of the app's makes others."""

import pytest
from sqlalchemy import event, insert, select, update

from isgware.core.dependencies import EverythingChanged

from .models import Shelf
from .recording import clean_room, telling


@pytest.fixture
def told(engine):
    with telling() as told:
        with engine.begin() as connection:
            connection.execute(insert(Shelf), [{"id": 1}, {"id": 2}])
        told()
        yield told


def rewrite(engine, old, new, parameters=None):
    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def executing(connection, cursor, statement, given, context, many):
        if old not in statement:
            return statement, given
        return statement.replace(old, new), given if parameters is None else parameters


def execute(engine, statement):
    with engine.begin() as connection:
        return connection.execute(statement)


def everything(engine, told, statement):
    """Whether a render that reads it depends on everything, and whether writing it changes it."""
    with clean_room() as found:
        execute(engine, statement)
    reads = any(text.startswith("*") for text in found)
    return reads, any(isinstance(write, EverythingChanged) for write in told())


NARROW = select(Shelf.id).where(Shelf.id == 1)
UPDATE = update(Shelf).where(Shelf.id == 1).values(id=1)


@pytest.mark.parametrize(
    "new", ["shelf.id >=", "/* a */ shelf.id /* b */ <>", "true or shelf.id ="]
)
def test_they_read_everything(engine, told, new):
    assert everything(engine, told, NARROW) == (False, False)
    rewrite(engine, "shelf.id =", new)
    assert everything(engine, told, NARROW) == (True, False)


def test_they_write_everything(engine, told):
    assert everything(engine, told, UPDATE) == (False, False)
    rewrite(engine, "WHERE", "WHERE 1 = 0 AND")
    assert everything(engine, told, UPDATE)[1]


def test_other_parameters_make_other_statements(engine, told):
    assert everything(engine, told, NARROW) == (False, False)
    rewrite(engine, "SELECT", "SELECT", (2,))
    assert everything(engine, told, NARROW)[0]


@pytest.mark.parametrize(
    ("new", "same"),
    [
        ("/* traceparent='1' */ SELECT", True),
        ("/* a\n */ /* b */ SELECT", True),
        ("-- a\n-- b\nSELECT", True),
        ("/*! */ SELECT", False),
    ],
)
def test_comments_make_no_others(engine, told, new, same):
    rewrite(engine, "SELECT", new)
    assert everything(engine, told, NARROW)[0] is not same


@pytest.mark.parametrize(("comment", "same"), [(" -- a", True), (" --a", False)])
def test_a_comment_behind_makes_no_other(engine, told, comment, same):
    rewrite(engine, "shelf.id = ?", "shelf.id = ?" + comment)
    assert everything(engine, told, NARROW)[0] is not same


def test_what_stands_between_comments_counts(engine, told):
    rewrite(engine, "shelf.id = ?", "shelf.id = ? /* a */ or true /* b */")
    assert everything(engine, told, NARROW)[0]


def test_many_rows_in_one_statement_are_no_others(engine, told):
    with engine.begin() as connection:
        rows = [{"id": number} for number in range(3, 2_000)]
        connection.execute(insert(Shelf).returning(Shelf.id), rows)
    assert not any(isinstance(write, EverythingChanged) for write in told())


@pytest.mark.parametrize("takes_over", [True, False])
def test_what_a_hook_executes_itself_is_everything(engine, told, takes_over):
    assert everything(engine, told, NARROW) == (False, False)

    @event.listens_for(engine, "do_execute")
    def executing(cursor, statement, given, context):
        taken = takes_over and "shelf" in statement
        return cursor.execute("SELECT id FROM shelf") if taken else None

    assert everything(engine, told, NARROW) == (takes_over, False)
    assert everything(engine, told, UPDATE)[1] is takes_over
