"""What pages take in a process.

First what a page takes beside its bodies, and what each answer takes that is made ready for one of
its request lines: traced, so that neither the machine nor the allocator has a part in it. Then the
resident memory of processes that serve from a store with far more pages than they may hold, to
several kinds of visitors. It should reach its limit and stay there. ``--pages 100000 --requests
300000`` takes a quarter of an hour.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from bench.kit import stores
from bench.kit.apps import BODY
from bench.kit.machine import ROOT
from bench.kit.report import Column, Report, Value, options
from bench.visitors import KINDS, LIMIT, POLICY, RULE, TOLD
from isgware.core.stored_page import decode, encode
from isgware.serving.prepared_hits import PreparedHit
from isgware.storage.process_cache import Memory, Page

PAGES, REQUESTS, TRACED = 10_000, 60_000, 500
#: A store of so many small pages says what its catalogue takes of each.
CATALOGUED: Final = 10_000
HEADERS: Final = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "public, max-age=0, s-maxage=86400, stale-while-revalidate=31449600"),
)
ENCODINGS: Final = {"br": b"b" * 6_000, "zstd": b"z" * 7_000, "gzip": b"g" * 7_500}


def overhead(kinds: Sequence[str]) -> Iterator[list[Value]]:
    """What a page and an answer take, in bytes, traced, and as the limit reckons with them."""
    raw = [encode(_entry(number)) for number in range(TRACED)]
    keys = [_entry(number).key for number in range(TRACED)]
    bodies = len(BODY) + sum(map(len, ENCODINGS.values()))
    stored = sum(map(len, raw)) / TRACED - bodies
    memory = Memory(1 << 40)

    def load() -> None:
        for data, key in zip(raw, keys, strict=True):
            found = decode(data, key)
            assert found is not None
            memory.add(Page(found, 0, found.request.base_key()))

    def answers(query: str) -> None:
        for number, key in enumerate(keys):
            page = memory.get(key)
            assert page is not None
            ready = PreparedHit(page, "GET", "gzip, deflate, br", 0, False, page.entry.rendered_at)
            raw = ("GET", "http", "example.com", "", f"/page/{number}", query + str(number), None)
            memory.remember(raw, ready)

    tracemalloc.start()
    page, before = traced(load) - bodies, memory.size / TRACED
    answer, after = traced(lambda: answers("")), memory.size / TRACED
    longer, last = traced(lambda: answers("q" * 900)), memory.size / TRACED
    tracemalloc.stop()
    yield ["a page in memory, beside its bodies", page, before - bodies]
    yield ["… its key, of that", float(sys.getsizeof(keys[0])), None]
    yield ["… beside all that is stored of it", page - stored, None]
    yield ["an answer made ready, with its request line", answer, after - before]
    yield ["… with a query of 900 letters", longer, last - after]
    yield ["stored, beside its bodies", stored, None]
    for kind in kinds:
        yield [f"its part of the catalogue, {kind}", catalogued(kind), None]


def catalogued(kind: str) -> float:
    """Bytes that a store takes for a page beside what is stored of it."""
    with stores.KINDS[kind]() as (backend, _):
        backend.nonce()  # makes it
        empty = stores.taken(backend)
        stores.fill(backend, range(CATALOGUED), b"", headers=HEADERS, route=RULE)
        each = len(encode(stores.entry(CATALOGUED, b"", "f" * 16, headers=HEADERS, route=RULE)))
        return (stores.taken(backend) - empty) / CATALOGUED - each


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


def replays(kinds: Sequence[str], chosen: argparse.Namespace) -> Iterator[list[Value]]:
    """MiB of a process by the part of its requests that have passed, and the pages it held."""
    for kind in kinds:
        with stores.KINDS[kind]() as (backend, url):
            stores.fill(
                backend, range(chosen.pages), BODY, headers=HEADERS, route=RULE,
                fingerprint=POLICY.fingerprint, revalidate=86_400.0, expire=1e7,
            )  # fmt: skip
            yield _replay(f"{kind}", "plain", url, chosen)
            if kind == "file:":
                yield _replay("… browsers with and without cookies", "browsers", url, chosen)
                yield _replay("… everything invented", "hostile", url, chosen)
    with tempfile.TemporaryDirectory() as directory:
        yield _replay('file:, cache_control="full"', "full", f"file:{directory}/store", chosen)


def _replay(name: str, visitors: str, url: str, chosen: argparse.Namespace) -> list[Value]:
    words = (visitors, url, str(chosen.pages), str(chosen.requests))
    command = [sys.executable, "-m", "bench.visitors", *words]
    if sys.stderr.isatty():
        print(f"  {name}", file=sys.stderr)
    memory, held, answers = json.loads(subprocess.check_output(command, cwd=ROOT, text=True))
    print(f"{name} ({KINDS[visitors].__doc__}): {answers}", flush=True)
    return [name, *memory, held]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("memory", __doc__)
    parser.add_argument("--pages", type=int, default=PAGES, help=f"default: {PAGES}")
    parser.add_argument("--requests", type=int, default=REQUESTS, help=f"default: {REQUESTS}")
    chosen = parser.parse_args(arguments)
    report = Report(
        "memory",
        f"{chosen.pages:,} pages of 30 kB, {LIMIT >> 20} MiB in process, {chosen.requests:,} "
        "requests",
        chosen.save,
        ("redis", "redis-server"),
    )
    kinds = stores.kinds()
    report.table(
        ("bytes, each", "measured", "as the limit counts it"), list(overhead(kinds)), "each"
    )
    columns = (Column(f"{part:.0%}", ",.1f") for part in TOLD)
    report.table(
        ("MiB resident after", *columns, "pages held"), list(replays(kinds, chosen)), "replay"
    )
    report.close()


if __name__ == "__main__":
    main()
