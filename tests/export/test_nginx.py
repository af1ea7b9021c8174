"""What is written for file servers: every value comes back as it was, and nothing else does."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from isgware.export.choice import Static, written_size
from isgware.export.nginx import Listed, headers_file, location, maps, redirects_file
from isgware.http.fields import sound_headers

HTML = "text/html; charset=utf-8"
#: What may be in a stored header's value (RFC 9110, section 5.5).
values = st.text(
    st.one_of(
        st.sampled_from("\"\\${};#'~ \t"),
        st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]),
    ),
    min_size=1,
).filter(lambda text: sound_headers([("X", text)]))


def listed(path: str = "/a", *headers: tuple[str, str], suffix: str = "/index.html") -> Listed:
    found = (("Content-Type", HTML), *headers)
    return Listed(path, suffix, Static(path, 200, HTML, found))


def moved(path: str, to: str, status: int = 301) -> Listed:
    return Listed(path, "", Static(path, status, "", (), to))


_TOKEN = re.compile(
    r'\s+|#[^\n]*\n|"((?:[^"\\]|\\.)*)"(?=[\s;{}])|([;{}])|([^\s;{}"#]+)', re.DOTALL
)
_ESCAPES = {"t": "\t", "r": "\r", "n": "\n", "\\": "\\", '"': '"', "'": "'"}


def words(text: str) -> Iterator[str]:
    """The words of nginx's configuration language, as ``ngx_conf_read_token`` takes them."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        assert found, text[at : at + 40]
        at = found.end()
        if found[1] is not None:
            yield '"' + re.sub(
                r"\\(.)", lambda one: _ESCAPES.get(one[1], one[0]), found[1], flags=re.DOTALL
            )
        elif found[2] or found[3]:
            yield found[2] or found[3]


def table(text: str, variable: str) -> dict[str, str]:
    """The rows of one map, values with the variable for a dollar put in."""
    found = list(words(text))
    at = found.index(f"${variable}")
    assert found[at + 1] == "{"
    rows = found[at + 2 : found.index("}", at)]
    assert rows[2::3] == [";"] * (len(rows) // 3)
    plain = [row.removeprefix('"') for row in rows]
    assert "$" not in "".join(plain[1::3]).replace("${isgware_dollar}", "")
    return {
        key: value.replace("${isgware_dollar}", "$")
        for key, value in zip(plain[::3], plain[1::3], strict=True)
    }


@given(values)
def test_a_value_in_a_map_is_that_value(value: str) -> None:
    text = maps([listed("/a", ("X-Test", value))], ()).decode("latin-1")
    rows = table(text, "isgware_h_x_test")
    assert rows.pop("default") == ""
    assert list(rows.values()) == [value]
    assert max(map(len, text.splitlines())) <= written_size(value) + 100


@given(values)
def test_a_redirect_in_a_map_is_that_location(value: str) -> None:
    text = maps([moved("/old", value), moved("/gone", value, 308)], ()).decode("latin-1")
    assert table(text, "isgware_301") == {"default": "", "/old": value}
    assert table(text, "isgware_308") == {"default": "", "/gone": value}


@given(values)
def test_a_value_in_the_headers_file_is_one_line(value: str) -> None:
    text = headers_file([listed("/a", ("X-Test", value))]).decode("latin-1")
    assert text == f"/a\n  X-Test: {value}\n"


def test_pages_that_are_served_alike_are_one_class() -> None:
    one, two = ("X-Robots-Tag", "noindex"), ("X-Robots-Tag", "none")
    text = maps([listed("/a", one), listed("/b", one), listed("/C", two)], ()).decode()
    classes = table(text, "isgware_class")
    assert classes["/a"] == classes["/b"] != classes["/c"]
    assert table(text, "isgware_h_x_robots_tag")[classes["/c"]] == "none"
    assert table(text, "isgware_suffix")[classes["/a"]] == "/index.html"


def test_only_plain_requests_have_a_class() -> None:
    text = maps([listed()], ("isgware_draft", "wish*", "a.b")).decode()
    assert table(text, "isgware_own") == {"default": "own:", "GET::": "", "HEAD::": ""}
    (pattern,) = [key for key in table(text, "isgware_cookie") if key != "default"]
    counts = re.compile(pattern.removeprefix("~"))
    assert counts.search("x=1; isgware_draft=2")
    assert counts.search("wishlist=2")
    assert counts.search("a.b=2")
    for other in (
        "not_isgware_draft=1",
        "isgware_drafts=1",
        "x=isgware_draft",
        "a_b=1",
        "x=;y=a.b",
    ):
        assert not counts.search(other)


def test_the_location_adds_each_header_once_and_from_its_map() -> None:
    pages = [listed("/a", ("Link", "</a>")), listed("/b", ("X-Robots-Tag", "none"))]
    text = location(pages).decode()
    assert re.findall(r"add_header (\S+) \$(\S+);", text) == [
        ("Content-Type", "isgware_h_content_type"),
        ("Link", "isgware_h_link"),
        ("X-Robots-Tag", "isgware_h_x_robots_tag"),
    ]


def test_the_headers_file_says_what_the_name_does_not() -> None:
    feed = Listed("/feed.xml", "", Static("/feed.xml", 200, "application/rss+xml",
                  (("Content-Type", "application/rss+xml"),)))  # fmt: skip
    assert headers_file([listed("/a"), feed]).decode() == (
        "/feed.xml\n  Content-Type: application/rss+xml\n"
    )
    assert headers_file([listed("/a")]) == b""


def test_a_path_is_no_pattern_of_a_cdn() -> None:
    page = listed("/:all/*", ("X-Test", "x"))
    assert headers_file([page]).decode().startswith("/%3Aall/%2A\n")
    assert redirects_file([moved("/:a/*", "/b")]) == b"/%3Aa/%2A /b 301\n"


def test_a_location_that_would_be_two_words_is_no_line() -> None:
    pages = [moved("/a", "/b c"), moved("/d", "/é"), moved("/e", "/f", 308), listed("/x")]
    assert redirects_file(pages) == b"/e /f 308\n"
