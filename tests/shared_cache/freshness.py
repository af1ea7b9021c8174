"""Cases: how long a response is fresh, and how old it is (RFC 9111, sections 4.2 and 5; 9213)."""

from __future__ import annotations

from tests.shared_cache.script import Case, Value, asked, cached, case, stored

CC, CDN, OWN = "Cache-Control", "CDN-Cache-Control", "ISG-Cache-Control"


def lasting(id: str, *answer: tuple[str, Value], after: float = 3) -> Case:
    return case(f"{id}: fresh", stored(*answer), cached(after=after, text="body 0"))


def spent(id: str, *answer: tuple[str, Value], after: float = 3) -> Case:
    return case(f"{id}: not fresh", stored(*answer), asked(after=after))


FRESHNESS = (
    spent("4.2.1 nothing said"),
    spent("4.2.2 no guess", ("Last-Modified", -100_000), ("Date", 0)),
    lasting("max-age", (CC, "max-age=3600")),
    lasting("max-age, just", (CC, "max-age=4")),
    spent("max-age, just over", (CC, "max-age=3")),
    spent("max-age=0", (CC, "max-age=0"), after=0),
    lasting("max-age beyond 2^31", (CC, "max-age=2147483649")),
    lasting("max-age beyond 2^64", (CC, "max-age=99999999999999999999")),
    spent("max-age less than Age", (CC, "max-age=3600"), ("Age", "7200")),
    lasting("max-age more than Age", (CC, "max-age=3600"), ("Age", "1800")),
    lasting("max-age and Expires in the past", (CC, "max-age=3600"), ("Expires", -9)),
    lasting("max-age and Expires that is none", (CC, "max-age=3600"), ("Expires", "0")),
    spent("max-age=0 and Expires to come", (CC, "max-age=0"), ("Expires", 99), after=0),
    lasting("max-age and an extension", (CC, "foobar, max-age=3600")),
    lasting("MaX-aGe", (CC, "MaX-aGe=3600")),
    lasting("s-maxage", (CC, "s-maxage=3600")),
    lasting("S-MaXaGe", (CC, "S-MaXaGe=3600")),
    lasting("s-maxage over max-age", (CC, "max-age=1, s-maxage=3600")),
    lasting("s-maxage over max-age, first", (CC, "s-maxage=3600, max-age=1")),
    spent("s-maxage short of max-age", (CC, "max-age=3600, s-maxage=1")),
    lasting("s-maxage and Expires in the past", (CC, "s-maxage=3600"), ("Expires", -9)),
    spent("s-maxage=0", (CC, "s-maxage=0, max-age=3600"), after=0),
    # Expires.
    lasting("Expires", ("Expires", 3600), ("Date", 0)),
    lasting("Expires without Date", ("Expires", 3600)),
    spent("Expires in the past", ("Expires", -3600), ("Date", 0), after=0),
    spent("Expires now", ("Expires", 0), ("Date", 0), after=0),
    spent("Expires over", ("Expires", 2), ("Date", 0)),
    lasting("Expires by an origin whose clock is slow", ("Expires", 5), ("Date", -1)),
    spent("Expires less than Age", ("Expires", 3600), ("Age", "7200"), ("Date", 0)),
    *(
        spent(f"Expires: {text!r}", ("Expires", text), ("Date", 0), after=0)
        for text in ("0", "-1", "soon", "Thu, 18 Aug 2050 02:01:18 UTC", "",
                     "Thu, 18 Aug 2050 2:01:18 GMT", "Thu, 18-Aug-2050 02:01:18 GMT")
    ),
    *(
        lasting(f"Expires: {text!r}", ("Expires", text), ("Date", 0))
        for text in ("Tue, 19 Jan 2038 14:14:08 GMT", "Thursday, 18-Aug-50 02:01:18 GMT",
                     "Thu Aug  8 02:01:18 2050", "THU, 18 AUG 2050 02:01:18 gmt",
                     "Sun, 21 Nov 2286 04:46:39 GMT")
    ),
    spent("Expires, two that differ", ("Expires", 99), ("Expires", 9999), ("Date", 0), after=0),
    # Syntax.
    lasting("max-age quoted", (CC, 'max-age="3600"')),
    lasting("max-age with leading zeros", (CC, "max-age=003600")),
    lasting("the first max-age", (CC, "max-age=3600, max-age=1")),
    spent("the first max-age", (CC, "max-age=1, max-age=3600")),
    lasting("the first line", (CC, "max-age=3600"), (CC, "max-age=1")),
    spent("the first line", (CC, "max-age=1"), (CC, "max-age=3600")),
    spent("max-age in a quoted string", (CC, 'ext="max-age=3600", max-age=1')),
    spent("max-age in a quoted string, after it", (CC, 'max-age=1, ext="max-age=3600"')),
    *(
        spent(f"max-age={text}", (CC, f"max-age={text}"))
        for text in ("'3600'", "3600.0", "-3600", "a3600", "3600a", "", '"3600')
    ),
    # Age.
    *(
        lasting(f"Age: {text!r}", (CC, "max-age=3600"), ("Age", text), ("Date", 0))
        for text in ("abc", "-7200", "7200.0", "0, 7200", "0, 0", "3000")
    ),
    *(
        spent(f"Age: {text!r}", (CC, "max-age=3600"), ("Age", text), ("Date", 0), after=0)
        for text in ("2147483647", "2147483649", "9" * 30, "7200, 0", "3600")
    ),
    spent("two Age lines, old first", (CC, "max-age=3600"), ("Age", "7200"), ("Age", "0")),
    lasting("two Age lines, young first", (CC, "max-age=3600"), ("Age", "0"), ("Age", "7200")),
    spent("old by its Date", (CC, "max-age=3600"), ("Date", -7200), after=0),
    lasting("a Date to come", (CC, "max-age=3600"), ("Date", 7200)),
    # Targeted fields (RFC 9213).
    lasting("CDN max-age", (CDN, "max-age=3600")),
    lasting("CDN max-age beyond 2^31", (CDN, "max-age=99999999999")),
    lasting("CDN over no-store", (CC, "no-store"), (CDN, "max-age=3600")),
    lasting("CDN over a short one", (CC, "max-age=1"), (CDN, "max-age=3600")),
    spent("CDN short of a long one", (CC, "max-age=3600"), (CDN, "max-age=1")),
    spent("CDN max-age=0 and Expires", (CDN, "max-age=0"), ("Expires", 99), after=0),
    lasting("CDN and Expires in the past", (CDN, "max-age=3600"), ("Expires", -99)),
    spent("CDN less than Age", (CDN, "max-age=3600"), ("Age", "7200"), after=0),
    lasting("CDN and an extension", (CDN, "foobar, max-age=3600;a=b")),
    spent("CDN that does not parse", (CC, "no-store"), (CDN, "max-age=10000, &&&&&"), after=0),
    lasting("CDN that does not parse", (CC, "max-age=3600"), (CDN, "no-store, &&&&&")),
    spent("CDN of the wrong type", (CC, "no-store"), (CDN, 'max-age="10000"'), after=0),
    spent("CDN in capitals does not parse", (CC, "max-age=1"), (CDN, "MaX-aGe=3600")),
    lasting("CDN empty", (CC, "max-age=3600"), (CDN, "")),
    spent("CDN no-store", (CC, "max-age=3600"), (CDN, "no-store"), after=0),
    spent("CDN private", (CC, "max-age=3600"), (CDN, "private"), after=0),
    spent("CDN no-cache", (CC, "max-age=3600"), (CDN, "no-cache"), after=0),
    lasting("ours over CDN's", (CDN, "no-store"), (OWN, "max-age=3600")),
    case(
        "targeted fields are passed on",
        stored((CC, "no-store"), (CDN, "max-age=60"), shows={CDN: "max-age=60"}),
        cached(shows={CDN: "max-age=60", CC: "no-store"}),
    ),
    # What the client is told.
    case("4 Age is generated", stored((CC, "max-age=60")), cached(after=3, shows={"Age": "3"})),
    case(
        "4 Age is updated",
        stored((CC, "max-age=60"), ("Age", "30"), shows={"Age": "30"}),
        cached(after=3, shows={"Age": "33"}),
    ),
    case(
        "4 Age by its Date",
        stored((CC, "max-age=60"), ("Date", -10)),
        cached(after=3, shows={"Age": "13"}),
    ),
)  # fmt: skip
