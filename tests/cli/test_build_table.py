"""The table that ends a build."""

from __future__ import annotations

import json

from isgware.build.build_report import Failure, Made, Report, RouteReport
from isgware.cli.build_table import report_json, report_lines, route_table


def made(line: RouteReport, *pages: Made) -> RouteReport:
    for page in pages:
        line.count(page)
    return line


def test_routes_with_their_numbers_and_what_there_is_to_say() -> None:
    home = RouteReport("home", "/", "static", revalidate=60.0, expire=86_400.0)
    post = RouteReport("post", "/<slug>", "prerendered", revalidate=None, expire=31_536_000.0)
    rows = [
        made(home, Made("rendered", "/", "", 0.1, 1_000, 300)),
        made(
            post,
            Made("rendered", "https://example.com/slow", "", 1.5, 2_000, 500),
            Made("rendered", "https://example.com/quick", "", 0.1, 4_000, 700),
            Made("fresh", "/b"),
            Made("dynamic", "/c", "no-store"),
            Made("failed", "/d", "status 500"),
        ),
        RouteReport("search", "/search", "dynamic", "not declared"),
    ]
    lines = route_table(rows, built=True).splitlines()
    assert lines[0] == "ROUTE      PAGES  REVALIDATE  EXPIRE  SIZE    COMPRESSED"
    assert lines[1] == "○ /        1      60 s        24 h    1.0 kB  300 B"
    assert lines[2].startswith("● /<slug>  5      until told  365 d   3.0 kB  600 B")
    assert lines[2].endswith("1 fresh already, 1 not stored: no-store, 1 failed")
    assert lines[3] == "    https://example.com/slow (1.50 s)"
    assert lines[4].split(maxsplit=2) == ["ƒ", "/search", "not declared"]


def test_control_characters_are_escaped() -> None:
    report = Report(failures=[Failure("/<slug>", "/\x1b[2J", "boom\n")])
    report.routes.append(RouteReport("p", "/<slug>", "prerendered", failed=1))
    text = report_lines(report)
    assert "\x1b" not in text
    assert "1 failed:\n  /<slug>  /\\x1b[2J: boom\\n" in text


def test_many_failures_are_counted_not_listed() -> None:
    line = RouteReport("p", "/<slug>", "prerendered")
    report = Report(routes=[line])
    for number in range(70):
        report.count(line, Made("failed", f"/{number}", "no"))
    text = report_lines(report)
    assert "70 failed:" in text
    assert "  and 20 more" in text
    assert len(json.loads(report_json(report))["failures"]) == 70


def test_a_static_route_that_may_not_be_stored_turns_out_dynamic() -> None:
    line = made(RouteReport("a", "/a", "static"), Made("dynamic", "/a", "set-cookie"))
    assert (line.kind, line.reason) == ("dynamic", "set-cookie")
    named = made(RouteReport("b", "/<b>", "dynamic", "no paths="), Made("rendered", "/b"))
    assert (named.kind, named.reason) == ("prerendered", "")


def test_undeclared_routes_that_begin_alike_are_one_line() -> None:
    rules = ["/admin/", *(f"/admin/{number}" for number in range(9)), "/a", "/a/b"]
    rows = [RouteReport(rule, rule, "dynamic", "not declared") for rule in rules]
    lines = route_table(rows, built=False).splitlines()
    assert [line.split("  ")[0] for line in lines[1:4]] == [
        "ƒ /admin/… (10 routes)",
        "ƒ /a",
        "ƒ /a/b",
    ]
