"""`revalidate_on_change`: relations and transactions."""

import contextlib

import pytest
from django.db import IntegrityError, transaction

from .hooks import make_book

# Relations.


@pytest.mark.parametrize("side", ["near", "far"])
@pytest.mark.parametrize("verb", ["add", "remove", "set", "clear"])
@pytest.mark.parametrize("hooked", ["Book", "Shelf"])
def test_a_relation_renews_the_hooked_end(library, hook, told, side, verb, hooked):
    book, shelf = make_book(library), library.Shelf.objects.create(name="top")
    if verb != "add":
        book.shelves.add(shelf)
    hook(getattr(library, hooked), tags=["{pk}"])
    manager, other = (book.shelves, shelf) if side == "near" else (shelf.books, book)
    match verb:
        case "set":
            manager.set([])
        case "clear":
            manager.clear()
        case _:
            getattr(manager, verb)(other)
    assert told.take() == {str(book.pk if hooked == "Book" else shelf.pk)}


def test_a_callable_may_list_the_relation(library, hook, told):
    book = make_book(library)
    one, two = (library.Shelf.objects.create(name=name) for name in ("one", "two"))
    book.shelves.add(one)
    hook(library.Book, tags=lambda book: [f"shelf:{shelf.name}" for shelf in book.shelves.all()])
    book.shelves.set([two])
    assert told.take() == {"shelf:one", "shelf:two"}


def test_a_relation_that_stays_fires_nothing(library, hook, told):
    book, shelf = make_book(library), library.Shelf.objects.create(name="top")
    book.shelves.add(shelf)
    hook(library.Book, tags=["{pk}"])
    book.shelves.add(shelf)
    book.shelves.set([shelf])
    assert told.take() == set()


# Transactions.


def test_it_waits_for_the_commit_and_tells_once(library, hook, told):
    hook(library.Book, tags=["books", "book:{pk}"])
    with transaction.atomic():
        for number in range(20):
            library.Book.objects.create(title=str(number))
        assert told.calls == []
    assert [len(names) for _, names in told.calls] == [21]


def test_a_rolled_back_savepoint_takes_its_changes_with_it(library, hook, told):
    hook(library.Author, tags=["{name}"])
    with transaction.atomic():
        library.Author.objects.create(name="kept")
        with contextlib.suppress(LookupError), transaction.atomic():
            library.Author.objects.create(name="lost")
            raise LookupError
        with transaction.atomic():
            library.Author.objects.create(name="inner")
    assert told.take() == {"kept", "inner"}


def test_a_save_that_fails_fires_nothing(library, hook, told):
    book = make_book(library)
    hook(library.Book, tags=["{title}"])
    book.title = None
    with pytest.raises(IntegrityError), transaction.atomic():
        book.save()
    assert told.take() == set()


def test_only_the_transaction_of_its_own_database_counts(library, hook, told):
    hook(library.Author, tags=["{name}"])

    @transaction.atomic(using="default")
    def fail_after_saving_elsewhere():
        library.Author.objects.using("other").create(name="elsewhere")
        assert told.take() == {"elsewhere"}
        raise LookupError

    with pytest.raises(LookupError):
        fail_after_saving_elsewhere()
    with transaction.atomic(using="other"):
        author = library.Author.objects.using("other").get()
        author.name = "renamed"
        author.save()
        assert told.calls == []
    assert told.take() == {"elsewhere", "renamed"}
