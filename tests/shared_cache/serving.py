"""Cases: what a request gets of what is stored (RFC 9111, 4 and 5.2.1; 5861; 9110, 13, 14)."""

from __future__ import annotations

from tests.shared_cache.script import (
    FAILED,
    TIMEOUT,
    Case,
    Step,
    asked,
    cached,
    case,
    stored,
    validated,
)

CC = "Cache-Control"
FRESH = (CC, "max-age=3600")
TAG = ("ETag", '"abcdef"')
TEXT = "01234567890"


def wish(id: str, said: str, *, obeyed: bool, after: float = 10, age: str = "0") -> Case:
    last = asked if obeyed else cached
    return case(
        f"5.2.1 {id}", stored(FRESH, ("Age", age)), last(after=after, asks=((CC, said),))
    )  # fmt: skip


def part(id: str, asked_for: str, text: str, code: int = 206) -> Case:
    return case(
        f"9110 14 {id}",
        stored(FRESH, body=TEXT),
        cached(asks=(("Range", asked_for),), text=text, code=code),
    )


def condition(id: str, code: int, *asks: tuple[str, str | float]) -> Case:
    return case(
        f"9110 13 {id}",
        stored(FRESH, TAG, ("Last-Modified", -3000), ("Date", 0)),
        cached(asks=asks, code=code, shows={"ETag": '"abcdef"'}),
    )


def stale(id: str, said: str, last: Step) -> Case:
    return case(f"stale: {id}", stored((CC, said)), last)


