"""The sites framework keeps sites in each process: who gets one from there shows its row."""

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import override_settings

import isgware

from .newsroom.site import newsroom as newsroom
from .test_dependencies import depends, label


@pytest.fixture(params=[{"SITE_ID": 1}, {}], ids=["by its number", "by its host"])
def site_of(request, newsroom, tmp_path, monkeypatch):
    """``site_of(**options)``: a newsroom whose pages show their site, and that."""
    with override_settings(
        INSTALLED_APPS=[*settings.INSTALLED_APPS, "django.contrib.sites"], **request.param
    ):
        from django.contrib.sites.models import Site

        def make(**options):
            room = newsroom(f"file:{tmp_path}/store", **options)

            def page(number):
                asked = type("Asked", (), {"get_host": staticmethod(lambda: "localhost")})
                return Site.objects.get_current(asked).name

            monkeypatch.setitem(room.pages, "get", page)
            with isgware.untracked(), connection.schema_editor() as editor:
                editor.create_model(Site)
            return room, Site.objects.create(pk=1, domain="localhost", name="old")

        yield make
        Site.objects.clear_cache()


def test_a_site_that_was_kept_is_read_all_the_same(site_of):
    room, site = site_of()
    for number in (1, 2):
        assert "sites.Site:1" in depends(room, f"/get/{number}")
    site.name = "new"
    site.save()
    assert [label(room, f"/get/{number}") for number in (1, 2)] == ["REVALIDATED"] * 2
    assert "new" in room.clients[0].get("/get/2").text
    assert label(room, "/get/1") == "HIT"


def test_only_a_site_that_was_kept_may_be_older(site_of):
    room, _ = site_of()
    for number, count in ((1, 0), (2, 1)):
        depends(room, f"/get/{number}")
        unseen = room.isgs[0].why(f"/get/{number}", host="localhost").unseen
        assert sum("the cache 'sites'" in each for each in unseen) == count


def test_sites_that_are_untracked_are_not_read(site_of):
    room, site = site_of(untracked=["sites.Site"])
    assert depends(room, "/get/1") == []
    site.save()
    assert label(room, "/get/1") == "HIT"
