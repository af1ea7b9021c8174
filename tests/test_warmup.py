"""Paths from sitemaps and access logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from isgware import ConfigurationError, warmup
from isgware.paths import Unusable
from isgware.warmup import log_paths, path_of, sitemap_paths


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
