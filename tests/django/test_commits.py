"""Hooks wait for the commit, and run whatever other hooks do."""

import contextlib
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import TestCase

from isgware.django.commits import run_what_tests_capture

from .hooks import make_book


def mail():
    raise OSError("the mail server is down")


@contextmanager
def mail_fails():
    with pytest.raises(OSError, match="mail"):
        yield


@pytest.fixture
def books(library, hook):
    hook(library.Book, tags=["book:{pk}"])
    return library


@pytest.fixture
def by_hand(books):
    transaction.set_autocommit(False)
    yield books
    transaction.rollback()
    transaction.set_autocommit(True)


@pytest.mark.parametrize("nested", [False, True], ids=["outermost", "nested"])
def test_a_hook_that_raises_drops_none_of_ours(books, told, nested):
    with mail_fails(), transaction.atomic():
        transaction.on_commit(mail)
        if nested:
            with transaction.atomic():
                make_book(books)
        else:
            make_book(books)
        assert told.take() == set()
    assert told.take() == {"book:1"}


def test_nor_one_that_stands_behind(books, told):
    with mail_fails(), transaction.atomic():
        make_book(books)
        transaction.on_commit(mail)
    assert [list(names) for _, names in told.calls] == [["tag:book:1"]]


def test_a_rollback_takes_them_along(books, told):
    with mail_fails(), transaction.atomic():
        make_book(books)
        mail()
    with transaction.atomic():
        make_book(books)
        with mail_fails(), transaction.atomic():
            make_book(books)
            mail()
    assert told.take() == {"book:1"}


def test_hooks_run_in_their_order(books, told):
    seen = []
    with transaction.atomic():
        transaction.on_commit(lambda: seen.append(set(told.take())))
        make_book(books)
        transaction.on_commit(lambda: seen.append(set(told.take())))
    assert seen == [set(), {"book:1"}]


def test_in_autocommit_they_run_at_once(books, told):
    make_book(books)
    assert told.take() == {"book:1"}


def test_with_autocommit_off_they_wait_for_the_commit(by_hand, told):
    book = make_book(by_hand)
    book.save()
    assert told.take() == set()
    transaction.commit()
    assert [list(names) for _, names in told.calls] == [["tag:book:1"]]
    told.take()
    transaction.commit()
    assert told.take() == set()


def test_and_a_rollback_takes_them_along(by_hand, told):
    make_book(by_hand)
    transaction.rollback()
    transaction.commit()
    assert told.take() == set()


def test_an_atomic_block_within_waits_for_the_same(by_hand, told):
    with transaction.atomic():
        transaction.on_commit(lambda: None)
        make_book(by_hand)
    assert told.take() == set()
    transaction.commit()
    assert told.take() == {"book:1"}
    with transaction.atomic():
        make_book(by_hand)
    transaction.commit()
    assert told.take() == {"book:2"}


def test_autocommit_that_is_switched_on_commits(books, told):
    transaction.set_autocommit(False)
    make_book(books)
    assert told.take() == set()
    transaction.set_autocommit(True)
    assert told.take() == {"book:1"}


@pytest.mark.parametrize("atomic", [True, False])
def test_a_commit_that_fails_may_have_happened(books, told, monkeypatch, atomic):
    def lost():
        raise DatabaseError("the connection was lost")

    monkeypatch.setattr(connection, "_commit", lost)
    if atomic:
        with pytest.raises(DatabaseError, match="lost"), transaction.atomic():
            make_book(books)
    else:
        transaction.set_autocommit(False)
        make_book(books)
        with pytest.raises(DatabaseError, match="lost"):
            transaction.commit()
        transaction.rollback()
        transaction.set_autocommit(True)
    assert told.take() == {"book:1"}


def test_what_the_store_refuses_breaks_no_commit_of_the_apps(by_hand, project, caplog):
    isg = project([])
    isg.purge_tag("a")

    def fail(names, hard):
        raise OSError("no")

    isg.core.runtime.engine.page_store.backend.backend.invalidate = fail
    transaction.commit()
    assert "After a commit" in caplog.text


def test_a_purge_by_hand_acts_at_once_and_again_after_the_commit(by_hand, project):
    isg = project([])
    taken = []
    isg.core.runtime.catalogue.invalidate = lambda names, *, hard: taken.append(list(names))
    isg.purge_tag("a")
    assert taken == [["tag:a"]]
    transaction.commit()
    assert taken == [["tag:a"]] * 2
    transaction.commit()
    assert taken == [["tag:a"]] * 2


def test_a_purge_in_a_transaction_runs_behind_a_hook_that_raises(books, project):
    isg = project([])
    taken = []
    isg.core.runtime.catalogue.invalidate = lambda names, *, hard: taken.append(list(names))
    with mail_fails(), transaction.atomic():
        transaction.on_commit(mail)
        isg.purge_tag("a")
        assert taken == []
    assert taken == [["tag:a"]]


def note(seen, name):
    transaction.on_commit(lambda: seen.append(name))


def test_hooks_of_the_apps_are_all_that_it_sees(books):
    """A test of its own may count them."""
    with transaction.atomic():
        transaction.on_commit(mail)
        make_book(books)
        assert [hook[1] for hook in connection.run_on_commit] == [mail]
        connection.run_on_commit.clear()


def test_the_order_of_hooks_outlasts_a_savepoint_that_is_rolled_back(library, project):
    isg, seen = project([]), []
    isg.core.runtime.catalogue.invalidate = lambda names, *, hard: seen.extend(names)
    with transaction.atomic():
        note(seen, "first")
        with contextlib.suppress(OSError), transaction.atomic():
            note(seen, "dropped")
            isg.purge_tag("dropped")
            mail()
        isg.purge_tag("a")
        note(seen, "last")
        isg.purge_tag("b")
        assert len(connection.run_on_commit) == 2
    assert seen == ["first", "tag:a", "last", "tag:b"]


def test_a_connection_that_is_closed_takes_them_along(books, told):
    with contextlib.suppress(DatabaseError), transaction.atomic():
        make_book(books)
        connection.close()
    with transaction.atomic():
        books.Author.objects.create(name="bob")
    assert told.take() == set()


@pytest.mark.parametrize("execute", [True, False])
def test_what_a_testcase_captures_has_none_of_ours_and_runs_them(books, told, execute):
    seen = []
    run_what_tests_capture()
    with transaction.atomic():  # as around each test of a TestCase
        books.Author.objects.create(name="bob")
        with TestCase.captureOnCommitCallbacks(execute=execute) as callbacks:
            note(seen, "its own")
            make_book(books)
        assert len(callbacks) == 1
        assert told.take() == ({"book:1"} if execute else set())
        assert seen == (["its own"] if execute else [])
        transaction.set_rollback(True)
    assert told.take() == set()
