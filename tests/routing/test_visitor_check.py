"""Sessions that cannot be had in time are left alone for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from isgware.core.cache_key import Visitor
from isgware.routing import visitor_check
from isgware.routing.framework import Site
from isgware.routing.visitor_check import VisitorCheck

#: Other tests are not as strict.
SLOW = visitor_check._SLOW


class Sessions(Site):
    """Opens a session in so many seconds of a frozen clock."""

    def __init__(self, frozen: FrozenDateTimeFactory, seconds: float, cookie: str) -> None:
        self._frozen, self._seconds, self._cookie = frozen, seconds, cookie
        self.opened = 0

    @property
    def cookie_session(self) -> str:
        return self._cookie

    def session(self, visitor: Visitor) -> Mapping[str, Any]:
        self.opened += 1
        self._frozen.tick(self._seconds)
        return {"name": "Ann"}


def visitor() -> Visitor:
    return Visitor("GET", "http", "site.test", "", "/", "", {"HTTP_COOKIE": "session=x"})


@pytest.mark.parametrize(
    ("cookie", "seconds", "spared"),
    [
        pytest.param("", 0.6, True, id="a-slow-store"),
        pytest.param("", 0.4, False, id="a-store"),
        pytest.param("session", 0.6, False, id="in-the-cookie-on-a-slow-machine"),
    ],
)
def test_a_slow_store_of_sessions_is_spared_for_five_seconds(
    cookie: str, seconds: float, spared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitor_check, "_SLOW", SLOW)
    with freeze_time("2026-01-01") as frozen:
        site = Sessions(frozen, seconds, cookie)
        check = VisitorCheck(site, lambda: 0.0)
        assert check.session(visitor()) == {"name": "Ann"}
        assert check.session(visitor()) == (None if spared else {"name": "Ann"})
        assert site.opened == (1 if spared else 2)
        frozen.tick(5)
        assert check.session(visitor()) == {"name": "Ann"}
