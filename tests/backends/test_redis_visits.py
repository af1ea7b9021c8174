"""What a visit asks of Redis: a page that is not in memory is one round trip."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from isgware import ISG, Policy
from isgware.backends.redis import RedisBackend
from tests.stores import Redis

ROUTES = {"/page/<int:number>": Policy(revalidate=3600)}


def page(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/html")])
    return [environ["PATH_INFO"].encode()]


def visit(isg: ISG, path: str) -> str:
    """The X-ISG-Cache of a visitor's answer."""
    told: dict[str, str] = {}
    environ = {
        "REQUEST_METHOD": "GET", "wsgi.url_scheme": "http", "HTTP_HOST": "example.com",
        "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "example.com",
        "SERVER_PORT": "80",
    }  # fmt: skip
    isg(environ, lambda status, headers, exc_info=None: told.update(headers))
    return told["X-ISG-Cache"]


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one with each round trip of this thread: the listener's and the housekeeper's are no
    visitor's."""
    own, counted, ask = threading.get_ident(), [], RedisBackend._ask

    def counting(self: RedisBackend, work: Callable[..., Any]) -> Any:
        if threading.get_ident() == own:
            counted.append(work.__qualname__)
        return ask(self, work)

    monkeypatch.setattr(RedisBackend, "_ask", counting)
    return counted


@pytest.fixture
def second(own_redis: Redis) -> Any:
    """An ISG that has its connections, and none of the pages that another has stored."""
    with_pages = ISG(page, store=own_redis.url, routes=ROUTES)
    for number in range(3):
        assert visit(with_pages, f"/page/{number}") == "MISS"
    with_pages.close()
    isg = ISG(page, store=own_redis.url, routes=ROUTES)
    assert visit(isg, "/page/0") == "HIT"
    # It listens, at last, to what others say, which makes it ask once more what they have said.
    assert isg._backend.backend._news._tried.wait(60)  # type: ignore[attr-defined]
    assert visit(isg, "/page/0") == "HIT"
    yield isg
    isg.close()


def test_a_page_that_is_not_in_memory_is_one_round_trip(second: ISG, trips: list[str]) -> None:
    second._memory.clear()
    assert visit(second, "/page/0") == "HIT"
    assert len(trips) == 1


def test_what_was_learned_of_a_url_is_read_once(second: ISG, trips: list[str]) -> None:
    assert visit(second, "/page/1") == "HIT"
    assert len(trips) == 2  # the signpost decides the key of the page
    second._memory.clear()
    assert visit(second, "/page/1") == "HIT"
    assert len(trips) == 3


def test_a_page_in_memory_asks_redis_nothing(second: ISG, trips: list[str]) -> None:
    assert visit(second, "/page/0") == "HIT"
    assert trips == []
