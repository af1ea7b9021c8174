"""How far a build is, in words."""

from __future__ import annotations

import io

from isgware.build.build_report import Made, Report, RouteReport
from isgware.cli.progress import Lines, progress, said


def report(done: int, total: int | None = None, failed: int = 0) -> Report:
    line = RouteReport("post", "/posts/<slug>", "prerendered", rendered=done, failed=failed)
    return Report(routes=[line], seconds=2.0, total=total)


def test_pages_per_second_and_the_time_that_is_left() -> None:
    assert said(report(1_000)) == "1,000 pages, 500 a second"
    text = "1,000 of 61,000 pages, 500 a second, 2 min left"
    assert said(report(1_000, 61_000)) == text
    assert said(report(9, 10, failed=1)) == "10 of 10 pages, 5 a second, 0 s left, 1 failed"
    assert said(Report()) == "0 pages, 0 a second"


def test_without_a_terminal_there_is_a_line_now_and_then() -> None:
    stream, now = io.StringIO(), [0.0]
    show = Lines(stream, lambda: now[0])
    for seconds in (1.0, 5.0, 6.0, 9.0, 10.0):
        now[0] = seconds
        show(report(int(seconds)))
    assert stream.getvalue() == "5 pages, 2 a second\n10 pages, 5 a second\n"
    with progress(stream) as other:
        assert isinstance(other, Lines)


def test_on_a_terminal_there_is_a_bar_that_goes_away() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with progress(stream) as show:
        show(report(5, 10))
        assert "5 of 10 pages" in stream.getvalue()


def test_the_report_names_the_first_failures_and_counts_all() -> None:
    made, line = Report(), RouteReport("post", "/posts/<slug>", "prerendered")
    made.routes.append(line)
    for number in range(2_000):
        made.count(line, Made("failed", f"/{number}", "no"))
        made.count(line, Made("rendered", f"/{number}", "", number / 1000, 10, 5))
    assert (made.failed, len(made.failures), made.failures[0].page) == (2_000, 1_000, "/0")
    assert sorted(line.slowest) == [(1.997, "/1997"), (1.998, "/1998"), (1.999, "/1999")]
    assert (line.size, line.compressed) == (20_000, 10_000)
