"""Who follows the decisions of a fleet is told through Redis."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from isgware.backends.redis import followers
from isgware.backends.redis.backend import RedisBackend
from isgware.errors import BackendUnavailable
from tests.stores import Redis

Connected = Callable[..., RedisBackend]
LONG = 60.0


def test_who_follows_is_told_by_every_process(own_redis: Redis, connected: Connected) -> None:
    one, other = connected(own_redis), connected(own_redis)
    assert not one.followers.there()
    follower = one.followers.follow()
    for each in (one, other):
        assert each.followers.there()
        each.followers.tell(b"hello")
        assert follower.read(LONG) == b"hello"
    assert follower.read(0.01) is None
    follower.close()


def test_those_who_were_killed_are_forgotten(
    own_redis: Redis, connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = connected(own_redis)
    monkeypatch.setattr(followers, "_AGAIN", 0.0)
    follower = backend.followers.follow()
    key = backend.prefix + "followed"
    left = backend.connections.ask(lambda client: client.ttl(key))
    assert 0 < left <= 10
    backend.connections.ask(lambda client: client.expire(key, 1000))
    follower.read(0.01)  # stays, and says so again
    assert backend.connections.ask(lambda client: client.ttl(key)) <= 10
    follower.close()


def test_a_redis_that_is_away_cannot_be_followed(own_redis: Redis, connected: Connected) -> None:
    backend = connected(own_redis)
    own_redis.kill()
    with pytest.raises(BackendUnavailable, match="cannot be followed"):
        backend.followers.follow()
    own_redis.start()
