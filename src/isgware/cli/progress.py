"""How far a build is: a live bar on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

from ..build.build_report import Report
from ..formatting import duration

#: Seconds between two lines.
EVERY: Final = 5.0
Show = Callable[[Report], object]


@contextmanager
def progress(stream: TextIO) -> Iterator[Show]:
    """What to call with the report so far."""
    if stream.isatty():
        try:
            from rich import progress as rich
        except ImportError:
            pass
        else:
            with _bar(rich, stream) as show:
                yield show
            return
    yield Lines(stream)


class Lines:
    """A plain line every few seconds, for logs. ``now`` tells the time in seconds."""

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._now = now
        self._last = now()

    def __call__(self, report: Report) -> None:
        now = self._now()
        if now - self._last >= EVERY:
            self._last = now
            print(said(report), file=self._stream, flush=True)


def said(report: Report) -> str:
    """How many pages of how many, how fast, and how long it will take."""
    done, speed = report.done, report.done / (report.seconds or 1.0)
    of = f" of {report.total:,}" if report.total else ""
    text = f"{done:,}{of} pages, {speed:,.0f} a second"
    if report.total and speed:
        text += f", {duration(max(0, report.total - done) / speed)} left"
    return text + (f", {report.failed:,} failed" if report.failed else "")


@contextmanager
def _bar(rich: Any, stream: TextIO) -> Iterator[Show]:
    from rich.console import Console

    bar = rich.Progress(
        rich.BarColumn(bar_width=20),
        rich.TextColumn("{task.description}"),
        console=Console(file=stream),
        transient=True,
        auto_refresh=False,  # no thread: a worker that dies is replaced by forking
    )
    task = bar.add_task("", total=None)
    with bar:
        yield lambda report: bar.update(
            task,
            completed=report.done,
            total=report.total,
            description=said(report),
            refresh=True,
        )
