"""P6 when `regenerate` is called several times at once: what shows is never older than a call."""

from __future__ import annotations

import threading

import pytest

from isgware import Policy
from tests.promises.kit import Later, html, visit

ROUTES = {"/page": Policy(revalidate=60)}
LONG = 10.0


@pytest.mark.parametrize("store", ["memory:", "file:"])
def test_p6_a_regenerate_that_began_before_an_edit_does_not_hide_one_that_began_after(
    wrap, site, store, tmp_path
):
    """The first reads its data and is slow; the second, after the edit, is overtaken by its end."""
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
    where = store if store == "memory:" else f"file:{tmp_path}/store"
    isg = wrap(site, store=where, routes=ROUTES, base_url="http://localhost", executor=None)
    first.append(Later(lambda: isg.regenerate("/page")))
    assert began.wait(LONG)
    data[0] = "new"
    isg.regenerate("/page")
    reply = visit(isg, "/page")
    assert "new" in reply.text
