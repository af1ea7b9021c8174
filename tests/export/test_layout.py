"""Paths become file names that stay in the tree, mean one page each, and say what they hold."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isgware.export.layout import MAX_NAME, OWN, Claims, Place, place

HTML = "text/html; charset=utf-8"
TYPES = (HTML, "application/json", "application/rss+xml", "text/plain", "image/png", "", "x/y")
#: What people who look for a way out of a directory put into a URL, among other things.
paths = st.lists(
    st.one_of(
        st.sampled_from(["..", ".", "", "%2e%2e", "\0", "\\", "a", "A", "é", "index.html", OWN]),
        st.text(max_size=20),
    ),
    max_size=6,
).map(lambda parts: "/" + "/".join(parts))


@pytest.mark.parametrize(
    ("path", "kind", "file"),
    [
        ("/", HTML, "index.html"),
        ("/posts/hello", HTML, "posts/hello/index.html"),
        ("/posts/hello/", HTML, "posts/hello/index.html"),
        ("/feed.xml", "application/rss+xml", "feed.xml"),
        ("/feed.xml", "application/xml; charset=utf-8", "feed.xml"),
        ("/about.html", HTML, "about.html"),
        ("/api/x.json", "application/ld+json", "api/x.json"),
        ("/api/x", "application/json", "api/x/index.json"),
        ("/badge", "image/png", "badge/index.bin"),
        ("/v1.2", HTML, "v1.2/index.html"),
        ("/Café au lait", HTML, "Café au lait/index.html"),
        ("/.well-known/security.txt", "text/plain", ".well-known/security.txt"),
        # What lies under a name that says XML or HTML is that.
        ("/feed.xml", HTML, "feed.xml/index.html"),
        ("/about.html", "application/json", "about.html/index.json"),
        ("/x.png", HTML, "x.png/index.html"),
        ("/a/%2e%2e", HTML, "a/%2e%2e/index.html"),  # decoded once, this is a name
    ],
)
def test_where_a_page_lies(path: str, kind: str, file: str) -> None:
    found = place(path, kind)
    assert found is not None
    assert found.file == file


@pytest.mark.parametrize(
    "path",
    [
        "", "a", "//a", "/a//b", "/a//", "/..", "/a/../b", "/a/.", "/a\\b", "/a\0", "/a\nb",
        "/\x7f", "/a\u2028b", "/a\u202eb", "/a\udc80", "/\ufffd", "/.git/config", "/.htaccess",
        "/index.html", "/a/index.html", "/a/INDEX.php/b", f"/{OWN}/manifest", "/_headers",
        "/_Redirects", "/_worker.js", "/" + "x" * 251, "/" + "é" * 126, "/" + "/x" * 300,
        "/" + "é" * 80,
    ],
)  # fmt: skip
def test_paths_that_are_no_file(path: str) -> None:
    assert place(path, HTML) is None


@given(paths, st.sampled_from(TYPES))
def test_no_path_leaves_the_tree(path: str, kind: str) -> None:
    found = place(path, kind)
    if found is None:
        return
    names = found.file.split("/")
    assert os.path.normpath(found.file) == found.file
    assert not os.path.isabs(found.file)
    assert not {"", ".", "..", OWN} & set(names)
    assert found.file.isprintable()
    assert max(len(f"{name}.gz".encode()) for name in names) <= 255 >= MAX_NAME
    assert path + found.suffix == "/" + found.file
    assert unquote(found.url) == path
    assert found.url.isascii()
    assert len(found.url) <= 480


@given(paths, st.sampled_from(TYPES))
def test_a_name_that_says_html_holds_html_and_no_other_does(path: str, kind: str) -> None:
    found = place(path, kind)
    if found is not None:
        assert (Path(found.file).suffix.lower() in (".html", ".htm")) == (kind == HTML)


@given(st.lists(st.tuples(paths, st.sampled_from(TYPES)), max_size=12))
def test_what_is_claimed_can_be_written_on_any_file_system(wanted: list[tuple[str, str]]) -> None:
    claims, files = Claims(), []
    for path, kind in wanted:
        found = place(path, kind)
        if found is not None and claims.take(found):
            files += [found.file.casefold() + ending for ending in ("", ".gz", ".br")]
    assert len(set(files)) == len(files)
    directories = {str(parent) for file in files for parent in Path(file).parents}
    assert not directories & set(files)


def taken(*paths: str) -> list[bool]:
    claims = Claims()
    places = [place(path, "text/xml" if path.endswith(".xml") else HTML) for path in paths]
    return [claims.take(one) for one in places if one is not None]


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("/a", "/a/b", True),
        ("/a", "/a/", False),
        ("/a", "/A", False),
        ("/é", "/É", False),
        ("/feed.xml", "/feed.xml/more", False),
        ("/feed.xml", "/feed.xml.gz", False),
        ("/feed.xml", "/feed.xmla", True),
    ],
)
def test_of_two_pages_in_each_others_way_the_first_is_a_file(
    first: str, second: str, both: bool
) -> None:
    assert taken(first, second) == [True, both]
    assert taken(second, first) == [True, both]


def test_a_page_without_a_file_claims_its_url() -> None:
    claims = Claims()
    assert claims.take_url("/old")
    assert not claims.take_url("/OLD")
    assert not claims.take(Place("Old/index.html", "/index.html", "/Old"))
