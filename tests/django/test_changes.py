"""`revalidate_on_change`: what Django saves, deletes and relates renews the pages that show it."""

import gc
import json
import logging

import pytest
from django.core import mail, management
from django.core.serializers import serialize
from django.db import connection, models
from django.test.utils import CaptureQueriesContext, override_settings

import isgware.django
from isgware import ConfigurationError
from isgware.django import revalidate_on_change

from .hooks import Told, make_book

# What fires.


@pytest.mark.parametrize("how", ["save", "create", "delete", "queryset", "get_or_create"])
def test_what_sends_signals_fires(library, hook, told, how):
    book = make_book(library)
    hook(library.Book, tags=["books", "book:{pk}"])
    pk = book.pk
    match how:
        case "save":
            book.save()
        case "create":
            pk = library.Book.objects.create(title="New").pk
        case "delete":
            book.delete()
        case "queryset":
            library.Book.objects.all().delete()
        case "get_or_create":
            pk = library.Book.objects.get_or_create(title="New")[0].pk
    assert told.take() == {"books", f"book:{pk}"}


def test_a_cascade_fires_for_what_it_takes_along(library, hook, told):
    book = make_book(library)
    hook(library.Book, tags=["book:{pk}"])
    book.author.delete()
    assert told.take() == {f"book:{book.pk}"}


def test_a_book_that_moves_renews_both_authors(library, hook, told):
    book = make_book(library)
    old, new = book.author, library.Author.objects.create(name="bob")
    hook(library.Book, tags=["author:{author}"])
    book.author = new
    book.save()
    assert told.take() == {f"author:{old.pk}", f"author:{new.pk}"}


def test_the_old_values_are_those_of_the_row_not_of_the_record(library, hook, told):
    """Another process moved the book since it was loaded; or only some fields are written."""
    book = make_book(library)
    hook(library.Book, tags=["title:{title}"])
    library.Book.objects.update(title="Elsewhere")
    book.title = "Here"
    book.save()
    assert told.take() == {"title:Elsewhere", "title:Here"}
    book.title = "Nowhere"
    book.save(update_fields=["likes"])
    assert "title:Here" in told.take()


def test_a_callable_is_asked_about_the_old_record_and_the_new(library, hook, told):
    book = make_book(library)
    hook(library.Book, tags=lambda book: [f"name:{book.author.name}"])
    book.author = library.Author.objects.create(name="bob")
    book.save()
    assert told.take() == {"name:ada", "name:bob"}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{author}", "1"),
        ("{author_id}", "1"),
        ("{id}", "1"),
        ("{initial}", "E"),
        ("{printed:%Y}", "1999"),
    ],
)
def test_placeholders_are_fields_keys_and_properties(library, hook, told, text, filled):
    book = make_book(library, printed="1999-12-31")
    hook(library.Book, tags=[text])
    book.save()
    assert told.take() == {filled}


def test_a_value_that_only_the_database_knows_is_asked_of_it(library, hook, told):
    book = make_book(library)
    hook(library.Book, tags=["likes:{likes}"])
    book.likes = models.F("likes") + 1
    book.save()
    assert told.take() == {"likes:0", "likes:1"}


def test_paths_are_quoted_as_urls_are(library, hook, told):
    book = make_book(library)
    hook(library.Book, paths=["/books/{title}/"])
    book.title = "What? A/B *"
    book.save()
    assert told.take() == {"/books/Engines/", "/books/What? A/B */"}


@pytest.mark.parametrize(("mode", "hard"), [("purge", True), ("revalidate", False)])
def test_the_mode_is_the_verb(library, hook, told, mode, hard):
    hook(library.Book, tags=["books"], mode=mode)
    make_book(library)
    assert [call[0] for call in told.calls] == [hard]


def test_proxies_children_and_abstract_models_count(library, hook, told):
    book = make_book(library)
    hook(library.Named, tags=["title:{title}"])
    library.Thriller.objects.get(pk=book.pk).save()
    assert told.take() == {"title:Engines"}
    library.Atlas.objects.create(title="Maps")
    assert told.take() == {"title:Maps"}


def test_a_decorator_holds_for_a_model_that_is_made_later(library, hook, told):
    revalidate_on_change(tags=["{title}"])(library.Named)

    class Leaflet(library.Named):
        class Meta:
            app_label = "bookshelf"

    try:
        with connection.schema_editor() as editor:
            editor.create_model(Leaflet)
        Leaflet.objects.create(title="Fold")
        assert told.take() == {"Fold"}
    finally:
        from django.apps import apps

        del apps.all_models["bookshelf"]["leaflet"]
        apps.clear_cache()


def test_a_fixture_fires_at_its_end(library, hook, told, tmp_path):
    book = make_book(library)
    data = serialize("json", [book, book.author])
    book.author.delete()  # and the book with it: the fixture names a book before its author
    hook(library.Book, tags=["book:{pk}"])
    hook(library.Book, tags=lambda book: [f"name:{book.author.name}"])
    (tmp_path / "books.json").write_text(json.dumps(json.loads(data)))
    told.take()
    management.call_command("loaddata", str(tmp_path / "books.json"), verbosity=0)
    assert told.take() == {"book:1", "name:ada"}


