"""What savepoints take back, and what they do not."""

from contextlib import suppress

import pytest
from django.db import transaction

from isgware.management import record_writes

from .newsroom.site import newsroom as newsroom
from .test_dependencies import depends, label
from .test_dependencies import room as room


def retitle(room, number):
    room.models.Post.objects.filter(pk=number).update(title="changed")


def taken_back(room, number):
    point = transaction.savepoint()
    retitle(room, number)
    transaction.savepoint_rollback(point)


def before(room):
    retitle(room, 1)
    taken_back(room, 2)


def afterwards(room):
    taken_back(room, 2)
    retitle(room, 1)


def twice(room):
    point = transaction.savepoint()
    for number in (2, 3):
        retitle(room, number)
        transaction.savepoint_rollback(point)
    retitle(room, 1)


def within(room):
    point = transaction.savepoint()
    transaction.savepoint_commit(transaction.savepoint())
    with transaction.atomic():
        retitle(room, 2)
    transaction.savepoint_rollback(point)
    with transaction.atomic():
        retitle(room, 1)


def named_alike(room):
    """Django counts savepoints anew."""
    with transaction.atomic():
        retitle(room, 1)
    transaction.clean_savepoints()
    with suppress(ZeroDivisionError), transaction.atomic():
        retitle(room, 2)
        1 / 0  # noqa: B018


def named_alike_within(room):
    taken_back(room, 1)
    transaction.clean_savepoints()
    transaction.savepoint()
    retitle(room, 1)
    transaction.clean_savepoints()
    taken_back(room, 2)


CHANGES = (before, afterwards, twice, within, named_alike, named_alike_within)


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_a_savepoint_has_taken_back_renews_nothing(room, change):
    for url in ("/get/1", "/get/2"):
        depends(room, url)
    with transaction.atomic():
        change(room)
    assert [label(room, url) for url in ("/get/1", "/get/2")] == ["REVALIDATED", "HIT"]


def test_writes_on_both_sides_of_a_released_savepoint_are_told_together(room):
    batches = []
    record_writes.listen(batches.append)
    with transaction.atomic():
        retitle(room, 1)
        with transaction.atomic():
            pass
        retitle(room, 2)
    assert [len(batch) for batch in batches] == [2]
