"""How long the first visitor waits for a loading page: ``.venv/bin/python -m bench.loading``.

Each visit is of another page that nobody has rendered, in a store on disk. Also: the question of
the page's script while the render is under way, and the 404 of a page that ``paths`` lacks.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from bench.apps import constant, environ
from isgware import ISG, Policy

VISITS = 2_000


class Never(Executor):
    """Renders nothing, so that only what the visitor waits for is measured."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return Future()


def milliseconds(work: Callable[[int], object]) -> str:
    times = []
    for number in range(VISITS):
        started = time.perf_counter()
        work(number)
        times.append(1_000 * (time.perf_counter() - started))
    cuts = statistics.quantiles(times, n=100)
    return f"median {cuts[49]:6.3f} ms, 99% under {cuts[98]:6.3f} ms, longest {max(times):6.3f} ms"


def main() -> None:
    keys: dict[int, str] = {}
    with tempfile.TemporaryDirectory() as directory:
        isg = ISG(
            constant,
            store=f"file:{directory}/pages",
            executor=Never(),
            queue_size=2 * VISITS,
            loading_renders=2 * VISITS,
            routes={
                "/first/<x>": Policy(revalidate=60, fallback="loading"),
                "/listed/<x>": Policy(
                    revalidate=60,
                    fallback="not-found",
                    paths=[f"/listed/page{n}" for n in range(10_000)],
                ),
            },
        )

        def ask(path: str, **more: str) -> tuple[str, bytes]:
            told: list[str] = []
            body = isg({**environ(path), **more}, lambda line, headers: told.append(line))
            return told[0], b"".join(body)

        def visit(number: int) -> None:
            line, body = ask(f"/first/{number}")
            assert line == "200 OK"
            keys[number] = body.partition(b'data-isg-key="')[2][:40].decode()

        def poll(number: int) -> None:
            question = {"REQUEST_METHOD": "HEAD", "HTTP_X_ISG_POLL": keys[number]}
            assert ask(f"/first/{number}", **question)[0] == "202 Accepted"

        def missing(number: int) -> None:
            assert ask(f"/listed/{number}")[0] == "404 NOT FOUND"

        missing(0)  # reads the list
        print("loading page      ", milliseconds(visit))
        print("its script's poll ", milliseconds(poll))
        print("404, not listed   ", milliseconds(missing))
        isg.close(0)


if __name__ == "__main__":
    main()
