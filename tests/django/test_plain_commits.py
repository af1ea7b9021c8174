"""Transactions that the app ends in plain words: what they commit is told when they do."""

from contextlib import suppress

import pytest
from django.db import connection, transaction

from isgware.core.dependencies import EverythingChanged
from isgware.management import record_writes

from ..announcements import announcing
from .newsroom.site import newsroom as newsroom


@pytest.fixture
def models(newsroom):
    return newsroom("memory:").models


@pytest.fixture
def told(models):
    writes = []
    models.Topic.objects.create(code="a", label="b")
    record_writes.listen(writes.extend)
    yield writes
    record_writes.unlisten(writes.extend)


def execute(*statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def everything(told):
    found = any(isinstance(write, EverythingChanged) for write in told)
    told.clear()
    return found


def change(models):
    models.Topic.objects.update(label="c")


def test_with_autocommit_off(models, told):
    transaction.set_autocommit(False)
    try:
        change(models)
        execute("COMMIT")
        assert everything(told)
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


def test_in_an_atomic_block_that_fails_later(models, told):
    with suppress(OSError), transaction.atomic():
        change(models)
        execute("COMMIT")
        assert everything(told)
        raise OSError


def test_the_release_of_an_outermost_savepoint(models, told):
    execute("SAVEPOINT one", "SAVEPOINT two")
    change(models)
    told.clear()
    execute("RELEASE two")
    assert not told
    execute("RELEASE one")
    assert everything(told)
    with transaction.atomic():
        execute("SAVEPOINT one", "RELEASE one")
        with transaction.atomic():
            pass
    assert not told


def test_such_a_release_is_announced_before(models, told):
    execute("SAVEPOINT one", "SAVEPOINT two")
    with announcing() as heard:
        execute("RELEASE two")
        assert heard.take() == ["announced", "withdrawn"]
        execute("RELEASE one")
        assert heard.take() == ["announced", "told"]


def test_a_script_commits_what_was_before_it(models, told):
    with suppress(OSError), transaction.atomic():
        change(models)
        with connection.cursor() as cursor:
            cursor.executescript("SELECT 1; SELECT 2;")
        assert everything(told)
        raise OSError
