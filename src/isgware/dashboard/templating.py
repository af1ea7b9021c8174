"""HTML from templates: Jinja2, imported with the first page that somebody opens.

Everything that is put into a template is text and escaped, whatever visitors and apps put into
their paths, tags and errors; what cannot be seen is written as an escape.
"""

from __future__ import annotations

import hashlib
import importlib.resources
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from urllib.parse import unquote, urlencode

from ..core.render_log import BY_WHOM
from ..formatting import duration, printable, size

MISSING: Final = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>isgware: Jinja2 is missing</title></head>
<body><h1>The dashboard needs Jinja2</h1>
<p>Install it where the site runs, and start the site again:</p>
<pre>pip install 'isgware[dashboard]'</pre>
<p>With the secret as a Bearer token the same is here as JSON, without Jinja2.</p></body></html>
"""
#: What visitors get; each has a colour.
_RESULTS: Final = (
    "hit", "stale", "filled", "prefetch", "miss", "revalidated", "loading", "bypass", "pass",
)  # fmt: skip


class JinjaMissing(Exception):
    """The extra ``dashboard`` is not installed."""


def render(name: str, **values: Any) -> bytes:
    """Raises `JinjaMissing`."""
    page: str = _environment().get_template(name).render(values)
    return page.encode("utf-8", "backslashreplace")


@cache
def static(name: str) -> tuple[bytes, str]:
    """A file of the dashboard, and a hash of it for its URL."""
    data = (importlib.resources.files(__package__) / "static" / name).read_bytes()
    return data, hashlib.sha256(data).hexdigest()[:12]


def need_jinja() -> None:
    """Raises `JinjaMissing`."""
    _environment()


@cache
def _environment() -> Any:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ModuleNotFoundError as error:
        if error.name != "jinja2":
            raise
        raise JinjaMissing from None

    environment = Environment(
        loader=PackageLoader(str(__package__)),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= _FILTERS
    environment.globals |= {
        "version_of": lambda name: static(name)[1],
        "known_results": _RESULTS,
        "by_whom": defaultdict(str, BY_WHOM),
        "notice": None,
        "tab": "",
    }
    return environment


def _visible(value: Any) -> Any:
    if value is None:
        return ""
    return printable(value) if type(value) is str else value


def linked(url: str, **arguments: Any) -> str:
    """A URL with a query; arguments that are empty are left out."""
    query = urlencode({name: str(value) for name, value in arguments.items() if value})
    return f"{url}?{query}" if query else url


def web_url(url: str) -> str:
    """A URL that a link may lead to, or nothing: what a store holds is not trusted."""
    return url if url.startswith(("http://", "https://")) else ""


def path_of(url: str) -> str:
    """A URL without scheme and host, readable."""
    rest = url.partition("://")[2].partition("/")
    return unquote(f"/{rest[2]}", errors="replace") if rest[1] else url


def host_of(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


def percent(ratio: float | None) -> str:
    """A share without an exaggerated 0 or 100."""
    if ratio is None:
        return "-"
    if 0 < ratio < 0.01:
        return "<1 %"
    if 0.99 < ratio < 1:
        return f"{int(ratio * 1000) / 10:.1f} %"
    return f"{ratio * 100:.0f} %"


def whole(number: float) -> str:
    """A count, in thousands and millions where it is long."""
    if number >= 9_999_500:
        return f"{number / 1e6:,.0f} M"
    if number >= 99_950:
        return f"{number / 1e3:,.0f} k"
    return f"{number:,.0f}"


def milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 0.001:
        return "<1 ms"
    return f"{seconds * 1000:,.0f} ms" if seconds < 10 else f"{seconds:,.1f} s"


def count(number: float | None) -> str:
    return "-" if number is None else whole(number)


def ago(seconds: float) -> str:
    """How long ago something was."""
    return "just now" if seconds < 2 else f"{duration(seconds)} ago"


def moment(seconds: float) -> str:
    """A point in time, to the second."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "-"


_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "duration": duration,
    "size": size,
    "percent": percent,
    "whole": whole,
    "count": count,
    "ago": ago,
    "milliseconds": milliseconds,
    "moment": moment,
    "link": linked,
    "web_url": web_url,
    "path_of": path_of,
    "host_of": host_of,
}