SERVING = (
    wish("max-age=0", "max-age=0", obeyed=True),
    wish("max-age too young", "max-age=9", obeyed=True),
    wish("max-age old enough", "max-age=11", obeyed=False),
    wish("max-age and Age", "max-age=600", obeyed=True, age="1800"),
    wish("min-fresh too long", "min-fresh=3600", obeyed=True),
    wish("min-fresh short enough", "min-fresh=3000", obeyed=False),
    wish("min-fresh and Age", "min-fresh=2000", obeyed=True, age="1800"),
    wish("no-cache", "no-cache", obeyed=True, after=0),
    wish("no-store is about storing", "no-store", obeyed=False),
    wish("only-if-cached", "only-if-cached", obeyed=False),
    wish("an extension", "foo=bar", obeyed=False),
    *(
        case(
            f"{name}: {value} of a page that is made ready",
            stored(FRESH, TAG),
            cached(),
            cached(),
            last(asks=((name, value),), code=code),
            cached(),
        )
        for name, value, last, code in (
            (CC, "no-cache", validated, 200), ("Pragma", "no-cache", validated, 200),
            ("If-Match", "*", asked, 200), ("If-Unmodified-Since", "x", asked, 200),
            ("Authorization", "x", asked, 200), ("Range", "bytes=0-1", cached, 206),
            ("If-None-Match", '"abcdef"', cached, 304),
        )
    ),
    case(
        "9110 8.6 a 204 has no length",
        stored(FRESH, status="204 No Content"),
        cached(code=204, shows={"Content-Length": None}),
    ),
    # Why the app was asked (9211, 2.2).
    case(
        "9211 fwd=request",
        stored(FRESH, TAG, shows={"Cache-Status": "isgware; fwd=uri-miss; fwd-status=200; stored"}),
        validated(
            FRESH,
            asks=((CC, "no-cache"),),
            shows={
                "Cache-Status": "isgware; fwd=request; stored; ttl=3600; detail=not-modified",
            },
        ),
        asked(
            answer=(FRESH,), asks=((CC, "max-age=0"),), after=1,
            shows={"Cache-Status": "isgware; fwd=request; fwd-status=200; stored"},
        ),
    ),
    case(
        "9211 fwd=stale",
        stored((CC, "max-age=2"), TAG),
        asked(
            answer=(FRESH,), after=3,
            shows={"Cache-Status": "isgware; fwd=stale; fwd-status=200; stored"},
        ),
    ),
    case(
        "9211 fwd=miss, of an URL that is known to vary",
        stored(FRESH, ("Vary", "Foo"), asks=(("Foo", "1"),)),
        asked(
            answer=(FRESH, ("Vary", "Foo")), asks=(("Foo", "2"),),
            shows={"Cache-Status": "isgware; fwd=miss; fwd-status=200; stored"},
        ),
    ),
    case("5.4 Pragma: no-cache", stored(FRESH), asked(asks=(("Pragma", "no-cache"),))),
    case("5.4 another Pragma", stored(FRESH), cached(asks=(("Pragma", "other"),))),
    case("5.2.1.7 only-if-cached, nothing stored", Step(TIMEOUT, asks=((CC, "only-if-cached"),))),
    case(
        "5.2.1.7 only-if-cached, stale",
        stored((CC, "max-age=2")),
        Step(TIMEOUT, asks=((CC, "only-if-cached"),), after=3),
    ),
    stale("4.2.4 nobody allows it", "max-age=2", asked(after=3)),
    stale("5.2.1.2 max-stale=9", "max-age=2, stale-if-error=99",
          cached(after=3, asks=((CC, "max-stale=9"),))),
    stale("5.2.1.2 max-stale", "max-age=2, stale-if-error=99",
          cached(after=3, asks=((CC, "max-stale"),))),
    stale("5.2.1.2 too little max-stale", "max-age=2, stale-if-error=99",
          asked(after=9, asks=((CC, "max-stale=3"),))),
    stale("5.2.2.2 max-stale and must-revalidate", "max-age=2, must-revalidate",
          asked(after=3, asks=((CC, "max-stale=9"),))),
    stale("5861 3 within stale-while-revalidate", "max-age=2, stale-while-revalidate=9",
          cached(after=3, shows={"X-ISG-Cache": "STALE", "Age": "3"})),
    stale("5861 3 after it", "max-age=2, stale-while-revalidate=4", asked(after=7)),
    stale("5861 3 and must-revalidate", "max-age=2, stale-while-revalidate=9, must-revalidate",
          asked(after=3)),
    stale("5861 3 and proxy-revalidate", "max-age=2, stale-while-revalidate=9, proxy-revalidate",
          asked(after=3)),
    *(
        case(
            f"5861 4 stale-if-error and {how.get('status', 'an exception')}",
            stored((CC, "max-age=2, stale-if-error=60")),
            Step(FAILED, after=3, text="body 0", code=200, **how),
            Step(FAILED, after=99, code=500 if "fails" in how else 503, **how),
        )
        for how in ({"status": "503 Unavailable"}, {"fails": True})
    ),
    *(
        case(
            f"4.2.4 no stale page in place of an error with {said}",
            stored((CC, f"max-age=2, stale-if-error=60, {said}")),
            Step(FAILED, after=3, code=503, status="503 Unavailable"),
        )
        for said in ("must-revalidate", "proxy-revalidate")
    ),
    case(
        "5.2.1.4 no-cache and stale-if-error",
        stored((CC, "max-age=2, stale-if-error=60")),
        Step(
            FAILED, after=3, code=503, status="503 Unavailable", asks=((CC, "no-cache"),)
        ),
    ),
    case(
        "4.2.4 no stale page in place of an error unless it is said",
        stored((CC, "max-age=2"), TAG),
        Step(FAILED, after=3, code=503, status="503 Unavailable"),
    ),
    # Ranges (9110, section 14).
    part("first two", "bytes=0-1", "01"),
    part("all but the first", "bytes=1-", "1234567890"),
    part("the last one", "bytes=-1", "0"),
    part("several", "bytes=20-", "", 416),
    part("malformed", "bytes=x", TEXT, 200),
    part("another unit", "lines=1-2", TEXT, 200),
    case(
        "9110 14 what a part says",
        stored(FRESH, TAG, ("A", "1"), body=TEXT),
        cached(asks=(("Range", "bytes=0-1"),), code=206, shows={
            "Content-Range": "bytes 0-1/11", "Content-Length": "2", "A": "1", "ETag": '"abcdef"',
        }),
    ),
    case(
        "9110 13.1.5 If-Range, the same",
        stored(FRESH, TAG, body=TEXT),
        cached(asks=(("Range", "bytes=0-1"), ("If-Range", '"abcdef"')), code=206, text="01"),
    ),
    case(
        "9110 13.1.5 If-Range, another",
        stored(FRESH, TAG, body=TEXT),
        cached(asks=(("Range", "bytes=0-1"), ("If-Range", '"ghijkl"')), code=200, text=TEXT),
    ),
    case(
        "9110 14 a part of what is not stored",
        stored(FRESH, asks=(("Range", "bytes=0-1"),), status="206 Partial Content",
               saw={"HTTP_RANGE": "bytes=0-1"}),
        asked(),
    ),
    # Conditions (9110, section 13).
    condition("13.1.2 the same tag", 304, ("If-None-Match", '"abcdef"')),
    condition("13.1.2 compared weakly", 304, ("If-None-Match", 'W/"abcdef"')),
    condition("13.1.2 the first of several", 304, ("If-None-Match", '"abcdef", "1", "2"')),
    condition("13.1.2 the second of several", 304, ("If-None-Match", '"1", "abcdef", "2"')),
    condition("13.1.2 the last of several", 304, ("If-None-Match", '"1","2","abcdef"')),
    condition("13.1.2 any", 304, ("If-None-Match", "*")),
    condition("13.1.2 another tag", 200, ("If-None-Match", '"ghijkl"')),
    condition("13.1.3 the same date", 304, ("If-Modified-Since", -3000)),
    condition("13.1.3 a later date", 304, ("If-Modified-Since", -2000)),
    condition("13.1.3 an earlier date", 200, ("If-Modified-Since", -4000)),
    condition("13.1.3 no date", 200, ("If-Modified-Since", "soon")),
    condition("13.1.3 beside If-None-Match", 200,
              ("If-None-Match", '"ghijkl"'), ("If-Modified-Since", -1)),
    condition("13.1.3 beside If-None-Match, the same", 304,
              ("If-None-Match", '"abcdef"'), ("If-Modified-Since", -9999)),
    case(
        "13.1.2 a weak tag",
        stored(FRESH, ("ETag", 'W/"abcdef"')),
        cached(asks=(("If-None-Match", 'W/"abcdef"'),), code=304),
    ),
    case(
        "9111 4.3.2 If-Match is the app's to judge",
        stored(FRESH, TAG),
        asked(asks=(("If-Match", '"abcdef"'),), saw={"HTTP_IF_MATCH": '"abcdef"'}),
        cached(),
    ),
    case(
        "9111 4.3.2 If-Unmodified-Since, too",
        stored(FRESH, TAG),
        asked(asks=(("If-Unmodified-Since", -1),)),
    ),
    case(
        "9111 4.3.2 conditions pass when nothing is stored",
        stored(FRESH, asks=(("If-None-Match", '"x"'),), saw={"HTTP_IF_NONE_MATCH": '"x"'}),
    ),
)  # fmt: skip
