"""Versions of a page: their bytes, which may be shown, and one that is restored."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import pytest

from isgware.core.freshness import Changes, Generations, State, judge
from isgware.core.page_text import difference
from isgware.core.page_versions import has_versions, packed, restored, unpacked, usable
from isgware.core.places import BODY, Place
from isgware.core.stored_page import Entry, decode, encode
from tests.core.making import NOW, an_entry


def a_version(number: int, **given: Any) -> Entry:
    return an_entry(**{"version": number, "generation": number, "tags": ("t",), **given})


def mirror(*purged: tuple[str, int], **given: Any) -> Generations:
    found = Generations(nonce="nonce", **given)
    found.apply(Changes("nonce", 100, hard=purged))
    return found


def numbers(page: Entry, *versions: Entry, purges: Generations | None = None) -> list[int]:
    found = usable(
        page, map(packed, versions), lambda entry: [f"tag:{tag}" for tag in entry.tags],
        purges or mirror(),
    )  # fmt: skip
    return [entry.version for entry in found]


def test_a_version_is_the_page_without_its_encodings() -> None:
    entry = a_version(3, body=b"body" * 1_000, encodings={"gzip": b"short"})
    assert len(packed(entry)) < 1_000
    assert unpacked(packed(entry), "key") == replace(entry, encodings={})


@pytest.mark.parametrize("data", [
    b"", b"junk", packed(a_version(1))[:-5], zlib.compress(b"junk"), encode(a_version(1)),
])  # fmt: skip
def test_what_is_no_version_is_none(data: bytes) -> None:
    assert unpacked(data, "key") is None
    assert unpacked(packed(a_version(1)), "other") is None


@pytest.mark.parametrize("given", [
    {"status": "404 Not Found"}, {"status": "410 Gone"}, {"own": True}, {"anonymous": True},
    {"version": 0}, {"status": "302 Found"},
])  # fmt: skip
def test_errors_answers_to_visitors_and_redirects_for_a_while_have_none(
    given: dict[str, Any],
) -> None:
    assert has_versions(a_version(1))
    assert not has_versions(a_version(1, **given) if "version" not in given else a_version(0))
    if "version" not in given:
        assert numbers(a_version(3, **given), a_version(2)) == []


def test_those_of_a_page_that_stands_may_be_shown() -> None:
    assert numbers(a_version(4), a_version(3), a_version(2)) == [3, 2]


@pytest.mark.parametrize("purged", [4, 5, 100])
def test_those_of_a_page_that_was_purged_may_not(purged: int) -> None:
    purges = mirror(("tag:x", purged + 1))
    assert numbers(a_version(4, tags=("x",)), a_version(3), a_version(2), purges=purges) == []


def test_nor_what_was_purged_itself_and_what_is_older() -> None:
    versions = [a_version(4), a_version(3, tags=("x",)), a_version(2)]
    assert numbers(a_version(5), *versions, purges=mirror(("tag:x", 4))) == [4]
    assert numbers(a_version(5), *versions, purges=mirror(("tag:x", 3))) == [4, 3, 2]


def test_nor_what_an_unknown_purge_may_have_reached() -> None:
    assert numbers(a_version(5), a_version(4), a_version(3), purges=mirror(floor=4)) == [4]
    lost = a_version(4, nonce="lost")
    assert numbers(a_version(5), lost, a_version(3)) == []
    assert numbers(replace(a_version(5), nonce="lost"), a_version(4)) == []


def test_a_damaged_version_hides_what_is_older() -> None:
    found = usable(
        a_version(4), [packed(a_version(3)), b"junk", packed(a_version(1))], lambda entry: [],
        mirror(),
    )  # fmt: skip
    assert [entry.version for entry in found] == [3]


def test_a_restored_version_is_fresh_until_what_concerns_either_is_invalidated() -> None:
    old, page = a_version(1, tags=("a",)), a_version(5, tags=("b",), fingerprint="other")
    entry = restored(old, page, 9, "nonce", 7, 60.0, "now")
    assert (entry.version, entry.restored, entry.revalidate, entry.order) == (6, 1, None, 7)
    assert entry.tags == ("a", "b")
    assert decode(encode(entry), "key") == entry
    far = NOW + 50 * 365 * 86_400
    assert judge(entry, ["tag:a"], mirror(), far, "whatever policy") is State.FRESH
    soft = Generations(nonce="nonce")
    soft.apply(Changes("nonce", 10, soft=(("tag:b", 10),)))
    assert judge(entry, ["tag:b"], soft, far, "other") is State.STALE
    assert judge(entry, ["tag:a"], mirror(("tag:a", 10)), far, "other") is State.GONE


def test_its_headers_say_what_those_of_a_page_until_told_do() -> None:
    said = "public, max-age=0, s-maxage=5, stale-while-revalidate=100"
    headers = (("Cache-Control", said), ("Last-Modified", "then"))
    old = a_version(1, headers=headers, last_modified="then")
    entry = restored(old, a_version(2), 9, "nonce", 7, 60.0, "now")
    assert dict(entry.headers)["Cache-Control"].startswith("public, max-age=0, s-maxage=60, ")
    assert (dict(entry.headers)["Last-Modified"], entry.last_modified) == ("now", "now")
    assert entry.etag == old.etag


def test_a_difference_leaves_tokens_and_lifetimes_out() -> None:
    def page(body: bytes, length: int, seconds: int) -> Entry:
        own = f"public, max-age=0, s-maxage={seconds}, stale-while-revalidate=1"
        headers = (
            ("Content-Type", "text/html"),
            ("Policy", "=" + "0" * length),
            ("Cache-Control", own),
        )
        places = (Place(BODY, 3, length, "nonce"), Place(1, 1, length, "nonce"))
        return an_entry(body=b"<p " + b"0" * length + b">" + body, headers=headers, places=places)

    assert difference(page(b"a", 3, 10), page(b"a", 5, 20), "one", "two") == ""
    found = difference(page(b"a\nb", 3, 10), page(b"a\nc", 5, 20), "one", "two")
    assert found.splitlines() == [
        "--- one", "+++ two", "@@ -3,4 +3,4 @@", " Policy: =[nonce]", " ", " <p [nonce]>a",
        "-b", "+c",
    ]  # fmt: skip


def test_a_body_that_is_no_text_is_told_by_its_length() -> None:
    kind = (("Content-Type", "image/png"),)
    old, new = an_entry(headers=kind, body=b"\x89PNG"), an_entry(headers=kind, body=b"\x89PNG2")
    assert "-(4 bytes, ETag" in difference(old, new, "one", "two")
    assert "+(5 bytes, ETag" in difference(old, new, "one", "two")


def test_a_text_is_read_in_its_charset() -> None:
    kind = (("Content-Type", "text/plain; charset=latin-1"),)
    found = difference(
        an_entry(headers=kind, body=b"a"), an_entry(headers=kind, body=b"\xe9"), "1", "2"
    )
    assert "+é\n" in found
    odd = (("Content-Type", "text/plain; charset=odd"),)
    assert "+é" in difference(
        an_entry(headers=odd, body=b"a"), an_entry(headers=odd, body="é".encode()), "1", "2"
    )
