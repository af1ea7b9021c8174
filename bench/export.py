"""What an export takes: 10,000 pages of 10 kB for the first time, again, and with 100 changed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.kit.apps import BODY
from bench.kit.report import Column, Report, options
from isgware import connect
from isgware.backends.base import row_of
from isgware.core.cache_key import Request
from isgware.core.stored_page import Entry, encode

PAGES = 10_000
CHANGED = 100


def entry(number: int, word: str, nonce: str) -> Entry:
    request = Request("http", "example.com", "", f"/page/{number}")
    body = f"{word} {number} ".encode() + BODY[:10_000]
    control = "public, max-age=0, s-maxage=60, stale-while-revalidate=3540"
    now = time.time()
    return Entry(
        key=request.key(),
        request=request,
        status="200 OK",
        headers=(("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", control)),
        body=body,
        encodings={"gzip": body[:2_000], "br": body[:1_500]},  # as large as such a page's
        rendered_at=now,
        revalidate=60.0,
        expire=86_400.0,
        nonce=nonce,
        order=int(now * 1_000),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options("export", __doc__).parse_args(arguments)
    report = Report("export", f"Export of {PAGES:,} pages of 10 kB, with .gz and .br", chosen.save)
    report.table(("", Column("seconds", ".2f"), "written", "unchanged", "removed"), measure())
    report.close()


def measure() -> list[tuple[float | str, ...]]:
    rows: list[tuple[float | str, ...]] = []
    with tempfile.TemporaryDirectory() as place:
        store, tree = f"file:{place}/pages", Path(place) / "tree"
        with connect(store, backend_timeout=30) as pages:
            nonce = pages.store.sync("", 0).nonce

            def put(numbers: range, word: str) -> None:
                for number in numbers:
                    made = entry(number, word, nonce)
                    pages.store.put(row_of(made), encode(made), time.time())

            def export(what: str) -> None:
                done = pages.export(tree)
                rows.append((what, done.seconds, done.written, done.unchanged, done.removed))

            put(range(PAGES), "one")
            export("the first")
            export("nothing changed")
            put(range(CHANGED), "two")
            export(f"{CHANGED} changed")
            pages.purge_path("/page/*")
            export("all purged")
    return rows


if __name__ == "__main__":
    main()
