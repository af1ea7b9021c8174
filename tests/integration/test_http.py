"""Every case of `tests.shared_cache` through real servers."""

from __future__ import annotations

import dataclasses
import http.client
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.conftest import unavailable
from tests.integration.servers import KINDS, Server
from tests.integration.world import World
from tests.shared_cache.script import Case, Seen, Step, check
from tests.shared_cache.test_tables import CASES

_numbers = itertools.count()


class OverHTTP:
    """A client that speaks to a server."""

    def __init__(self, server: Server) -> None:
        self._port = server.port

    def play(self, name: str, steps: Iterable[Step]) -> None:
        script = json.dumps([dataclasses.asdict(step) for step in steps])
        self.ask("POST", f"/-/play/{name}", "", [], script.encode())

    def tick(self, seconds: float) -> None:
        if seconds:
            self.ask("GET", "/-/tick", f"seconds={seconds}", [], b"")

    def now(self) -> float:
        now: float = json.loads(self.ask("GET", "/-/tick", "seconds=0", [], b"").body)
        return now

    def seen(self, name: str) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = json.loads(
            self.ask("GET", f"/-/seen/{name}", "", [], b"").body
        )
        return seen

    def ask(
        self, method: str, path: str, query: str, headers: list[tuple[str, str]], body: bytes
    ) -> Seen:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            target = path + (f"?{query}" if query else "")
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if body:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            response = connection.getresponse()
            return Seen(response.status, response.getheaders(), response.read())
        finally:
            connection.close()


@pytest.fixture(scope="module", params=["waitress", "gunicorn-gthread"])
def server(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[OverHTTP]:
    if missing := KINDS[request.param].missing:
        unavailable(missing)
    world = World(tmp_path_factory.mktemp("http"))
    started = Server(request.param, world, app="http").start()
    yield OverHTTP(started)
    started.stop()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(server: OverHTTP, case: Case) -> None:
    check(server, f"case-{next(_numbers)}", case.steps)
