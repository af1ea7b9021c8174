"""Two models of one table, with keys of their own."""

import pytest

from isgware.errors import ConfigurationError

from .newsroom.pages import PAGES
from .newsroom.site import newsroom as newsroom
from .test_dependencies import depends, label
from .test_dependencies import room as room

WAYS = {
    "get": lambda models, slug: models.Slugged.objects.get(slug=slug).title,
    "all": lambda models, slug: [post.title for post in models.Slugged.objects.all()],
    "first": lambda models, slug: models.Post.objects.get(pk=1).title,
    "titles": lambda models, slug: list(models.Post.objects.values_list("title")),
    "some": lambda models, slug: [post.title for post in models.Post.objects.filter(pk__in=[1, 2])],
}
EDITS = {
    "save": lambda models, one: one.save(),
    "update": lambda models, one: models.Slugged.objects.filter(pk="s1").update(title="new"),
    "update the other": lambda models, one: models.Post.objects.filter(pk=1).update(title="new"),
    "update by title": lambda models, one: models.Slugged.objects.filter(title="p1").update(
        title="new"
    ),
    "bulk": lambda models, one: models.Slugged.objects.bulk_update([one], ["title"]),
    "delete": lambda models, one: one.delete(),
    "delete the other": lambda models, one: models.Post.objects.filter(pk=1).delete(),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_written_through_one_is_told_to_the_other(room, monkeypatch, way, edit):
    models = room.models

    def page(number):
        try:
            return WAYS[way](models, f"s{number}")
        except (models.Post.DoesNotExist, models.Slugged.DoesNotExist):
            return "none"

    monkeypatch.setitem(PAGES, "get", page)
    before = depends(room, "/get/1")
    one = models.Slugged.objects.get(pk="s1")
    one.title = "new"
    EDITS[edit](models, one)
    assert label(room, "/get/1") == "REVALIDATED", before


@pytest.mark.parametrize("way", ["titles", "all"])
def test_and_what_is_inserted(room, monkeypatch, way):
    monkeypatch.setitem(PAGES, "get", lambda number: WAYS[way](room.models, ""))
    depends(room, "/get/1")
    room.models.Slugged.objects.create(slug="s3", title="p3", date="2024-01-01", author=room.author)
    assert label(room, "/get/1") == "REVALIDATED"


def test_nobody_names_a_row_by_the_other_key(room):
    with pytest.raises(ConfigurationError, match="Slugged"):
        room.isgs[0].touched("newsroom.Slugged:s1")


def test_the_key_of_a_table_is_that_of_the_model_that_made_it(room):
    assert depends(room, "/post/1") == ["newsroom.Post:1"]
    room.models.Slugged.objects.filter(pk="s1").update(views=1)
    assert label(room, "/post/1") == "REVALIDATED"
    room.models.Post.objects.filter(pk=2).update(views=1)
    assert label(room, "/post/1") == "HIT"
