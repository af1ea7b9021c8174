"""Of one stored page: whether it may be a file, and with which headers."""

from __future__ import annotations

from typing import Any

import pytest

from isgware.core.stored_page import Entry
from isgware.export.choice import REASONS, Static, static
from isgware.testing import make_entry

SHARED = "public, max-age=0, s-maxage=60, stale-while-revalidate=3540"


def entry(*headers: tuple[str, str], **fields: Any) -> Entry:
    named = {name.lower() for name, _ in headers}
    plain = [("Content-Type", "text/html"), ("Cache-Control", SHARED)]
    kept = [pair for pair in plain if pair[0].lower() not in named]
    return make_entry("/a", headers=(*kept, *headers), **fields)


def headers(*given: tuple[str, str], **fields: Any) -> dict[str, str]:
    found = static(entry(*given, **fields), with_app=True)
    assert isinstance(found, Static)
    return dict(found.headers)


def test_a_plain_page_is_a_file() -> None:
    assert static(entry(), with_app=False) == Static(
        "/a", 200, "text/html", (("Cache-Control", SHARED), ("Content-Type", "text/html"))
    )


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (("Vary", "Accept-Language"), "variant"),
        (("Vary", "Accept-Encoding, X-Colour"), "variant"),
        (("Vary", "Host"), "variant"),
        (("Cache-Control", "private, max-age=0, must-revalidate"), "private"),
        (("cache-control", "max-age=5, No-Store"), "private"),
        (("Content-Encoding", "gzip"), "headers"),
        (("X-Accel-Redirect", "/files/x"), "headers"),
        (("X-Sendfile", "/etc/passwd"), "headers"),
        (("X$uri", "1"), "headers"),
        (("X_under", "1"), "headers"),
        (("Content-Type", ""), "headers"),
        (("Link", "x" * 4_001), "headers"),
        (("Link", "$" * 300), "headers"),
        (("Location", "/b"), "headers"),
    ],
)
def test_headers_that_are_no_file_s(field: tuple[str, str], reason: str) -> None:
    assert static(entry(field), with_app=True) == reason
    assert reason in REASONS


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"vary_cookie": True}, "cookie"),
        ({"anonymous": True}, "personal"),
        ({"own": True}, "own"),
        ({"variant": "de"}, "variant"),
    ],
    ids=lambda value: str(value),
)
def test_marks_that_are_no_file_s(fields: dict[str, Any], reason: str) -> None:
    assert static(entry(**fields), with_app=True) == reason


def test_what_the_view_said_itself_takes_the_app_to_judge() -> None:
    own = entry(("Cache-Control", "public, max-age=5"))
    assert static(own, with_app=False) == "needs-app"
    assert isinstance(static(own, with_app=True), Static)


def test_headers_are_kept_but_for_those_of_the_server() -> None:
    found = headers(
        ("Last-Modified", "x"), ("Server", "x"), ("ETag", '"x"'), ("Vary", "Accept-Encoding"),
        ("content-language", "en"), ("X-Robots-Tag", " none "), ("X-Empty", " "),
        ("Content-Security-Policy", "default-src 'self'"),
    )  # fmt: skip
    assert found == {
        "Cache-Control": SHARED, "Content-Type": "text/html", "Content-Language": "en",
        "X-Robots-Tag": "none", "Content-Security-Policy": "default-src 'self'",
    }  # fmt: skip


def test_lines_of_one_name_are_one() -> None:
    assert headers(("Link", "</a>"), ("link", "</b>"))["Link"] == "</a>, </b>"


def test_a_redirect_has_no_content() -> None:
    moved = entry(("Location", "/b"), ("Content-Language", "en"), status="308 Permanent Redirect")
    assert static(moved, with_app=True) == Static(
        "/a", 308, "text/html", (("Cache-Control", SHARED),), "/b"
    )
    assert static(entry(status="301 Moved"), with_app=True) == "headers"