# What it costs, and what it leaves alone.


@pytest.mark.parametrize(
    ("tags", "queries"), [(["books", "{pk}"], 1), (["{title}"], 2)], ids=["key", "field"]
)
def test_a_save_costs_one_query_if_its_words_may_change(library, hook, told, tags, queries):
    book = make_book(library)
    hook(library.Book, tags=tags)
    with CaptureQueriesContext(connection) as seen:
        book.save()
    assert len(seen) == queries


def test_new_records_cost_nothing(library, hook, told):
    hook(library.Book, tags=["{title}"])
    hook(library.Shelf, tags=["{name}"])
    with CaptureQueriesContext(connection) as seen:
        library.Book(title="x").save()
        library.Shelf(name="y").save()
    assert len(seen) == 2


def test_djangos_test_runner_sees_no_query_more(library, hook, project, monkeypatch):
    book = make_book(library)
    monkeypatch.setattr(mail, "outbox", [], raising=False)
    told = Told(project([]))
    hook(library.Book, tags=["{title}"])
    with CaptureQueriesContext(connection) as seen:
        book.save()
    assert (len(seen), told.calls) == (1, [])


def test_bulk_operations_send_no_signals(library, hook, told):
    """As docs/changes.md says: tell of them yourself."""
    book = make_book(library)
    hook(library.Book, tags=["books"])
    library.Book.objects.update(title="x")
    library.Book.objects.bulk_create([library.Book(title="y")])
    library.Book.objects.bulk_update([book], ["title"])
    assert told.take() == set()


def test_a_handler_does_not_vanish(library, hook, told):
    def local():
        hook(library.Book, tags=lambda book: [book.title])

    local()
    gc.collect()
    make_book(library)
    assert told.take() == {"Engines"}


def test_saying_it_twice_fires_once(library, hook, told):
    for _ in range(2):
        hook(library.Author, tags=["{name}"])
    library.Author.objects.create(name="ada")
    assert len(told.calls) == 1


def test_nothing_of_it_stays_on_the_record(library, hook, told):
    book = make_book(library)
    known = set(book.__dict__)
    hook(library.Book, tags=["{title}"])
    book.save()
    assert set(book.__dict__) == known


# What goes wrong.


def test_a_store_that_is_away_breaks_no_save_and_is_told_when_it_is_back(
    library, hook, project, caplog
):
    isg = project([])
    shelf = isg.core.runtime.engine.page_store
    backend = shelf.backend.backend
    hook(library.Author, tags=["{name}"])
    take, heard = backend.invalidate, []
    backend.invalidate = lambda names, hard: 1 / 0
    with caplog.at_level(logging.WARNING, "isgware"):
        library.Author.objects.create(name="ada")
    assert library.Author.objects.count() == 1
    assert "waits for the store" in caplog.text
    backend.invalidate = lambda names, hard: heard.append(list(names)) or take(names, hard)
    shelf.backend.probe()
    shelf.retry_pending()
    assert heard == [["tag:ada"]]


def test_an_isg_that_cannot_be_made_breaks_no_save(library, hook, caplog):
    hook(library.Author, tags=["{name}"])
    isgware.django._current.clear()
    with override_settings(ISGWARE={"store": "ftp://nowhere"}):
        library.Author.objects.create(name="ada")
    assert "there is no ISG" in caplog.text


@pytest.mark.parametrize("name", ["", "x" * 300, "two\nlines"], ids=["empty", "long", "control"])
def test_a_value_that_makes_no_tag_is_left_out(library, hook, told, caplog, name):
    hook(library.Author, tags=["authors", "{name}"])
    library.Author.objects.create(name=name)
    assert told.take() == {"authors"}
    assert "is not a tag" in caplog.text


def test_a_format_that_does_not_fit_is_left_out(library, hook, told, caplog):
    hook(library.Book, tags=["books", "{printed:%Y}"])
    make_book(library)
    assert told.take() == {"books"}
    assert "cannot be filled" in caplog.text


def test_what_a_callable_raises_is_raised(library, hook, told):
    hook(library.Author, tags=lambda author: [author.nickname])
    with pytest.raises(AttributeError, match="nickname"):
        library.Author.objects.create(name="ada")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"tags": ["book:{slug}"]}, r"bookshelf.Book has no field 'slug'.*callable"),
        ({"tags": ["{shelves}"]}, "no field 'shelves'"),
        ({"paths": ["/{slug}/"]}, "no field 'slug'"),
        ({"tags": "books"}, r"write tags=\['books'\]"),
        ({"paths": "/"}, r"write paths=\['/'\]"),
        ({}, "give tags= or paths="),
        ({"tags": ["books"], "mode": "soft"}, "'purge' or 'revalidate'"),
    ],
    ids=["field", "relation", "path", "string", "path-string", "nothing", "mode"],
)
def test_what_cannot_work_is_told_at_once(library, arguments, named):
    with pytest.raises(ConfigurationError, match=named):
        revalidate_on_change(library.Book, **arguments)


def test_what_is_no_model_is_told_at_once():
    with pytest.raises(ConfigurationError, match="a model class"):
        revalidate_on_change("bookshelf.Book", tags=["books"])
