"""`isgware.rendering.compress`: encodings of a body, made once when a page is stored."""

from __future__ import annotations

import gzip
import random
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise

import brotli
import pytest
from backports import zstd

from isgware.core.places import BODY, NONCE, Place, between, joined
from isgware.core.spliced_gzip import SplicedGzip
from isgware.errors import ConfigurationError
from isgware.rendering.compress import encoders, encodings_of, spliced

TEXT = b"<p>the same words, and the same words again</p>" * 100
#: Installed with the development dependencies.
ALL = encoders(True)
DECODERS = {"br": brotli.decompress, "zstd": zstd.decompress, "gzip": gzip.decompress}


def test_by_default_all_that_is_installed_is_made() -> None:
    assert set(ALL) == {"br", "zstd", "gzip"}


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_what_is_encoded_decodes_to_the_body(name: str) -> None:
    made = encodings_of(TEXT, "text/html", False, ALL)[name]
    assert DECODERS[name](made) == TEXT
    assert len(made) < len(TEXT) / 4


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_the_same_body_is_always_encoded_to_the_same_bytes(name: str) -> None:
    """A strong ETag names the bytes of each encoding."""
    first = ALL[name](TEXT)
    ALL[name](b"<p>another page in between</p>" * 50)
    assert ALL[name](TEXT) == first


def test_zstd_in_several_threads_keeps_their_bodies_apart() -> None:
    bodies = [b"%d " % number * 5_000 for number in range(200)]
    with ThreadPoolExecutor(4) as threads:
        assert [zstd.decompress(data) for data in threads.map(ALL["zstd"], bodies)] == bodies


def test_a_gzip_body_does_not_tell_when_it_was_made() -> None:
    assert ALL["gzip"](TEXT)[4:8] == bytes(4)  # MTIME (RFC 1952, section 2.3)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [(False, set()), ((), set()), (("gzip",), {"gzip"}), (("br", "gzip"), {"br", "gzip"})],
)
def test_only_what_is_wanted_is_made(wanted: bool | tuple[str, ...], names: set[str]) -> None:
    assert set(encoders(wanted)) == names


@pytest.fixture
def without_brotli(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "brotli", None)


@pytest.mark.usefixtures("without_brotli")
def test_what_is_not_installed_is_left_out() -> None:
    assert set(encoders(True)) == {"zstd", "gzip"}


@pytest.mark.usefixtures("without_brotli")
def test_what_is_named_and_not_installed_is_an_error_with_its_remedy() -> None:
    with pytest.raises(ConfigurationError, match=r"pip install 'isgware\[brotli\]'"):
        encoders(("br",))


@pytest.mark.usefixtures("without_brotli")
def test_what_is_not_named_need_not_be_installed() -> None:
    assert set(encoders(("gzip",))) == {"gzip"}


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/html", True), ("text/html; charset=utf-8", True), ("TEXT/CSS", True),
        ("application/json", True), ("application/ld+json", True), ("application/atom+xml", True),
        ("image/svg+xml", True), ("application/javascript", True), ("application/xml", True),
        ("image/png", False), ("application/pdf", False), ("video/mp4", False),
        ("application/zip", False), ("application/octet-stream", False), ("font/woff2", False),
        ("", False), ("nonsense", False),
    ],
)  # fmt: skip
def test_text_is_encoded_and_what_is_packed_already_is_not(
    content_type: str, expected: bool
) -> None:
    assert bool(encodings_of(TEXT, content_type, False, ALL)) is expected


def test_what_came_encoded_is_left_as_it_is() -> None:
    assert encodings_of(TEXT, "text/html", True, ALL) == {}


def test_a_small_body_is_left_as_it_is() -> None:
    assert encodings_of(TEXT[:255], "text/html", False, ALL) == {}
    assert encodings_of(TEXT[:256], "text/html", False, ALL)


def test_an_encoding_that_saves_nothing_is_not_kept() -> None:
    noise = random.Random(1).randbytes(10_000)
    assert encodings_of(noise, "text/plain", False, ALL) == {}


def places_in(body: bytes, count: int, fixed: bool = True) -> tuple[Place, ...]:
    """So many tokens of 24 bytes, spread over a body."""
    step = len(body) // count
    return tuple(Place(BODY, n * step, 24, NONCE, (), fixed=fixed) for n in range(count))


@pytest.mark.parametrize(
    ("size", "count", "compressed"),
    [(4_700, 1, True), (4_700, 3, True), (470_000, 3, True), (4_700, 100, False),
     (300, 1, True), (200, 1, False)],
)  # fmt: skip
def test_a_page_with_places_is_compressed_where_that_pays(
    size: int, count: int, compressed: bool
) -> None:
    """Not where the pieces are small: then it would be larger by a third than one compressed
    whole."""
    words = " ".join(f"word{number % 997}" for number in range(size // 6)).encode()
    body = (b"<p>" + words + b"</p>" + TEXT * (size // len(TEXT)))[:size]
    places = places_in(body, count)
    made, pieces = spliced(body, places, "text/html", False)
    assert bool(made) is compressed, len(made.get("gzip", b""))
    if compressed:
        values = [secrets.token_urlsafe(18).encode() for _ in places]
        filled = template(body, places, made["gzip"], pieces).filled(values)
        whole = gzip.compress(joined(between(body, places), values), mtime=0)
        assert len(filled) <= 1.3 * len(whole)
        assert gzip.decompress(filled) == joined(between(body, places), values)


def test_a_page_with_places_that_is_no_text_or_came_encoded_is_sent_as_it_is() -> None:
    places = places_in(TEXT, 2)
    assert spliced(TEXT, places, "image/png", False) == ({}, ())
    assert spliced(TEXT, places, "text/html", True) == ({}, ())


def template(
    body: bytes, places: tuple[Place, ...], packed: bytes, pieces: tuple[int, ...]
) -> SplicedGzip:
    ends = list(accumulate(pieces, initial=0))
    return SplicedGzip(between(body, places), [packed[a:b] for a, b in pairwise(ends)])
