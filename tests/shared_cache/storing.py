"""Cases: what may be stored, and with which fields (RFC 9111, sections 3 and 5.2.2)."""

from __future__ import annotations

from tests.shared_cache.script import Case, asked, cached, case, stored

CC = "Cache-Control"
FRESH = (CC, "max-age=3600")
WHO = (("Authorization", "FOO"),)
STATUSES = (
    "200 OK", "203 Non-Authoritative", "204 No Content", "299 Whatever", "301 Moved Permanently",
    "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect",
    "400 Bad Request", "404 Not Found", "410 Gone", "499 Whatever", "500 Error", "502 Bad Gateway",
    "503 Unavailable", "504 Timeout", "599 Whatever",
)  # fmt: skip


def kept(name: str, value: str = "value") -> Case:
    return case(f"3.1 {name} is stored", stored(FRESH, (name, value)), cached(shows={name: value}))


def dropped(name: str, value: str = "value", *also: tuple[str, str]) -> Case:
    return case(
        f"3.1 {name} is not stored",
        stored(FRESH, *also, (name, value)),
        cached(shows={name: None}),
    )


def refused(id: str, *answer: tuple[str, str], status: str = "200 OK") -> Case:
    return case(f"{id}: not stored", stored(*answer, status=status), asked())


STORING = (
    *(
        case(f"3 a fresh {status}", stored(FRESH, status=status), cached(code=int(status[:3])))
        for status in STATUSES
    ),
    *(
        case(f"3 a stale {status}", stored(("Expires", -9), status=status), asked(status=status))
        for status in STATUSES
    ),
    refused("5.2.2.3 must-understand and 599", (CC, "max-age=60, must-understand"), status="599 X"),
    case(
        "5.2.2.3 must-understand stands in for no-store",
        stored((CC, "max-age=60, must-understand, no-store")),
        cached(),
    ),
    refused("206", FRESH, ("Content-Range", "bytes 0-5/10"), status="206 Partial Content"),
    refused("5.2.2.5 no-store", FRESH, (CC, "no-store")),
    refused("5.2.2.5 No-StOrE", (CC, "No-StOrE, max-age=60")),
    refused("5.2.2.5 no-store, padded", (CC, " max-age=60 ,\tno-store ")),
    refused("5.2.2.7 private", (CC, "private, max-age=60")),
    refused("5.2.2.7 PRIVATE", (CC, "PRIVATE, max-age=60")),
    refused("a stream of events", FRESH, ("Content-Type", "text/event-stream")),
    refused("Set-Cookie", FRESH, ("Set-Cookie", "a=b")),
    refused("5.2.2.4 no-cache", (CC, "max-age=60, no-cache")),
    refused("5.2.2.4 No-CaChE", (CC, "max-age=60, No-CaChE")),
    case(
        "5.2.2.4 no-cache with fields",
        stored(FRESH, (CC, 'no-cache="a, b"'), ("A", "1"), ("B", "2"), ("C", "3")),
        cached(shows={"A": None, "B": None, "C": "3"}),
    ),
    case(
        "5.2.2.7 private with fields",
        stored(FRESH, (CC, 'private="A"'), ("A", "1"), ("C", "3"), shows={"A": "1"}),
        cached(shows={"A": None, "C": "3"}),
    ),
    case(
        "a request may ask that nothing is stored (5.2.1.5)",
        stored(FRESH, asks=((CC, "no-store"),)),
        asked(),
    ),
    case(
        "an older response outlives a newer no-store",
        stored(FRESH),
        asked(asks=((CC, "no-cache"),)),
        cached(text="body 0"),
    ),
    # Authorization (3.5).
    case("3.5 Authorization", stored(FRESH, asks=WHO), asked()),
    case("3.5 and public", stored((CC, "max-age=60, public"), asks=WHO), cached()),
    case("3.5 and s-maxage", stored((CC, "s-maxage=60"), asks=WHO), cached()),
    case(
        "3.5 and must-revalidate", stored((CC, "max-age=60, must-revalidate"), asks=WHO), cached()
    ),
    case("3.5 asked for by somebody known", stored(FRESH), asked(asks=WHO), cached()),
    case(
        "3.5 asked for by somebody known, and public",
        stored((CC, "max-age=60, public")),
        cached(asks=WHO),
    ),
    case(
        "a cookie in the request is no reason", stored(FRESH, asks=(("Cookie", "a=b"),)), cached()
    ),
    case("a cookie in a later request", stored(FRESH), cached(asks=(("Cookie", "a=b"),))),
    # Fields (3.1).
    kept("Test-Header"),
    kept("Content-Foo"),
    kept("Content-Encoding", "other"),
    kept("Content-Language", "de"),
    kept("Content-Location", "/foo"),
    kept("Content-MD5", "rL0Y20zC+Fzt72VPzMSk2A=="),
    kept("Content-Range"),
    kept("Content-Security-Policy", "default-src 'self'"),
    kept("Content-Type", "text/html;charset=utf-8"),
    kept("Content-Disposition", "attachment; filename=a.txt"),
    kept("Clear-Site-Data", "cookies"),
    kept("ETag", 'W/"abcdef"'),
    kept("Expires", "Fri, 01 Jan 2038 01:01:01 GMT"),
    kept("Last-Modified", "Fri, 01 Jan 2020 01:01:01 GMT"),
    kept("Pragma", "no-cache"),
    kept("Vary", "Foo"),
    kept("X-Frame-Options", "deny"),
    dropped("Proxy-Authentication-Info"),
    case(
        "several lines of a field",
        stored(FRESH, ("Link", "<a>"), ("Link", "<b>")),
        cached(shows={"Link": "<a>, <b>"}),
    ),
    # The URL is the key (2).
    case("2 another query", stored(FRESH, query="a=1"), asked(query="a=2")),
    case("2 the same query", stored(FRESH, query="a=1"), cached(query="a=1")),
    case("2 tracking parameters count, too", stored(FRESH, query="utm_x=1"), asked(query="")),
    case("2 another path", stored(FRESH, path="/a"), asked(path="/b")),
    case("HEAD is answered from GET's", stored(FRESH), cached(method="HEAD", text="")),
    case("HEAD stores nothing", stored(FRESH, method="HEAD"), asked()),
    case("9110 9.3.1 a GET with a body", stored(FRESH, sends="abc"), asked()),
    case("9110 9.3.1 a later GET with a body", stored(FRESH), asked(sends="abc"), cached()),
)
