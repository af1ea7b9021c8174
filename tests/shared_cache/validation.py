"""Cases: validation, updates, selection and invalidation (RFC 9111, 3.2, 4.1, 4.3 and 4.4)."""

from __future__ import annotations

from tests.shared_cache.script import (
    ASKED,
    Case,
    Step,
    Value,
    asked,
    cached,
    case,
    stored,
    validated,
)

CC = "Cache-Control"
FRESH = (CC, "max-age=3600")
SHORT = (CC, "max-age=2")
TAG = ("ETag", '"abcdef"')
DATED = ("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT")


def update(name: str, old: str, new: str, expected: str) -> Case:
    how = "updates" if new == expected else "leaves"
    lasting = () if name == CC else (FRESH,)
    return case(
        f"3.2 a 304 {how} {name}",
        stored(*(() if name == CC else (SHORT,)), TAG, (name, old)),
        validated(*lasting, TAG, (name, new), after=3, text="body 0", shows={name: expected}),
        cached(after=3, text="body 0", shows={name: expected}),
    )


def varies(id: str, vary: str, first: dict[str, str], second: dict[str, str], *, hit: bool) -> Case:
    last = cached if hit else asked
    return case(
        f"4.1 {id}",
        stored(FRESH, ("Vary", vary), asks=tuple(first.items())),
        last(asks=tuple(second.items())),
    )


def purged(method: str, *answer: tuple[str, Value], code: str = "200 OK", path: str = "") -> Step:
    return Step(ASKED, answer, status=code, method=method, sends="abc", path=path)


