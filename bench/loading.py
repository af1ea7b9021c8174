"""How long the first visitor waits for a loading page.

Each visit is of another page that nobody has rendered, in a store on disk. Also: the question of
the page's script while the render is under way, and the 404 of a page that ``paths`` lacks; and
the loading page of a page whose render begins to compute at once, in the same process.

Beside the time that passed stands the processor's, of the visitor's thread. On a machine that has
other things to do they differ by how long the thread was not let run: the last line shows what
that makes of a loop that only counts.
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


def milliseconds(
    work: Callable[[int], object],
    visits: int = VISITS,
    after: Callable[[], object] = lambda: None,
) -> tuple[float, ...]:
    """The median, p99 and the longest, then median and p99 of the processor's time."""
    times, spent = [], []
    for number in range(visits):
        started, before = time.perf_counter(), time.thread_time()
        work(number)
        spent.append(1_000 * (time.thread_time() - before))
        times.append(1_000 * (time.perf_counter() - started))
        after()
    cuts, own = statistics.quantiles(times, n=100), statistics.quantiles(spent, n=100)
    return cuts[49], cuts[98], max(times), own[49], own[98]


def computing(environ: dict[str, Any], start_response: Any) -> Any:
    """A page that takes 20 ms to make."""
    counting(0, 0.02)
    return constant(environ, start_response)


def counting(number: int, seconds: float = 0.0003) -> None:
    began = time.thread_time()
    while time.thread_time() - began < seconds:
        pass


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options("loading", __doc__).parse_args(arguments)
    report = Report("loading", f"Without a server; {VISITS:,} visits each", chosen.save)
    columns = (
        Column(f"{name} ms", ".3f")
        for name in ("p50", "p99", "max", "processor p50", "processor p99")
    )
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
        isg = ISG(
            computing,
            store=f"file:{directory}/others",
            routes={"/first/<x>": Policy(revalidate=60, fallback="loading")},
        )

        def settle() -> None:
            while isg.runtime.engine.background.pool.busy:
                time.sleep(0.002)

        beside = milliseconds(visit, VISITS // 10, settle)
        rows.append(("loading page, and its render", *beside))
        isg.close(0)
    rows.append(("a loop of 0.3 ms", *milliseconds(counting)))
    return rows


if __name__ == "__main__":
    main()
