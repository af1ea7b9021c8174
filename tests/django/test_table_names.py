"""Which tables names mean, in ``touched`` and in options."""

import pytest

import isgware

from .newsroom.site import newsroom as newsroom
from .test_dependencies import depends, label
from .test_dependencies import room as room


def test_a_proxy_is_understood_as_what_it_stands_for(room, tmp_path):
    depends(room, "/get/1")
    with isgware.connect(f"file:{tmp_path}/store", backend_timeout=30.0) as store:
        for verbs in (room.isgs[0], store):
            assert verbs.depends("/get/1") == ["newsroom.Post:1"]
            assert [info.path for info in verbs.affected("newsroom.Draft:1")] == ["/get/1"]
    isgware.touched("newsroom.draft:1")
    assert label(room, "/get/1") == "REVALIDATED"


@pytest.mark.parametrize("name", ["newsroom.Pst:1", "Post", "newsroom.Post", ":", "5"])
def test_a_name_that_nobody_knows_is_an_error(room, name):
    with pytest.raises(isgware.ConfigurationError):
        isgware.touched(name)


def test_a_store_without_the_app_knows_models_by_their_labels(room, tmp_path):
    depends(room, "/get/1")
    with isgware.connect(f"file:{tmp_path}/store", backend_timeout=30.0) as store:
        assert [info.path for info in store.affected("newsroom.Post:1")] == ["/get/1"]
        assert store.depends("/get/1") == ["newsroom.Post:1"]
        store.touched("newsroom.post:1")
        assert label(room, "/get/1") == "REVALIDATED"


def test_what_the_database_makes_of_other_tables_is_declared(newsroom, tmp_path):
    derived = {"newsroom.Seat": ["newsroom.Author"], "newsroom.Topic": ["newsroom.Seat"]}
    room = newsroom(f"file:{tmp_path}/store", derived=derived)
    depends(room, "/flat/1")
    room.models.Author.objects.create(name="x")
    assert label(room, "/flat/1") == "REVALIDATED"
    for name in ("newsroom.Author:1", "newsroom_author:1", "newsroom.Seat[*]"):
        isgware.touched(name)
        assert label(room, "/flat/1") == "REVALIDATED"
    with isgware.connect(f"file:{tmp_path}/store", backend_timeout=30.0) as store:
        assert [info.path for info in store.affected("newsroom.Author:1")] == ["/flat/1"]
        store.touched("newsroom.author:1")
    assert label(room, "/flat/1") == "REVALIDATED"
    isgware.touched("newsroom.Post:1")
    assert label(room, "/flat/1") == "HIT"


@pytest.mark.parametrize("name", ["newsroom.Topics", "topic"])
def test_a_model_that_is_not_there_is_an_error(newsroom, tmp_path, name):
    said = f"^untracked='{name}': .* Did you mean 'newsroom.Topic'"
    with pytest.raises(isgware.ConfigurationError, match=said):
        newsroom(f"file:{tmp_path}/store", untracked=[name])
