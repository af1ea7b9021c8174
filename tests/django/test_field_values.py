"""Whether a write changes a column is for the database's value to say, not for the loaded one."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from django.db import connection, models
from django.db.models import JSONField, Value

from isgware.django.field_values import is_same

from .newsroom.site import newsroom as newsroom
from .test_dependencies import depends, label
from .test_dependencies import room as room


class UpperField(models.CharField):
    def get_prep_value(self, value):
        return value and value.upper()


class ReversedField(models.CharField):
    def get_db_prep_value(self, value, connection, prepared=False):
        return value and value[::-1]


def test_a_value_that_is_loaded_as_another_may_be_changed_by_being_saved(room):
    comment = room.posts[0].comment_set.create(text="a", mark="New", facts=Value(None, JSONField()))
    for url in ("/marked/1", "/without_facts/1"):
        depends(room, url)
    comment = room.models.Comment.objects.get(pk=comment.pk)
    assert (comment.mark, comment.facts) == ("new", None)
    comment.save(update_fields=["facts"])
    assert label(room, "/without_facts/1") == "REVALIDATED"
    assert label(room, "/marked/1") == "HIT"
    comment.save()
    assert label(room, "/marked/1") == "REVALIDATED"


def test_a_save_of_fields_that_convert_renews_nothing_if_it_changes_nothing(room):
    comment = room.posts[0].comment_set.create(text="a", mark="low", facts={"n": 1, "long": [True]})
    depends(room, "/facts/1")
    depends(room, "/marked/1")
    room.models.Comment.objects.get(pk=comment.pk).save()
    assert [label(room, url) for url in ("/facts/1", "/marked/1")] == ["HIT", "HIT"]
    comment.facts = {"n": 2, "long": [True]}
    comment.save()
    assert [label(room, url) for url in ("/facts/1", "/marked/1")] == ["REVALIDATED", "HIT"]


@pytest.mark.parametrize(
    ("field", "old", "value", "same"),
    [
        (models.CharField(), "a", "a", True),
        (models.CharField(), "a", "A", False),
        (models.CharField(), "5", 5, True),
        (models.CharField(), None, "", False),
        (models.BooleanField(), True, "True", True),
        (models.BooleanField(), True, 0, False),
        (models.IntegerField(), 5, "5", True),
        (models.IntegerField(), 5, "no number", False),
        (models.DecimalField(max_digits=5, decimal_places=2), Decimal("1.50"), "1.5", True),
        (models.DecimalField(max_digits=5, decimal_places=2), Decimal("1.50"), "1.51", False),
        (models.FloatField(), 0.0, -0.0, False),
        (
            models.DateTimeField(),
            datetime(2024, 1, 1, tzinfo=UTC),
            datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            True,
        ),
        (models.GenericIPAddressField(), "127.0.0.1", "127.0.0.1", True),
        (models.GenericIPAddressField(), "127.0.0.1", " 127.0.0.1", False),
        (models.FileField(), "a.txt", "a.txt", True),
        (models.FileField(), "a.txt", "b.txt", False),
        (models.BinaryField(), b"a", b"a", True),
        (UpperField(), "A", "a", True),
        (UpperField(), "a", "a", False),
        (UpperField(), "A", "b", False),
        (ReversedField(), "ba", "ab", True),
        (ReversedField(), "aab", "aab", False),
    ],
)
def test_a_column_stays_as_it_is_only_if_the_database_holds_what_is_written(
    field, old, value, same
):
    assert is_same(field, old, value, connection) is same
