"""Configuration for file servers: nginx's maps, ``_headers`` and ``_redirects``.

nginx serves only what its maps name, and only for the exact URL that they name: without a query,
with GET or HEAD, without Authorization and without a cookie that counts. All other requests go to
the app. Maps ignore case (``ngx_hash_strlow``); files do not.

Values come from stored headers. In nginx's language (``ngx_conf_read_token``) a quoted token ends
at its quote, with backslash escapes; a ``$`` begins a variable and cannot be escaped, hence a
variable that holds one. Line breaks cannot occur: no header with a control character is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ..http.fields import Headers
from .choice import MOVED, Static
from .layout import OWN, PREFIX

_NOTE: Final = "# Written by isgware export. Changes are lost with the next one.\n"


@dataclass(frozen=True, slots=True)
class Listed:
    """A page with its URL and, if it is not a redirect, how its file is found from the URL."""

    url: str
    suffix: str
    static: Static


def maps(pages: Sequence[Listed], cookies: Iterable[str], prefix: str = PREFIX) -> bytes:
    """For nginx's ``http`` block. All variables begin with ``prefix``."""
    classes = {_class(page): page for page in pages}
    lines = [
        _NOTE,
        f'geo ${prefix}_dollar {{ default "$"; }}\n',
        _map("$http_cookie", f"{prefix}_cookie", [(f"~{_cookie_pattern(cookies)}", '"1"')]),
        _map(
            f'"$request_method:$http_authorization:${prefix}_cookie"', f"{prefix}_own",
            [("GET::", '""'), ("HEAD::", '""')], default="own:",
        ),
        _map(
            f'"${prefix}_own$request_uri"', f"{prefix}_class",
            [(page.url.lower(), _quoted(_class(page))) for page in pages],
        ),
        _map(
            f"${prefix}_class", f"{prefix}_suffix",
            [(name, _quoted(page.suffix)) for name, page in sorted(classes.items())],
        ),
        f'map ${prefix}_class ${prefix}_file {{\n'
        f'    "" "/{OWN}/none";\n    default "$uri${prefix}_suffix";\n}}\n',
    ]  # fmt: skip
    for status in sorted(MOVED):
        moved = [page for page in pages if page.static.status == status]
        to = [(page.url.lower(), _value(page.static.location, prefix)) for page in moved]
        # Files distinguish /old from /Old, a map does not.
        spelt = [(page.url.lower(), _value(page.url, prefix)) for page in moved]
        lines += [
            _map(f'"${prefix}_own$request_uri"', f"{prefix}_{status}", to),
            _map(f'"${prefix}_own$request_uri"', f"{prefix}_{status}_from", spelt),
        ]
    for header in _names(pages):
        rows = [
            (name, _value(dict(page.static.headers)[header], prefix))
            for name, page in sorted(classes.items())
            if header in dict(page.static.headers)
        ]
        lines.append(_map(f"${prefix}_class", _variable(header, prefix), rows))
    return "\n".join(lines).encode("latin-1")


def location(pages: Sequence[Listed], prefix: str = PREFIX) -> bytes:
    """For the ``location`` that serves the tree."""
    lines = [
        _NOTE,
        "# Content-Type comes from the maps, since an extension says too little.",
        "types { }",
        'default_type "";',
        "# One range at most: of several, nginx writes a Content-Type of its own.",
        "max_ranges 1;",
        "gzip_static on;",
        "gzip_vary on;",
        "disable_symlinks on from=$document_root;",
        *(
            f"if (${prefix}_{status}_from = $request_uri) {{ return {status} ${prefix}_{status}; }}"
            for status in sorted(MOVED)
        ),
        *(f"add_header {name} ${_variable(name, prefix)};" for name in _names(pages)),
    ]
    return ("\n".join(lines) + "\n").encode()


def headers_file(pages: Sequence[Listed]) -> bytes:
    """``_headers`` as Netlify and Cloudflare Pages read it."""
    lines = []
    for page in pages:
        fields = [(name, value) for name, value in page.static.headers if _unsaid(page, name)]
        if fields and page.static.status == 200:
            lines += [_rule(page.url), *(f"  {name}: {value}" for name, value in fields)]
    return ("\n".join(lines) + "\n" if lines else "").encode("latin-1")


def redirects_file(pages: Sequence[Listed]) -> bytes:
    """``_redirects`` as Netlify and Cloudflare Pages read it."""
    lines = [
        f"{_rule(page.url)} {page.static.location} {page.static.status}\n"
        for page in pages
        if page.static.location and page.static.location.isascii()
        if " " not in page.static.location and "\t" not in page.static.location
    ]
    return "".join(lines).encode()


def _unsaid(page: Listed, name: str) -> bool:
    """Whether the header differs from what the file's extension implies."""
    if name != "Content-Type":
        return True
    kind = page.static.content_type.lower().replace(" ", "")
    return not (page.suffix.endswith(".html") and kind == "text/html;charset=utf-8")


def _rule(url: str) -> str:
    """The URL without characters that have a meaning in these files."""
    return url.replace("*", "%2A").replace(":", "%3A")


def _class(page: Listed) -> str:
    """Names the properties of pages that are served alike."""
    told: tuple[str | Headers, ...] = (page.suffix, page.static.headers)
    return hashlib.blake2b(repr(told).encode(), digest_size=8).hexdigest()


def _names(pages: Iterable[Listed]) -> list[str]:
    return sorted({name for page in pages for name, _ in page.static.headers})


def _variable(header: str, prefix: str) -> str:
    return f"{prefix}_h_" + header.lower().replace("-", "_")


def _map(source: str, variable: str, rows: Iterable[tuple[str, str]], default: str = "") -> str:
    lines = [f"    {_quoted(key)} {value};\n" for key, value in rows]
    return f"map {source} ${variable} {{\n    default {_quoted(default)};\n{''.join(lines)}}}\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _value(text: str, prefix: str) -> str:
    return _quoted(text).replace("$", f"${{{prefix}_dollar}}")


def _cookie_pattern(names: Iterable[str]) -> str:
    """Matches a Cookie header that has one of ``names``, in which ``*`` stands for any text."""
    return f"(^|;)[ \\t]*({'|'.join(map(_one_cookie, names))})[ \\t]*="


def _one_cookie(name: str) -> str:
    return "".join(
        "[^=;]*"
        if char == "*"
        else char
        if char.isalnum() or char in "_-"
        else f"\\x{ord(char):02x}"
        for char in name
    )
