"""How a case is played in process: `ISG` around the scripted origin, at a time of our choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from isgware import ISG
from tests.promises.kit import Clock, Manual, call, environ_of
from tests.shared_cache.script import Origin, Seen, Step


class InProcess:
    """A client without a server between it and the app."""

    def __init__(self, **options: Any) -> None:
        self.clock, self.later = Clock(), Manual()
        self.origin = Origin(self.clock)
        options = {"cache_control": "full", "store": "memory:", **options}
        self.isg = ISG(self.origin, clock=self.clock, executor=self.later, **options)

    def play(self, name: str, steps: Iterable[Step]) -> None:
        self.origin.play(name, steps)

    def tick(self, seconds: float) -> None:
        self.clock.tick(seconds)

    def now(self) -> float:
        return self.clock.now

    def ask(
        self, method: str, path: str, query: str, headers: list[tuple[str, str]], body: bytes
    ) -> Seen:
        named: dict[str, str] = {}
        for name, value in headers:  # as servers join lines
            named[name] = f"{named[name]}, {value}" if name in named else value
        environ = environ_of(path, query, method=method, headers=named, body=body)
        try:
            reply = call(self.isg, environ)
        except RuntimeError:
            return Seen(500, [], b"")
        return Seen(reply.code, reply.headers, reply.body)

    def seen(self, name: str) -> list[dict[str, Any]]:
        return self.origin.seen[name]


@pytest.fixture
def client() -> Iterator[InProcess]:
    made = InProcess()
    yield made
    made.isg.close(0)


@pytest.fixture
def with_options() -> Iterator[Callable[..., InProcess]]:
    made: list[InProcess] = []

    def make(**options: Any) -> InProcess:
        made.append(InProcess(**options))
        return made[-1]

    yield make
    for one in made:
        one.isg.close(0)
