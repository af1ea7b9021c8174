"""Parses the URL paths that operations take, and decides which names each invalidates."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

from ..errors import ConfigurationError, InvalidPath
from ..option_checks import checked_tag
from .cache_key import narrow_query
from .freshness import below_name, path_name, tag_name, url_name

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def local_path(path: Any) -> tuple[str, str]:
    """The decoded path and the query of a local URL path.

    Raises `InvalidPath` for anything else: a URL with a host, a relative path, control characters.
    """
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//"):
        raise InvalidPath(f"{path!r} is not a local path; it starts with one slash: '/posts/1'.")
    if "\\" in path or not path.isprintable():
        raise InvalidPath(f"{path!r} is not a local path: it holds a backslash or a control.")
    given, _, query = path.partition("?")
    try:
        text = unquote_to_bytes(given).decode()
    except UnicodeDecodeError:
        raise InvalidPath(f"{path!r} is not UTF-8 when decoded.") from None
    if _CONTROL.search(text) or any(part in (".", "..") for part in text.split("/")):
        raise InvalidPath(f"{path!r} is not a plain path: dots or control characters.")
    return text, query


def spelled(path: str) -> str:
    """A decoded path as `local_path` and the operations take it: percent-encoded where a character
    has another meaning there or is invisible. The rest stays readable."""
    if path.endswith("/*"):
        path, end = path[:-1], "%2A"
    else:
        end = ""
    return "".join(map(_spelled, path)) + end


def _spelled(char: str) -> str:
    return quote(char) if char in "%?" or not char.isprintable() else char


def names_for_path(path: str) -> list[str]:
    """The names that a path given to ``revalidate_path`` or ``purge_path`` invalidates."""
    text, query = local_path(path)
    if path.endswith("/*"):  # a literal star is written %2A
        return [below_name(text[:-1])]
    return [url_name(text, narrow_query(query, "all"))] if "?" in path else [path_name(text)]


def names_for_tags(tags: Iterable[str]) -> list[str]:
    names = [tag_name(checked_tag(tag)) for tag in tags]
    if not names:
        raise ConfigurationError("Name at least one tag.")
    return names
