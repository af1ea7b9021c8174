"""What pages take in a process: ``python -m bench.memory`` (``--pages 100000`` for the whole).

First what a page takes beside its bodies, and what each answer takes that is made ready for one of
its request lines: traced, so that neither the machine nor the allocator has a part in it. Then the
resident memory of a process that serves from a ``file:`` store with far more pages than it may
hold, while many requests pass: every tenth of them a number, which should not grow.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from bench import stores
from bench.apps import BODY, constant, environ
from isgware import ISG, Policy
from isgware.backends.base import Limits
from isgware.backends.sqlite import SQLiteBackend
from isgware.core.entry import decode, encode
from isgware.memory import Memory, Page
from isgware.ready import Ready

T = TypeVar("T")
PAGES, REQUESTS, TRACED = 10_000, 100_000, 500
LIMIT = 64 * 1024**2
POLICY = Policy(revalidate=86_400)
RULE = "/page/<int:number>"
HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "public, max-age=0, s-maxage=86400, stale-while-revalidate=31449600"),
)
ENCODINGS = {"br": b"b" * 6_000, "zstd": b"z" * 7_000, "gzip": b"g" * 7_500}


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="bench.memory", description=__doc__)
    parser.add_argument("--pages", type=int, default=PAGES)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--replay", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.replay:
        replay(chosen.replay, chosen.pages, chosen.requests)
        return
    overhead()
    with tempfile.TemporaryDirectory() as directory:
        limits = Limits(pages=2 * chosen.pages, bytes=1 << 42)
        backend = SQLiteBackend(f"{directory}/store", limits, stores.TIMEOUT)
        stores.fill(
            backend, range(chosen.pages), BODY, headers=HEADERS, route=RULE,
            fingerprint=POLICY.fingerprint, revalidate=86_400.0, expire=1e7,
        )  # fmt: skip
        backend.close()
        print(f"\n{chosen.pages:,} pages of 30 kB in file:, {LIMIT >> 20} MiB in process, ", end="")
        print(f"{chosen.requests:,} requests\n", flush=True)
        words = ("--pages", str(chosen.pages), "--requests", str(chosen.requests))
        command = [sys.executable, "-m", "bench.memory", "--replay", directory, *words]
        subprocess.run(command, check=True)


def overhead() -> None:
    """Print what a page and an answer take, in bytes, traced."""
    raw = [encode(_entry(number)) for number in range(TRACED)]
    keys = [_entry(number).key for number in range(TRACED)]
    stored = sum(map(len, raw)) / TRACED
    bodies = len(BODY) + sum(map(len, ENCODINGS.values()))
    memory = Memory(1 << 40)

    def load() -> None:
        for data, key in zip(raw, keys, strict=True):
            found = decode(data, key)
            assert found is not None
            memory.add(Page(found, 0, found.request.base_key()))

    def answers() -> None:
        for number, key in enumerate(keys):
            page = memory.get(key)
            assert page is not None
            ready = Ready(page, "GET", "gzip, deflate, br", 0, False, page.entry.rendered_at)
            memory.remember(("GET", "http", "example.com", "", f"/page/{number}", "", None), ready)

    tracemalloc.start()
    page, before = traced(load), memory.size
    answer, after = traced(answers), memory.size
    tracemalloc.stop()
    print(f"{'bytes, each':40}{'measured':>10}{'reckoned':>10}")
    print(f"{'a page beside its bodies':40}{page - bodies:10.0f}{before / TRACED - bodies:10.0f}")
    print(f"{'a page beside what is stored of it':40}{page - stored:10.0f}")
    print(f"{'an answer made ready':40}{answer:10.0f}{(after - before) / TRACED:10.0f}")


def _entry(number: int) -> Any:
    return replace(
        stores.entry(number, BODY, "f" * 16), headers=HEADERS, encodings=ENCODINGS,
        etag=f'"{number:027}"', fingerprint="a" * 16, route=RULE,
    )  # fmt: skip


def traced(work: Callable[[], object]) -> float:
    """The bytes that ``work`` leaves behind, for each page."""
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    work()
    gc.collect()
    return (tracemalloc.get_traced_memory()[0] - before) / TRACED


def replay(directory: str, pages: int, requests: int) -> None:
    """Ask for pages as visitors do, some often and most seldom, and print the memory taken."""
    empty = resident()
    isg = ISG(
        constant, store=f"file:{directory}/store", memory=LIMIT, routes={RULE: POLICY},
        backend_timeout=stores.TIMEOUT, max_pages=2 * pages, max_bytes=1 << 42,
    )  # fmt: skip
    chance, request, labels = random.Random(1), environ(), {"HIT": 0}

    def start_response(status: str, headers: list[Any], exc_info: Any = None) -> None:
        label = dict(headers)["X-ISG-Cache"]
        labels[label] = labels.get(label, 0) + 1

    print(f"{'requests':>12}{'resident MiB':>14}{'pages held':>12}")
    print(f"{0:12,}{empty:14.1f}{0:12,}")
    request |= {"HTTP_HOST": "example.com", "SERVER_NAME": "example.com"}
    for number in range(1, requests + 1):
        # By Zipf's law, but for every tenth visit, which is of any page.
        page = int(chance.random() * pages if number % 10 == 0 else pages ** chance.random())
        isg({**request, "PATH_INFO": f"/page/{page}"}, start_response)
        if number % (requests // 10) == 0:
            print(f"{number:12,}{resident():14.1f}{len(isg.engine.shelf.memory):12,}", flush=True)
    isg.close()
    print("\n" + ", ".join(f"{count:,} {label}" for label, count in sorted(labels.items())))


def resident() -> float:
    """MiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024**2


if __name__ == "__main__":
    main(sys.argv[1:])
