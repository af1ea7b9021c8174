"""What one process says of a page, the others' word tells: at once, and soon when cut off."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from redis.exceptions import ReadOnlyError

from isgware.backends.redis import pubsub as redis_news
from isgware.backends.redis.backend import RedisBackend
from isgware.backends.redis.connections import Connections
from isgware.backends.redis.pubsub import Subscription
from isgware.testing.backend_suite import nonce_of
from tests.backends.conftest import end_of_news
from tests.stores import Proxy, Redis, eventually, in_time

Connected = Callable[..., RedisBackend]


@pytest.fixture
def proxy(own_redis: Redis) -> Iterator[Proxy]:
    made = Proxy(own_redis.port)
    yield made
    made.close()


def listeners() -> int:
    return sum(thread.name == "isgware-pubsub" for thread in threading.enumerate())


def settled(backend: RedisBackend) -> int:
    """The word, once it is even and nothing is under way."""
    nonce_of(backend)
    eventually(lambda: backend.version[0] % 2 == 0, within=60)
    return backend.version[0]


def test_an_announcement_is_seen_elsewhere_within_100_ms(
    own_redis: Redis, connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a message: the counter is not read in this time."""
    monkeypatch.setattr(redis_news, "INTERVAL", 20.0)
    here, there = connected(own_redis), connected(own_redis)
    settled(here)
    announcements: list[Callable[[], object]] = [
        lambda: here.invalidate(["tag:a"], hard=True),
        lambda: here.invalidate([], hard=False),
        lambda: here.publish(["key"]),
    ] * 5

    def heard(announce: Callable[[], object]) -> None:
        before = settled(there)
        announce()
        eventually(lambda: there.version[0] != before, within=60)
        assert there.version[0] % 2 == 0

    for announce in announcements:
        in_time(0.1, partial(heard, announce))
    for one in (here, there):
        one.close()
    own_redis.client().client_kill_filter(_type="pubsub")  # they need not wait any longer


def test_the_word_is_odd_until_somebody_listens(own_redis: Redis, connected: Connected) -> None:
    backend = connected(own_redis)
    assert backend.version[0] % 2
    assert settled(backend) % 2 == 0


def test_a_subscription_that_breaks_is_made_again(own_redis: Redis, connected: Connected) -> None:
    here, there = connected(own_redis), connected(own_redis)
    nonce_of(here)
    before = settled(there)
    own_redis.client().client_kill_filter(_type="pubsub")
    eventually(lambda: there.version[0] != before, within=60)  # somebody may have spoken meanwhile
    eventually(lambda: own_redis.client().pubsub_numsub("isg:{main}:news")[0][1] == 2, within=60)

    def heard() -> None:
        before = settled(there)
        here.invalidate(["tag:a"], hard=True)
        eventually(lambda: there.version[0] != before, within=60)

    in_time(0.1, heard)


def test_without_subscriptions_an_announcement_is_seen_within_2_s(
    proxy: Proxy, own_redis: Redis, connected: Connected
) -> None:
    proxy.deaf = True
    here, there = connected(own_redis), connected(proxy)
    for _ in range(3):
        before = settled(there)
        here.invalidate(["tag:a"], hard=True)
        eventually(lambda before=before: there.version[0] != before, within=60)
        assert there.version[0] % 2 == 0
    assert own_redis.client().pubsub_numsub("isg:{main}:news")[0][1] == 0


def test_a_subscription_that_went_silent_is_noticed(
    own_redis: Redis, connected: Connected, proxy: Proxy
) -> None:
    """No reset, no message: a cable was pulled."""
    here, there = connected(own_redis), connected(proxy, timeout=0.24)
    settled(there)
    proxy.silent = True
    here.invalidate(["tag:a"], hard=True)
    eventually(lambda: there.version[0] % 2 == 1, within=60)
    proxy.silent = False
    proxy.cut()
    before = there.version[0]
    eventually(lambda: there.version[0] % 2 == 0, within=60)
    assert there.version[0] != before
    assert there.sync("", 0).hard == (("tag:a", 1),)


def test_nothing_is_missed_over_a_reconnection(
    own_redis: Redis, connected: Connected, proxy: Proxy
) -> None:
    here, there = connected(own_redis), connected(proxy)
    for number in range(10):
        before = settled(there)
        proxy.cut()
        here.invalidate([f"tag:{number}"], hard=True)
        eventually(lambda before=before: there.version[0] not in (before, before | 1), within=60)
    assert len(there.sync("", 0).hard) == 10


def test_a_flush_is_noticed_though_nobody_tells(own_redis: Redis, connected: Connected) -> None:
    backend = connected(own_redis)
    nonce, before = nonce_of(backend), settled(backend)
    own_redis.client().flushall()
    eventually(lambda: backend.version[0] != before, within=60)
    assert nonce_of(backend) != nonce


@pytest.mark.parametrize("fault", ["stopped", "killed"])
def test_a_store_that_cannot_be_read_is_not_taken_for_unchanged(
    fault: str, own_redis: Redis, connected: Connected
) -> None:
    backend = connected(own_redis, timeout=0.24)
    before = settled(backend)
    own_redis.suspend() if fault == "stopped" else own_redis.kill()
    eventually(lambda: backend.version[0] % 2 == 1, within=60)
    own_redis.resume() if fault == "stopped" else own_redis.start()
    eventually(lambda: backend.version[0] % 2 == 0, within=60)
    assert backend.version[0] > before


def test_one_thread_per_process_which_ends_with_its_store(
    own_redis: Redis, connected: Connected
) -> None:
    end_of_news()
    already = listeners()
    backend = connected(own_redis)
    assert listeners() == already
    for _ in range(5):
        nonce_of(backend)
    assert listeners() == already + 1
    backend.close()
    eventually(lambda: listeners() == already, within=60)


def test_a_store_that_is_dropped_unclosed_leaves_no_thread(own_redis: Redis) -> None:
    from isgware.backends.redis.client import from_url

    end_of_news()
    already = listeners()
    backend: Any = RedisBackend(from_url(own_redis.url, 1.0)[0])
    nonce_of(backend)
    assert listeners() == already + 1
    del backend
    gc.collect()
    eventually(lambda: listeners() == already, within=60)


def test_a_thread_that_cannot_be_had_costs_currency_only(
    own_redis: Redis, connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    backend = connected(own_redis)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none)
        assert nonce_of(backend)
        assert backend.version[0] % 2
        assert backend.invalidate(["tag:a"], hard=True) == 1
        assert backend.version[0] % 2
    assert settled(backend) % 2 == 0


class Demoted:
    """A client of a server that is no master any more."""

    closed = False

    def evalsha(self, *arguments: Any) -> None:
        raise ReadOnlyError("You can't write against a read only replica.")

    def close(self) -> None:
        self.closed = True


def test_after_a_failure_it_is_asked_anew_where_the_server_is(redis_server: Redis) -> None:
    demoted = Demoted()
    clients = [demoted]

    def connect() -> Any:
        return clients.pop() if clients else redis_server.client()

    news = Subscription(Connections(connect), "isg:{main}:")
    news.start()
    eventually(lambda: news.version[0] % 2 == 0, within=60)
    news.stop()
    assert demoted.closed
