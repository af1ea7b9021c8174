"""Which tables count, and what they are called."""

import pytest
from sqlalchemy import Column, Integer
from sqlalchemy.orm import declarative_base

from isgware.core.dependencies import Inserted, TableChanged, Updated
from isgware.core.dependency_labels import labelled, writes_named
from isgware.sqlalchemy import recorder, tables

from .models import Author, Shelf, add
from .recording import clean_room, telling


@pytest.fixture
def only(monkeypatch):
    """``only(untracked, derived)``: as if there were one ISG."""
    monkeypatch.setattr(tables, "_known", [])
    held = []
    tables.ignored.cache_clear()

    def only(*said):
        held.append(tables.Tables(*said))
        tables.add(held[-1])

    yield only
    tables.ignored.cache_clear()


def test_a_table_is_called_by_its_name_or_its_class():
    assert tables.table_named("Author") == tables.table_named("author") == "author"
    assert tables.table_named("nothing") == "nothing"


@pytest.mark.parametrize("name", ["Author", "author"])
def test_an_untracked_table_is_neither_read_nor_written(only, session, name):
    only([name])
    recorder.install([name])
    session.info.clear()
    with telling() as told, clean_room() as found:
        add(session, Author(id=1, name="Ann"), Shelf(id=1))
        session.get(Author, 1)
        assert told() == [Inserted("shelf", 1, {"id": 1})]
    assert found == []


def test_a_table_counts_if_it_counts_for_one_of_several(only):
    only(["author"])
    assert tables.ignored("author")
    only([])
    assert not tables.ignored("author")


def test_what_the_migrations_write_does_not_count(only):
    only([])
    assert tables.ignored("alembic_version")


def test_what_is_derived_changes_with_its_sources(only):
    only([], {"stock": ["Shelf"], "report": ["stock"], "other": ["author"]})
    write = Inserted("shelf", 1)
    assert list(tables.told([write])) == [write, TableChanged("stock"), TableChanged("report")]


def test_what_is_said_of_a_source_is_said_of_what_is_derived_from_it():
    labels = tables.Tables([], {"stock": ["Shelf"], "report": ["stock"]}).labels
    derived = [TableChanged("stock"), TableChanged("report")]
    for name in ("Shelf:1", "shelf:1"):
        assert writes_named([name], labels) == [Updated("shelf", "1", None), *derived]
    assert writes_named(["author[*]"], labels) == [TableChanged("author")]


def test_people_call_tables_by_name_or_class_and_see_their_names():
    labels = tables.Labels()
    assert labels["Author"] == labels["author"] == ("author",)
    assert labels["Atlas"] == ("atlas", "book")
    assert labels["on_shelf"] == ("on_shelf",)
    assert labelled(["author:1", "on_shelf[book_id=1]"], labels) == [
        "author:1", "on_shelf[book_id=1]",
    ]  # fmt: skip
    assert {write.table for write in writes_named(["Atlas:3"], labels)} == {"atlas", "book"}


def test_a_name_in_an_option_that_is_none_is_logged_once(caplog):
    said = tables.Tables(["Author", "athor"], {"shelf": ["book"]})
    said.labels.items()
    said.labels.items()
    assert caplog.messages == [
        "The options untracked= and derived= are of no effect for 'athor'. Nobody knows a table "
        "'athor'. Did you mean 'author'?"
    ]


def test_a_class_that_is_mapped_later_is_known():
    labels = tables.Labels()
    assert "Later" not in labels
    base = declarative_base()

    class Later(base):
        __tablename__ = "later"
        id = Column(Integer, primary_key=True)

    assert labels["Later"] == labels["later"] == ("later",)
    del Later