UNSAFE = ("POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "MADE-UP")

VALIDATION = (
    case(
        "4.3.1 by tag",
        stored(SHORT, TAG),
        validated(after=3, text="body 0", saw={"HTTP_IF_NONE_MATCH": '"abcdef"'},
                  shows={"X-ISG-Cache": "REVALIDATED", "Age": "0"}),
        cached(after=1, text="body 0", shows={"Age": "1"}),
    ),
    case(
        "4.3.1 by a weak tag",
        stored(SHORT, ("ETag", 'W/"a"')),
        validated(after=3, saw={"HTTP_IF_NONE_MATCH": 'W/"a"'}),
    ),
    case(
        "4.3.1 by date",
        stored(SHORT, DATED),
        validated(after=3, saw={"HTTP_IF_MODIFIED_SINCE": DATED[1]}),
        cached(text="body 0"),
    ),
    case(
        "4.3.1 with what Vary names",
        stored(SHORT, TAG, ("Vary", "Abc"), asks=(("Abc", "123"),)),
        validated(after=3, asks=(("Abc", "123"),), saw={"HTTP_ABC": "123"}),
    ),
    case(
        "4.3.1 not for another variant",
        stored(SHORT, TAG, ("Vary", "Abc"), asks=(("Abc", "123"),)),
        asked(after=3, asks=(("Abc", "456"),), saw={"HTTP_IF_NONE_MATCH": None}),
    ),
    case(
        "4.3.1 the visitor's own condition waits",
        stored(SHORT, TAG),
        validated(after=3, asks=(("If-None-Match", '"mine"'),), code=200,
                  saw={"HTTP_IF_NONE_MATCH": '"abcdef"'}),
    ),
    case(
        "4.3.1 and is judged then",
        stored(SHORT, TAG),
        validated(after=3, asks=(("If-None-Match", '"abcdef"'),), code=304),
    ),
    case(
        "4.3.1 a part of what was validated",
        stored(SHORT, TAG, body="0123456789"),
        validated(after=3, asks=(("Range", "bytes=0-1"),), code=206, text="01",
                  saw={"HTTP_RANGE": None}),
    ),
    case(
        "4.3.3 a new response takes its place",
        stored(SHORT, TAG),
        asked(after=3, answer=(FRESH, ("ETag", '"new"')), saw={"HTTP_IF_NONE_MATCH": '"abcdef"'}),
        cached(text="body 1", shows={"ETag": '"new"'}),
    ),
    case(
        "4.3.3 an error does not",
        stored(SHORT, TAG),
        asked(after=3, answer=(), status="503 Unavailable"),
        validated(),
    ),
    case(
        "4.3.3 one that may not be stored does not",
        stored(SHORT, TAG),
        asked(after=3),
        validated(),
    ),
    case(
        "5.2.2.4 no-cache: each use is validated",
        stored((CC, "no-cache, max-age=60"), TAG),
        validated(text="body 0"),
        validated(text="body 0"),
    ),
    case("5.2.2.4 by date", stored((CC, "no-cache"), DATED), validated(text="body 0")),
    case("5.2.1.4 a request's no-cache", stored(FRESH, TAG), validated(asks=((CC, "no-cache"),))),
    case(
        "5.2.2.2 must-revalidate",
        stored((CC, "max-age=2, must-revalidate"), TAG),
        cached(),
        validated(after=3),
    ),
    # Updates (3.2, 4.3.4).
    case(
        "3.2 a 304 that says nothing",
        stored(SHORT, TAG, ("Test-Header", "A")),
        validated(after=3, shows={"Test-Header": "A", CC: "max-age=2"}),
    ),
    update("Test-Header", "A", "B", "B"),
    update("X-Content-Foo", "A", "B", "B"),
    update(CC, "max-age=2", "max-age=3600", "max-age=3600"),
    update("Content-Location", "/a", "/b", "/b"),
    update("Content-Security-Policy", "a", "b", "b"),
    update("Content-Type", "text/plain", "text/plain;charset=utf-8", "text/plain;charset=utf-8"),
    update("Expires", "Fri, 01 Jan 2038 01:01:01 GMT", "Mon, 11 Jan 2038 11:11:11 GMT",
           "Mon, 11 Jan 2038 11:11:11 GMT"),
    update("X-Frame-Options", "deny", "sameorigin", "sameorigin"),
    update("Content-Encoding", "a", "b", "a"),
    update("Content-Range", "a", "b", "a"),
    update("Content-MD5", "a", "b", "a"),
    case(
        "4.3.4 a cookie of a 304 is for its visitor",
        stored(SHORT, TAG),
        validated(FRESH, ("Set-Cookie", "a=b"), after=3, shows={"Set-Cookie": "a=b"}),
        cached(shows={"Set-Cookie": None}),
    ),
    case(
        "4.3.4 a 304 that forbids storing",
        stored(SHORT, TAG),
        validated((CC, "no-store"), after=3, text="body 0"),
        asked(saw={"HTTP_IF_NONE_MATCH": None}),
    ),
    # HEAD (4.3.5).
    case(
        "4.3.5 HEAD passes when stale",
        stored(SHORT, TAG, ("A", "1")),
        asked(method="HEAD", after=3, answer=(FRESH, TAG, ("A", "2")), body="body 0", text=""),
        cached(text="body 0", shows={"A": "2"}),
    ),
    case(
        "4.3.5 HEAD tells of another response",
        stored(SHORT, TAG),
        asked(method="HEAD", after=3, answer=(FRESH, ("ETag", '"new"')), body="body 0"),
        asked(saw={"HTTP_IF_NONE_MATCH": None}),
    ),
    case(
        "4.3.5 HEAD tells of another length",
        stored(SHORT),
        asked(method="HEAD", after=3, answer=(FRESH,), body="longer than it was"),
        asked(),
    ),
    # Selection (4.1).
    varies("the same", "Foo", {"Foo": "1"}, {"Foo": "1"}, hit=True),
    varies("another", "Foo", {"Foo": "1"}, {"Foo": "2"}, hit=False),
    varies("absent at first", "Foo", {}, {"Foo": "1"}, hit=False),
    varies("absent then", "Foo", {"Foo": "1"}, {}, hit=False),
    varies("absent both times", "Foo", {}, {}, hit=True),
    varies("not named", "Foo", {"Foo": "1", "B": "2"}, {"Foo": "1", "B": "3"}, hit=True),
    varies("two", "Foo, Bar", {"Foo": "1", "Bar": "a"}, {"Foo": "1", "Bar": "a"}, hit=True),
    varies("one of two", "Foo, Bar", {"Foo": "1", "Bar": "a"}, {"Foo": "2", "Bar": "a"}, hit=False),
    varies("one of two absent", "Foo, Bar", {"Foo": "1"}, {}, hit=False),
    varies("three, one absent", "Foo, Bar, Baz", {"Foo": "1", "Baz": "7"}, {"Baz": "7", "Foo": "1"},
           hit=True),
    varies("in any case", "fOO", {"Foo": "1"}, {"Foo": "2"}, hit=False),
    varies("spaces", "Foo", {"Foo": "1,2"}, {"Foo": " 1, 2 "}, hit=True),
    varies("languages in any case", "Accept-Language", {"Accept-Language": "en, de"},
           {"Accept-Language": "eN,De"}, hit=True),
    varies("encodings in any order", "Accept-Encoding", {"Accept-Encoding": "gzip, br"},
           {"Accept-Encoding": "br,gzip"}, hit=True),
    varies("other encodings", "Accept-Encoding", {"Accept-Encoding": "gzip"},
           {"Accept-Encoding": "br"}, hit=False),
    varies("cookies", "Cookie", {"Cookie": "a=b"}, {"Cookie": "a=b"}, hit=False),
    varies("no cookies", "Cookie", {}, {}, hit=True),
    varies("no cookies, then one", "Cookie", {}, {"Cookie": "a=b"}, hit=False),
    varies("Authorization", "Authorization", {"Authorization": "x"}, {"Authorization": "x"},
           hit=False),
    *(
        varies(text, text, {"Foo": "1"}, {"Foo": "1"}, hit=False)
        for text in ("*", "*, *", ", *", "*, Foo", "Foo, *")
    ),
    *(
        case(
            f"4.1 no {name}, however often, then one",
            stored(FRESH, ("Vary", name)),
            cached(),
            cached(),
            asked(asks=((name, "a=b"),)),
        )
        for name in ("Cookie", "Cookie2", "Authorization", "Proxy-Authorization", "Content-Type")
    ),
    case(
        "4.1 one field, however often, then another",
        stored(FRESH, ("Vary", "Foo"), asks=(("Foo", "1"),)),
        cached(asks=(("Foo", "1"),)),
        cached(asks=(("Foo", "1"),)),
        asked(asks=(("Foo", "2"),)),
    ),
    case(
        "4.1 lines are joined",
        stored(FRESH, ("Vary", "Foo"), asks=(("Foo", "1, 2"),)),
        cached(asks=(("Foo", "1"), ("Foo", "2"))),
    ),
    case(
        "4.1 * on a second line",
        stored(FRESH, ("Vary", ""), ("Vary", "*")),
        asked(),
    ),
    case(
        "4.1 two lines",
        stored(FRESH, ("Vary", "Foo"), ("Vary", "Bar"), asks=(("Foo", "1"), ("Bar", "1"))),
        asked(asks=(("Foo", "1"), ("Bar", "2"))),
    ),
    case(
        "4.1 several variants",
        stored(FRESH, ("Vary", "Foo"), asks=(("Foo", "1"),)),
        asked(answer=(FRESH, ("Vary", "Foo")), asks=(("Foo", "2"),)),
        cached(asks=(("Foo", "1"),), text="body 0"),
        cached(asks=(("Foo", "2"),), text="body 1"),
    ),
    # Invalidation (4.4).
    *(case(f"4.4 {method}", stored(FRESH), purged(method), asked()) for method in UNSAFE),
    *(
        case(f"4.4 {method} that fails", stored(FRESH), purged(method, code="500 No"), cached())
        for method in UNSAFE
    ),
    case("4.4 a redirect is no error", stored(FRESH), purged("POST", code="303 X"), asked()),
    case("4.4 OPTIONS is safe", stored(FRESH), purged("OPTIONS"), cached()),
    *(
        case(
            f"4.4 {field}: {text}",
            stored(FRESH, path="/other"),
            purged("POST", (field, text), path="/this"),
            asked(path="/other") if gone else cached(path="/other"),
        )
        for field in ("Location", "Content-Location")
        for text, gone in (
            ("other", True), ("./other", True), ("other?a=1", True), ("another", False),
            ("http://elsewhere.example/other", False), ("http://[", False),
        )
    ),
    case("4.4 every variant and query goes", stored(FRESH, query="a=1"), purged("POST"),
         asked(query="a=1")),
)  # fmt: skip
