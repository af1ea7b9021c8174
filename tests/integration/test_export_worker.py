"""`isgware worker --export DIR` beside gunicorn: the tree follows what is rendered and purged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.servers import Serve
from tests.integration.workers import WorkerProcess
from tests.integration.world import World
from tests.stores import eventually


@pytest.fixture
def worker(world: World) -> Iterator[WorkerProcess]:
    process = WorkerProcess(world, flags={"export": world.directory / "tree"})
    yield process.started()
    process.kill()


def test_a_worker_keeps_a_tree_current(serve: Serve, world: World, worker: WorkerProcess) -> None:
    server = serve(workers=1, env={"ISGWARE_BACKEND_TIMEOUT": "10"})
    file = world.directory / "tree" / "page" / "1" / "index.txt"
    first = server.get("/page/1")
    server.do("revalidate_path", "/page/1")  # an invalidation is seen at once, a first visit later
    eventually(lambda: file.exists() and file.read_bytes() == first.body, within=60)
    eventually(lambda: server.get("/page/1").nonce != first.nonce, within=60)
    second = server.get("/page/1")
    eventually(lambda: file.read_bytes() == second.body, within=60)
    server.do("revalidate_path", "/page/1")  # and nobody visits it: nginx has a file
    eventually(lambda: file.read_bytes() != second.body, within=60)
    server.do("purge_path", "/page/1")
    eventually(lambda: not file.exists(), within=60)
    assert worker.stop() == 0
    assert "Traceback" not in worker.said()
