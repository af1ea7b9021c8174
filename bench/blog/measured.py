"""The process that `bench.dependency_recording` measures: one blog, with the option or without.

``python -m bench.blog.measured LIBRARY STORE on|off [count]``. It answers each line of stdin, a
case and how often, with the microseconds of CPU that one took, and the round trips to Redis. With
``count`` it runs every case in turn instead, for callgrind.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from bench import blog
from bench.blog import Site
from bench.kit.apps import environ

#: A page of a post, and a list of posts.
PAGES: Final = {"post": "/posts/5", "list": "/categories/3"}
RENDERS: Final = tuple(f"render, {page}" for page in PAGES)
OWN: Final = tuple(f"own answer, {page}" for page in PAGES)
COMMITS: Final = (blog.INSERT, blog.UPDATE, blog.DELETE)
#: In this order: a DELETE takes a row of the INSERTs before it.
CASES: Final = (*RENDERS, *OWN, *COMMITS)
#: Under callgrind a render takes fifty times as long.
WARM, COUNTED = 5, 20

_request: Final = functools.cache(environ)


def opened(library: str, directory: str, url: str, recorded: bool, pages: int) -> Site:
    """The site, with pages that commits are told to."""
    module = importlib.import_module(f"bench.blog.{library}_site")
    site: Site = module.site(directory, url or f"file:{directory}/store", recorded)
    for number in range(1, pages + 1):
        ask(site, f"/posts/{number}")
    return site


def ask(site: Site, path: str, query: str = "") -> None:
    chunks = site.app({**_request(path), "QUERY_STRING": query}, _succeeded)
    for _chunk in chunks:
        pass
    getattr(chunks, "close", lambda: None)()


def _succeeded(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
    assert status.startswith("200"), status


def cases(site: Site) -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = dict(site.writes)
    numbers = itertools.count()
    for page, path in PAGES.items():  # a page that is not there yet, each time
        found[f"render, {page}"] = lambda path=path: ask(site, path, f"cold={next(numbers)}")  # type: ignore[misc]
        found[f"own answer, {page}"] = lambda path=path: ask(site, f"/own{path}")  # type: ignore[misc]
    return found


def answering(site: Site) -> None:
    known, trips = cases(site), trips_of_this_thread()
    recorded = site.isg.core.runtime.engine.page_store.dependencies is not None
    for path in PAGES.values():
        ask(site, path)
        print(len(site.isg.core.depends(path)) if recorded else 0, flush=True)
    for line in sys.stdin:
        case, _, times = line.strip().rpartition(" ")
        call, before, began = known[case], trips[0], time.process_time()
        for _ in range(int(times)):
            call()
        took = (time.process_time() - began) / int(times) * 1e6
        print(took, (trips[0] - before) / int(times), flush=True)


def trips_of_this_thread() -> list[int]:
    """A count of what is sent to Redis at once from now on, a round trip each."""
    from redis.connection import AbstractConnection

    watched: Any = AbstractConnection
    original = watched.send_packed_command
    count, here = [0], threading.get_ident()

    def send(connection: Any, *args: Any, **kwargs: Any) -> Any:
        count[0] += threading.get_ident() == here
        return original(connection, *args, **kwargs)

    watched.send_packed_command = send
    return count


def counted(site: Site) -> None:
    known = cases(site)
    for case in CASES:
        for _ in range(WARM):
            known[case]()
        if case == blog.DELETE:
            for _ in range(COUNTED - WARM):
                known[blog.INSERT]()
        # Its thread's tasks are not to be counted.
        site.isg.core.runtime.engine.renderer.maintenance.close()
        os.getsid(0)
        for _ in range(COUNTED):
            known[case]()
        os.getsid(0)


def main(library: str, url: str, recorded: str, count: str = "") -> None:
    with tempfile.TemporaryDirectory() as directory:
        pages = 10 if count else blog.POSTS
        site = opened(library, directory, url, recorded == "on", pages)
        counted(site) if count else answering(site)
        site.isg.core.close(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
