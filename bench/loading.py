"""How long the first visitor waits for a loading page.

Each visit is of another page that nobody has rendered, in a store on disk. Also: the question of
the page's script while the render is under way, and the 404 of a page that ``paths`` lacks.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from bench.kit.apps import constant, environ
from bench.kit.report import Column, Report, options
from isgware import ISG, Policy

VISITS = 2_000


class Never(Executor):
    """Renders nothing, so that only what the visitor waits for is measured."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return Future()


def milliseconds(work: Callable[[int], object]) -> tuple[float, float, float]:
    """The median, p99 and the longest."""
    times = []
    for number in range(VISITS):
        started = time.perf_counter()
        work(number)
        times.append(1_000 * (time.perf_counter() - started))
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98], max(times)


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options("loading", __doc__).parse_args(arguments)
    report = Report("loading", f"Without a server; {VISITS:,} visits each", chosen.save)
    columns = (Column(f"{name} ms", ".3f") for name in ("p50", "p99", "max"))
    report.table(("", *columns), measure())
    report.close()


def measure() -> list[tuple[float | str, ...]]:
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
            lines: list[str] = []

            def start_response(line: str, headers: Any, exc_info: Any = None) -> Any:
                lines.append(line)

            body = isg({**environ(path), **more}, start_response)
            return lines[0], b"".join(body)

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
        rows: list[tuple[float | str, ...]] = [
            ("loading page", *milliseconds(visit)),
            ("its script's poll", *milliseconds(poll)),
            ("404, not listed", *milliseconds(missing)),
        ]
        isg.close(0)
    return rows


if __name__ == "__main__":
    main()
