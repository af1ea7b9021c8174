"""Pages to build that come from a sitemap, or from an access log with the most visited first.

Of each URL only the path and the query are used.
"""

from __future__ import annotations

import gzip
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import IO, Final, TypeVar
from urllib.parse import urlsplit
from xml.etree import ElementTree

from ..errors import ConfigurationError
from ..routing.declared_paths import Unusable, last_line, wrong_with

T = TypeVar("T")
_GZIP: Final = b"\x1f\x8b"
#: The request line and the status of a line in the common and the combined log format.
_LINE: Final = re.compile(rb'"(?:GET|HEAD) (\S+) HTTP/[0-9.]+" (\d{3}) ')
#: Statuses that show that the page exists.
_THERE: Final = frozenset({b"200", b"304"})
#: Different paths that are counted; beyond that, paths with one visit are dropped.
MOST_PATHS: Final = 1_000_000


def sitemap_paths(file: str) -> Iterator[str | Unusable]:
    """The pages of a sitemap (sitemaps.org: XML, or a URL on each line), in its order; ``-`` is
    the standard input. Compressed or not. Where it is damaged it ends.

    Raises `ConfigurationError` for an index of other sitemaps.
    """
    try:
        for url in _urls(file):
            path = path_of(url)
            reason = wrong_with(path)
            yield Unusable(url, reason) if reason else path
    except ConfigurationError:
        raise
    except Exception as error:  # of the file, of gzip, of XML and its encoding
        yield Unusable("", f"{file}: {last_line(error)}")


def _urls(file: str) -> Iterator[str]:
    with _opened(file) as stream:
        start = stream.peek(64).lstrip()  # type: ignore[attr-defined]
        is_xml = start.startswith((b"<", b"\xef\xbb\xbf"))
        yield from _xml_urls(stream, file) if is_xml else _lines(stream)


def _xml_urls(stream: IO[bytes], file: str) -> Iterator[str]:
    root: ElementTree.Element | None = None
    for event, element in ElementTree.iterparse(stream, ("start", "end")):
        name = element.tag.rpartition("}")[2]
        if root is None:
            root = element
            if name == "sitemapindex":
                raise ConfigurationError(f"{file} is an index of sitemaps; name one of those.")
        if event == "end" and name == "url":
            for child in element:
                if child.tag.rpartition("}")[2] == "loc" and child.text:
                    yield child.text.strip()
            root.clear()  # do not keep what was read


def _lines(stream: IO[bytes]) -> Iterator[str]:
    return (line.decode(errors="replace").strip() for line in stream if line.strip())


def log_paths(file: str) -> Iterator[str]:
    """The pages of an access log in the common or combined format, the most visited first;
    ``-`` is the standard input. Compressed or not.

    Counts GET and HEAD requests that were answered 200 or 304. What is no path of a page is
    passed over: visitors ask for anything. Raises `ConfigurationError` if no line is a request, or
    if the file is damaged: which pages were visited most would be anybody's guess.
    """
    try:
        counted = _counted(file)
    except (EOFError, OSError, zlib.error) as error:
        raise ConfigurationError(f"{file} cannot be read: {last_line(error)}") from error
    for url, _ in counted.most_common():
        path = path_of(url.decode("latin-1"))
        if not wrong_with(path):
            yield path


def _counted(file: str) -> Counter[bytes]:
    counted: Counter[bytes] = Counter()
    lines = 0
    with _opened(file) as stream:
        for line in stream:
            lines += 1
            found = _LINE.search(line)
            if found is not None and found[2] in _THERE:
                counted[found[1]] += 1
                if len(counted) > MOST_PATHS:
                    counted = Counter({url: times for url, times in counted.items() if times > 1})
    if lines and not counted:
        raise ConfigurationError(f"{file} has no line of a page in the combined log format.")
    return counted


def first_of(paths: Iterator[T]) -> Iterator[T]:
    """``paths``, of which the first is read now: what is wrong with the file is raised at once."""
    return chain(list(islice(paths, 1)), paths)


def path_of(url: str) -> str:
    """The path of a URL, with its query."""
    if url.startswith("//"):
        return url  # in a request line this is a path, though an unusual one
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


@contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with open(file, "rb") as stream:
        if stream.peek(2).startswith(_GZIP):
            with gzip.open(stream) as unpacked:
                yield unpacked  # type: ignore[misc]
        else:
            yield stream
