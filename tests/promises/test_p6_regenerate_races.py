"""P6 when `regenerate` is called several times at once: what shows is never older than a call."""

from __future__ import annotations

import threading

import pytest

from isgware import Policy, RegenerationError
from tests.promises.faults import FaultyBackend
from tests.promises.kit import MARK, Later, html, visit

ROUTES = {"/page": Policy(revalidate=60)}
LONG = 60.0


@pytest.mark.parametrize("store", ["memory", "file"])
def test_p6_a_regenerate_that_began_before_an_edit_does_not_hide_one_that_began_after(
    wrap, site, store, tmp_path
):
    """The first reads its data and is slow; the second, after the edit and in another process,
    has waited for it for long enough, and is overtaken by its end."""
    data, began, release = ["old"], threading.Event(), threading.Event()
    first: list[Later] = []

    def view(environ):
        read = data[0]
        if read == "old" and not began.is_set():
            began.set()
            assert release.wait(LONG)
        elif read == "new" and not release.is_set():
            release.set()
            first[0].result()
        return html(read)

    site.views["/page"] = view
    where = FaultyBackend() if store == "memory" else f"file:{tmp_path}/store"
    options = {"store": where, "base_url": "http://localhost", "executor": None, "wait_time": 0.1}
    one, two = (wrap(site, routes=ROUTES, backend_timeout=30.0, **options) for _ in range(2))
    first.append(Later(lambda: one.regenerate("/page")))
    assert began.wait(LONG)
    data[0] = "new"
    two.regenerate("/page")
    for isg in (one, two):
        assert "new" in visit(isg, "/page", host="localhost").text


def test_p6_a_regenerate_after_an_edit_is_not_given_the_render_that_began_before(wrap, site):
    data, began, release = ["old"], threading.Event(), threading.Event()

    def view(environ):
        read = data[0]
        began.set()
        assert release.wait(LONG)
        return html(read)

    site.views["/page"] = view
    isg = wrap(site, routes=ROUTES, base_url="http://localhost", executor=None)
    first = Later(lambda: isg.regenerate("/page"))
    assert began.wait(LONG)
    data[0] = "new"
    second = Later(lambda: isg.regenerate("/page"))
    assert not second.done
    release.set()
    first.result()
    second.result()
    assert visit(isg, "/page", host="localhost").text == "new"


@pytest.mark.parametrize("verb", ["purge_path", "revalidate_path"])
def test_p6_a_regenerate_that_a_purge_has_overtaken_renders_again(wrap, site, verb):
    """It was asked for a page that is new when it returns."""
    renders = []

    def view(environ):
        renders.append(1)
        if len(renders) == 2:
            getattr(isg, verb)("/p")
        return html(f"render {len(renders)}")

    site.views["/p"] = view
    isg = wrap(site, routes={"/p": Policy(revalidate=60)}, executor=None)
    visit(isg, "/p")
    assert isg.regenerate("/p").state == "fresh"
    assert (visit(isg, "/p").cache, visit(isg, "/p").text) == ("HIT", "render 3")


def test_p6_a_regenerate_that_is_overtaken_each_time_gives_up(wrap, site):
    def view(environ):
        if MARK in environ:
            isg.purge_path("/p")
        return html("never up to date")

    site.views["/p"] = view
    options = {"base_url": "http://site.test", "executor": None}
    isg = wrap(site, routes={"/p": Policy(revalidate=60)}, **options)
    with pytest.raises(RegenerationError, match="purged while it was rendered"):
        isg.regenerate("/p")
    assert site.rendered("/p") == 3


def test_p6_a_page_that_is_purged_once_it_is_made_was_regenerated_all_the_same(
    wrap, site, monkeypatch
):
    options = {"base_url": "http://site.test", "executor": None}
    isg = wrap(site, routes={"/p": Policy(revalidate=60)}, **options)
    told = isg.runtime.catalogue.info_of

    def purged_meanwhile(entry):
        isg.purge_path("/p")
        return told(entry)

    monkeypatch.setattr(isg.runtime.catalogue, "info_of", purged_meanwhile)
    assert isg.regenerate("/p").status == 200
    assert visit(isg, "/p").cache == "REVALIDATED"
