"""The harness itself, over the bare application: what the other tests rest on."""

from __future__ import annotations

import pytest

from tests.integration.servers import KINDS, Serve
from tests.integration.sites import sitecore
from tests.integration.world import World

BARE = {"SITE_BARE": "1"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "plain" in KINDS[kind].apps])
def test_each_server_serves_the_bare_site_and_stops(kind: str, serve: Serve, world: World) -> None:
    server = serve(kind, env=BARE)
    first, second = server.get("/page/a"), server.get("/page/a")
    assert (first.status, first.state, second.state) == (200, None, None)
    assert first.nonce != second.nonce
    assert len(world.renders("/page/a")) == 2
    server.stop()
    assert "Traceback" not in server.stderr()


def test_a_torn_page_is_noticed() -> None:
    whole = sitecore.seal({"nonce": "a", "padding": "x" * 100})
    assert sitecore.unseal(whole)["nonce"] == "a"
    with pytest.raises(AssertionError, match="torn"):
        sitecore.unseal(whole[:-1])
