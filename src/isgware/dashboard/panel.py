"""In development, a panel at the foot of a page: what isgware would do with it, and why.

Only with ``panel=True``, only while the framework is in debug mode, and only on whole HTML
documents whose length the app has said: streams pass. It lies in a declarative shadow root, so that
neither the page's styles nor its scripts meet it, and has no script of its own. Its style is there
if the page's Content-Security-Policy lets it; that policy is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html import escape
from itertools import chain
from typing import Any, Final

from werkzeug.wsgi import ClosingIterator

from ..core.cache_key import Visitor
from ..errors import ISGError
from ..formatting import duration, printable
from ..management.advice import advice_on
from ..management.operations import Operations
from ..management.why_report import Why
from ..rendering.clean_room import StartResponse
from ..serving.counted_answers import told_by

HeaderList = list[tuple[str, str]]
#: A whole document, and a policy that the browser takes from the page itself.
_DOCUMENT: Final = re.compile(rb"\s*(<!--.*?-->\s*)*<(!doctype html|html)[\s>]", re.I | re.S)
_META_POLICY: Final = re.compile(rb"<meta[^>]*content-security-policy", re.I)
_NONCE: Final = re.compile(r"'nonce-([A-Za-z0-9+/_=-]+)'\Z")
#: Directives that decide about a style in the page, the first that is there.
_STYLES: Final = ("style-src-elem", "style-src", "default-src")
_STYLE: Final = (
    ":host{all:initial}details{position:fixed;right:12px;bottom:12px;z-index:2147483647;"
    "max-width:min(36rem,calc(100vw - 24px));max-height:70vh;overflow:auto;background:#15181d;"
    "color:#e8eaee;border-radius:8px;font:13px/1.45 system-ui,sans-serif;"
    "box-shadow:0 2px 12px rgb(0 0 0/35%)}summary{padding:6px 12px;cursor:pointer}"
    "summary b{color:#5ccfc3}summary.not b{color:#f0be62}dl{margin:0;padding:2px 12px 10px;"
    "display:grid;grid-template-columns:auto 1fr;gap:2px 12px}dt{color:#9aa3b0}"
    "dd{margin:0;overflow-wrap:anywhere}a{color:#5ccfc3}@media print{details{display:none}}"
)


def with_panel(
    isg: Operations, visitor: Visitor, start_response: StartResponse,
    answer: Callable[[StartResponse], Iterable[bytes]],
) -> Iterable[bytes]:  # fmt: skip
    """What ``answer`` says, with a panel if it is such a document."""
    held = _Held(visitor, start_response)
    chunks = answer(held)
    iterator = iter(chunks)
    close = getattr(chunks, "close", lambda: None)
    try:
        first = next(iterator, b"")  # an app may be a generator, which begins only now
        if held.passed:
            return ClosingIterator(chain((first,), iterator), close)
        body = b"".join((*held.written, first, *iterator))
    except BaseException:
        close()
        raise
    close()
    line, headers = held.told
    if _DOCUMENT.match(body) and (at := body.lower().rfind(b"</body")) >= 0:
        why = _why(isg, visitor)
        style = _style_tag(headers, body)
        panel = _markup(headers, why, isg, visitor, style).encode("utf-8", "backslashreplace")
        body = body[:at] + panel + body[at:]
        dropped = ("content-length", "etag")  # a validator of another body
        headers = [pair for pair in headers if pair[0].lower() not in dropped]
        headers.append(("Content-Length", str(len(body))))
    start_response(line, headers)
    return [body]


class _Held:
    """A ``start_response`` that holds back what a panel may be put into."""

    def __init__(self, visitor: Visitor, start_response: StartResponse) -> None:
        self._visitor = visitor
        self._start_response = start_response
        self.passed = False
        self.told: tuple[str, HeaderList] = ("", [])
        self.written: list[bytes] = []

    def __call__(
        self, line: str, headers: HeaderList, exc_info: Any = None
    ) -> Callable[[bytes], object]:
        if self._visitor.method == "GET" and _may_hold_one(line, headers) and not self.passed:
            self.told = line, headers
            return self.written.append
        self.passed = True
        if exc_info is None:
            return self._start_response(line, headers)
        return self._start_response(line, headers, exc_info)


def _may_hold_one(line: str, headers: HeaderList) -> bool:
    fields = {name.lower(): value.lower() for name, value in headers}
    kind = fields.get("content-type", "")
    return (
        not line.startswith(("204", "206", "304"))
        and kind.startswith("text/html")
        and ("charset" not in kind or "utf-8" in kind)
        and "content-length" in fields
        and fields.get("content-encoding", "identity") == "identity"
    )


def _style_tag(headers: HeaderList, body: bytes) -> str:
    """A style element that the page's policies let in; empty if they do not."""
    if _META_POLICY.search(body):
        return ""
    nonce = ""
    for name, value in headers:
        if name.lower() != "content-security-policy":
            continue
        for policy in value.split(","):
            directives = {
                words[0].lower(): words[1:] for part in policy.split(";") if (words := part.split())
            }
            deciding = next((name for name in _STYLES if name in directives), "")
            sources = directives.get(deciding, ["'unsafe-inline'"])
            nonces = [found[1] for each in sources if (found := _NONCE.match(each))]
            hashes = any(each.startswith("'sha") for each in sources)
            if nonces and nonce in ("", nonces[0]):
                nonce = nonces[0]
            elif nonces or hashes or "'unsafe-inline'" not in sources:
                return ""
    return (
        f'<style nonce="{escape(nonce)}">{_STYLE}</style>' if nonce else f"<style>{_STYLE}</style>"
    )


