"""Paths from sitemaps and access logs."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from isgware import ConfigurationError
from isgware.build import warmup
from isgware.build.warmup import log_paths, path_of, sitemap_paths
from isgware.routing.declared_paths import Unusable


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "file"
    path.write_text(text)
    return str(path)


def line(target: str, status: int = 200, method: str = "GET") -> str:
    return (
        f'192.0.2.7 - - [10/Oct/2026:13:55:36 +0000] "{method} {target} HTTP/1.1" {status} 2 "-"\n'
    )


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://example.com/a?b=1#c", "/a?b=1"),
        ("https://example.com", "/"),
        ("/a", "/a"),
        ("https://[", "https://["),
    ],
)
def test_of_a_url_the_path_and_the_query_count(url: str, path: str) -> None:
    assert path_of(url) == path


def test_a_sitemap_of_lines(tmp_path: Path) -> None:
    text = "https://example.com/a\n\nhttps://example.com/b/../c\n"
    first, second = sitemap_paths(written(tmp_path, text))
    assert first == "/a"
    assert isinstance(second, Unusable)
    assert second.item == "https://example.com/b/../c"


def test_a_sitemap_that_breaks_off_gives_what_it_has(tmp_path: Path) -> None:
    text = "\ufeff<urlset><url><loc>https://example.com/a</loc></url><url><loc>https://exa"
    first, second = sitemap_paths(written(tmp_path, text))
    assert first == "/a"
    assert isinstance(second, Unusable)
    assert "ParseError" in second.reason


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (gzip.compress(b"https://a.example/x\n" * 9)[:-12], "EOFError"),
        (b"\x1f\x8b is no gzip", "BadGzipFile"),
        (b'<?xml version="1.0" encoding="martian"?><urlset/>', "unknown encoding"),
    ],
    ids=["cut off", "no gzip", "encoding"],
)
def test_a_sitemap_that_cannot_be_read_is_named(data: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "sitemap"
    file.write_bytes(data)
    *_, last = sitemap_paths(str(file))
    assert isinstance(last, Unusable)
    assert last.reason.startswith(f"{file}: ")
    assert says in last.reason


def test_a_log_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "access.log.gz"
    file.write_bytes(gzip.compress(b'"GET /x HTTP/1.1" 200 9\n' * 9)[:-12])
    with pytest.raises(ConfigurationError, match="cannot be read: EOFError"):
        list(log_paths(str(file)))


def test_an_index_of_sitemaps_is_refused(tmp_path: Path) -> None:
    text = "<sitemapindex><sitemap><loc>https://example.com/s.xml</loc></sitemap></sitemapindex>"
    with pytest.raises(ConfigurationError, match="name one of those"):
        next(sitemap_paths(written(tmp_path, text)))


def test_a_log_gives_the_most_visited_first(tmp_path: Path) -> None:
    text = line("/a") + line("/b") * 3 + line("/c", 404) * 9 + line("/d", method="POST") * 9
    text += line("https://example.com/e", 304) * 2 + line("//x") + "junk\n"
    assert list(log_paths(written(tmp_path, text))) == ["/b", "/e", "/a"]


def test_of_too_many_paths_those_seen_once_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmup, "MOST_PATHS", 10)
    text = line("/often") * 2 + "".join(line(f"/{number}") for number in range(10)) + line("/last")
    assert list(log_paths(written(tmp_path, text))) == ["/often", "/last"]


def test_an_empty_log_is_no_error_but_another_file_is(tmp_path: Path) -> None:
    assert list(log_paths(written(tmp_path, ""))) == []
    with pytest.raises(ConfigurationError, match="combined log format"):
        next(log_paths(written(tmp_path, "hello\n")))
