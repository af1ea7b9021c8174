"""`shrink_limit`: a page that is suddenly short does not replace the one before."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from isgware import ConfigurationError, Policy, RegenerationError
from isgware.core.unchanged import shrunk
from tests.core.making import an_entry
from tests.promises.kit import Clock, Later, Manual, Site, eventually, html, visit

ROUTES = {"/p": Policy(revalidate=60, expire=86_400, tags=["t"], shrink_limit=0.5)}


class World:
    def __init__(self, wrap: Callable[..., Any], clock: Clock, later: Manual) -> None:
        self.site, self.clock, self.later = Site(), clock, later
        self.says("x" * 1_000)
        self.isg = wrap(self.site, routes=ROUTES)
        visit(self.isg, "/p")

    def says(self, text: str, status: str = "200 OK") -> None:
        self.site.views["/p"] = lambda environ: html(text, status=status)

    def renew(self) -> Any:
        """What visitors get after the next render behind a stale page."""
        self.clock.tick(400)
        visit(self.isg, "/p")
        self.later.run()
        return visit(self.isg, "/p")

    def regenerate(self, **options: Any) -> Any:
        call = Later(lambda: self.isg.regenerate("/p", **options))
        eventually(self.later.run)
        return call.result()


@pytest.fixture
def world(wrap: Callable[..., Any], clock: Clock, later: Manual) -> World:
    return World(wrap, clock, later)


def test_a_page_of_less_than_its_share_is_refused_and_said_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.says("y" * 499)
    with caplog.at_level(logging.WARNING, "isgware"):
        reply = world.renew()
    assert (reply.cache, reply.detail) == ("STALE", "regeneration-failed")
    assert reply.text == "x" * 1_000
    assert "499 bytes in place of 1,000" in caplog.text
    assert "regenerate('/p', force=True)" in caplog.text
    why = world.isg.why("/p")
    assert why.last_error == "shrunk: 499 bytes in place of 1,000"
    assert next(world.isg.pages()).last_error == why.last_error


def test_a_page_of_its_share_is_not(world: World) -> None:
    world.says("y" * 500)
    assert world.renew().text == "y" * 500


def test_a_purge_lets_it_through(world: World) -> None:
    world.says("y")
    world.isg.purge_tag("t")
    assert visit(world.isg, "/p").text == "y"


def test_so_does_a_forced_regenerate_and_no_other(world: World) -> None:
    world.says("y")
    with pytest.raises(RegenerationError, match="shrunk"):
        world.regenerate()
    assert visit(world.isg, "/p").text == "x" * 1_000
    world.regenerate(force=True)
    assert visit(world.isg, "/p").text == "y"


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_a_page_that_is_gone_is_short_for_a_reason(world: World, status: str) -> None:
    world.says("gone", status)
    assert world.renew().status == status


def test_redirects_are_too() -> None:
    old = an_entry(body=b"x" * 100)
    assert shrunk(old, an_entry(body=b"x" * 49), 0.5)
    assert not shrunk(old, an_entry(body=b"x" * 50), 0.5)
    assert not shrunk(old, an_entry(body=b"x", status="301 Moved Permanently"), 0.5)


@pytest.mark.parametrize("share", [0, -1, 1.5, "0.5", True, float("nan")])
def test_what_is_no_share_is_refused(share: Any) -> None:
    with pytest.raises(ConfigurationError, match="shrink_limit"):
        Policy(shrink_limit=share)
