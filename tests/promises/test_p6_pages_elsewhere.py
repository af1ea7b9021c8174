"""P6 where pages lie in another service than the table of invalidations: the loss of the one does
not hide the other."""

from __future__ import annotations

from typing import Any

import pytest
from cachelib import SimpleCache

from isgware import BackendUnavailable, Policy
from isgware.backends.read_ahead import ReadAhead
from tests.promises.kit import Site, visit

ROUTES = {"/<path:x>": Policy(revalidate=60, tags=["t"])}


class Pages(SimpleCache):
    """Raises while it is ``gone``, as every copy of it does."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: list[bool] = []

    def get(self, key: str) -> Any:
        self._look()
        return super().get(key)

    def set(self, key: str, value: Any, timeout: Any = None) -> Any:
        self._look()
        return super().set(key, value, timeout)

    def _look(self) -> None:
        if self.gone:
            raise OSError("gone")


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def two(wrap, tmp_path, pages):
    """Two processes over one table of invalidations; the first of them has lost its pages."""
    options = {"routes": ROUTES, "coordinator": f"file:{tmp_path}", "backend_timeout": 30.0}
    one = wrap(Site(), store=pages, **options)
    other = wrap(Site(), store=Pages(), **options)
    visit(one, "/p")
    assert visit(one, "/p").cache == "HIT"
    pages.gone.append(True)
    visit(one, "/another")
    assert one.stats().circuit == "open"
    return one, other


def test_p6_a_purge_elsewhere_is_heeded_without_the_pages(two):
    one, other = two
    assert visit(one, "/p").cache == "HIT"
    other.purge_tag("t")
    answer = visit(one, "/p")
    assert (answer.cache, answer.text) == ("REVALIDATED", "/p #2")
    assert visit(one, "/p").cache == "HIT", "kept in memory"


def test_p6_a_purge_is_taken_without_the_pages(two):
    one, _ = two
    one.purge_path("/p")
    assert visit(one, "/p").cache == "REVALIDATED"


def test_p6_all_is_out_of_reach_once_the_table_is(two, monkeypatch):
    one, _ = two
    asked = []

    def fail(*arguments: Any) -> None:
        asked.append(arguments)
        raise OSError("gone, too")

    coordinator = one.runtime.engine.page_store.backend.backend.coordinator
    monkeypatch.setattr(coordinator, "invalidate", fail)
    monkeypatch.setattr(coordinator, "ping", fail)
    for _ in range(2):
        with pytest.raises(BackendUnavailable):
            one.purge_path("/p")
    assert len([arguments for arguments in asked if arguments]) == 1, "one tried, one told at once"
    assert visit(one, "/p").cache == "HIT", "as it is, for as long as offline_time says"


def test_p6_pages_that_are_back_are_asked_again(two, pages):
    one, other = two
    other.purge_tag("t")
    pages.gone.clear()
    assert one.runtime.engine.page_store.backend.probe()
    assert visit(one, "/p").cache == "REVALIDATED"
    assert one.stats().circuit == "closed"


def test_p6_the_table_is_not_blamed_for_the_time_that_pages_took(wrap, tmp_path, pages):
    isg = wrap(Site(), store=pages, coordinator=f"file:{tmp_path}", backend_timeout=30.0)
    breaker = isg.runtime.engine.page_store.backend
    breaker.begin(ReadAhead(seconds=29.0))  # a visit that has waited for pages
    breaker.sync("", 0)
    assert breaker.open_since is not None
    assert breaker.sync("", 0).nonce