def _why(isg: Operations, visitor: Visitor) -> Why | None:
    """Of this very request; ``None`` for one that cannot be asked about."""
    headers = {
        name[5:].replace("_", "-"): value
        for name, value in visitor.headers.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    }
    path = visitor.path + (f"?{visitor.query}" if visitor.query else "")
    try:
        return isg.why(path, headers=headers, scheme=visitor.scheme, host=visitor.host)
    except (ISGError, UnicodeError):
        return None


def _markup(
    headers: HeaderList, why: Why | None, isg: Operations, visitor: Visitor, style: str
) -> str:
    result, reason = told_by(headers)
    stored = result == "miss" and reason == "debug"
    said, rows = _said(stored, result, reason, why), _rows(reason, why, stored)
    settings = isg.core.runtime.settings
    if settings.secret:
        base = escape(visitor.script_name + settings.mount)
        rows.append(("dashboard", f'<a href="{base}/">{base}/</a>'))
    facts = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows)
    return (
        '<div id="isgware-panel"><template shadowrootmode="open">'
        f'{style}<details><summary class="{"stored" if stored else "not"}">{said}</summary>'
        f"<dl>{facts}</dl></details></template></div>"
    )


def _said(stored: bool, result: str, reason: str, why: Why | None) -> str:
    if stored:
        return "isgware: <b>would be stored</b>"
    if result == "pass" or why is None or not why.route:
        return "isgware: <b>not declared</b>, passes through"
    return f"isgware: <b>not stored</b>: {_text(reason or result)}"


def _rows(reason: str, why: Why | None, stored: bool) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if not stored and (remedy := advice_on(reason)):
        rows.append(("what helps", remedy))
    if why is not None:
        key = [*why.query_kept, *(f"{n}={v or 'absent'}" for n, v in (*why.headers, *why.cookies))]
        rows += [
            ("route", why.route),
            ("declared by", ", ".join(why.declared_by)),
            ("policy", why.policy),
            ("keyed by", ", ".join(key)),
            ("left out", "&".join(why.query_dropped)),
            ("decided by", why.decided_by if not stored else ""),
            ("tags", ", ".join(why.tags)),
            ("next try", f"in {duration(why.retry)}" if why.retry else ""),
        ]
    return [(name, _text(value)) for name, value in rows if value]


def _text(value: str) -> str:
    return escape(printable(value))
