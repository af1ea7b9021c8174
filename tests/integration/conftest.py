"""Fixtures: a world for each test, and servers in it that end with the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import unavailable
from tests.integration.servers import KINDS, Serve, Server
from tests.integration.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


@pytest.fixture
def serve(world: World) -> Iterator[Serve]:
    """Start a server in this test's world; all of them are gone when the test ends."""
    started: list[Server] = []

    def start(kind: str = "gunicorn-gthread", **options: Any) -> Server:
        if missing := KINDS[kind].missing:
            unavailable(missing)
        server = Server(kind, world, **options)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.kill()
