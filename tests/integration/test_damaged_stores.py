"""P3 and P4 when the store is harmed under a running site: full, deleted, read-only, corrupt.

A store that is harmed costs a visitor at most half a second, never an error, and never a torn page;
when the harm is undone, pages are stored again. (The client checks every page for wholeness.)
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration import damage
from tests.integration.client import Answer, eventually, usual
from tests.integration.servers import SITES, Serve, Server
from tests.integration.world import World

#: P4's half second, and as much again for a busy machine.
PATIENCE = 1.0
#: The time that an operation may take in a site.
HASTY = {"ISGWARE_BACKEND_TIMEOUT": "0.3"}


def visit_all(server: Server, paths: list[str]) -> list[Answer]:
    answers = [server.get(path) for path in paths]
    assert {answer.status for answer in answers} == {200}
    assert usual(answers) < PATIENCE + slowness(server)
    return answers


def slowness(server: Server) -> float:
    """Seconds to grant besides: five times what an answer takes for which no store is asked."""
    return 5 * usual(server.get("/-/pid") for _ in range(8))


def recovers(server: Server, path: str, *, within: float = 60) -> None:
    """Sooner or later pages are stored again: what is purged is rendered, stored and hit."""

    def purged_and_stored() -> bool:
        if "error" in server.do("purge_path", path):
            return False
        first, second = server.get(path), server.get(path)
        return first.nonce == second.nonce and second.state == "HIT"

    assert eventually(purged_and_stored, bool, within=within, every=0.25)


def pages(prefix: str, count: int = 10) -> list[str]:
    return [f"/page/{prefix}{number}" for number in range(count)]


@pytest.mark.parametrize("workers", [1, 2])
def test_p4_a_full_disk_costs_nobody_a_page(workers: int, serve: Serve, world: World) -> None:
    with damage.small_disk(world.directory / "disk", "4m") as disk:
        server = serve(workers=workers, env={"SITE_STORE": f"file:{disk / 'store'}", **HASTY})
        before = visit_all(server, pages("kept"))
        filler = damage.fill(disk)
        for path in pages("new"):
            world.knob(path, size=100_000)
        visit_all(server, pages("new"))
        again = visit_all(server, pages("kept"))
        if workers == 1:  # it has them all in memory
            assert [answer.nonce for answer in again] == [answer.nonce for answer in before]
        said = server.do("purge_tag", "page:kept0")
        assert said.get("error", "BackendUnavailable") == "BackendUnavailable", said
        if "error" not in said:
            assert server.get("/page/kept0").nonce != before[0].nonce
        filler.unlink()
        recovers(server, "/page/new0")
        assert "Traceback" not in server.stderr()
        server.kill()


def test_p7_a_store_that_outgrows_its_disk_costs_nobody_a_page(serve: Serve, world: World) -> None:
    with damage.small_disk(world.directory / "disk", "2m") as disk:
        server = serve(env={"SITE_STORE": f"file:{disk / 'store'}", **HASTY})
        paths = pages("many", 60)
        for path in paths:
            world.knob(path, size=100_000)
        visit_all(server, paths)
        visit_all(server, paths)
        server.kill()


@pytest.mark.parametrize("workers", [1, 2])
def test_p4_a_deleted_store_is_made_again(workers: int, serve: Serve, world: World) -> None:
    server = serve(workers=workers, env=HASTY)
    visit_all(server, pages("old"))
    shutil.rmtree(world.store)
    visit_all(server, pages("old") + pages("new"))
    recovers(server, "/page/old0")
    other = serve(env=HASTY)
    eventually(
        lambda: other.get("/page/new1").nonce == server.get("/page/new1").nonce,
        bool,
        within=60,
        every=0.2,
    )

    def heard() -> bool:
        old = server.get("/page/new1").nonce
        other.do("purge_path", "/page/new1")
        return server.get("/page/new1").nonce != old

    assert eventually(heard, bool, within=60)


def test_p4_a_store_that_became_read_only_costs_nobody_a_page(serve: Serve, world: World) -> None:
    limited = (sys.executable, str(SITES / "run_limited.py"))
    server = serve("gunicorn-gthread-preload", wrapper=limited, env=HASTY)
    visit_all(server, pages("old"))
    files = list(world.store.rglob("*"))
    modes = {file: file.stat().st_mode & 0o777 for file in [*files, world.store]}
    for file in files:
        file.chmod(0o400)
    world.store.chmod(0o500)
    (worker,) = server.pids()
    os.kill(worker, signal.SIGKILL)  # its successor has to open what is there
    eventually(lambda: worker not in damage.children(server.pid), bool, within=60)
    visit_all(server, pages("old") + pages("new"))
    for file, mode in modes.items():
        file.chmod(mode)
    recovers(server, "/page/new0")


def test_p4_a_locked_store_costs_half_a_second_once(serve: Serve, world: World) -> None:
    server = serve(env=HASTY)
    before = visit_all(server, pages("old"))
    with damage.write_locked(world.store):
        new = visit_all(server, pages("new"))
        again = visit_all(server, pages("old"))
    assert "out of reach" in server.stderr()
    assert usual(new) < 0.3 + slowness(server)
    assert [answer.nonce for answer in again] == [answer.nonce for answer in before]
    recovers(server, "/page/new0")


@pytest.mark.parametrize(
    "harm", [damage.flip, damage.overwrite, damage.halve, damage.empty], ids=lambda it: it.__name__
)
@pytest.mark.parametrize("memory", ["hot", "cold"])
def test_p3_a_corrupt_store_answers_whole_pages(
    harm: Callable[[Path], None], memory: str, serve: Serve, world: World
) -> None:
    """Hot: the site has the pages in memory. Cold: another process reads them, and both go on."""
    server = serve("waitress", env=HASTY)
    paths = pages("old", 20)
    for path in paths:
        world.knob(path, size=20_000)
    visit_all(server, paths)
    reader = server if memory == "hot" else serve("waitress", env=HASTY)
    harm(damage.checkpointed(world.store))
    for visited in (reader, server, reader, server):
        visit_all(visited, paths + pages("new"))
    recovers(reader, "/page/new0")
    recovers(server, "/page/new1")


def test_p3_a_corrupt_store_does_not_keep_the_site_from_starting(
    serve: Serve, world: World
) -> None:
    server = serve("waitress", env=HASTY)
    visit_all(server, pages("old"))
    server.stop()
    damage.overwrite(damage.checkpointed(world.store))
    again = serve("waitress", env=HASTY)
    visit_all(again, pages("old"))
    recovers(again, "/page/old0")
