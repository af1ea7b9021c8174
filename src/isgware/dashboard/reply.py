"""What the dashboard answers, with the headers that all of its answers bear."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

HTML: Final = "text/html; charset=utf-8"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
#: Of a stored page in its frame: the site's styles and images, no script, no form, no origin.
SANDBOX: Final = (
    "sandbox; default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; form-action 'none'; frame-ancestors 'self'; base-uri 'none'"
)
_ALWAYS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """``headers`` come in addition to those that all replies have."""

    code: int
    body: bytes = b""
    kind: str = HTML
    headers: tuple[tuple[str, str], ...] = ()
    policy: str = POLICY

    @property
    def line(self) -> str:
        return f"{self.code} {HTTPStatus(self.code).phrase}"

    @property
    def all_headers(self) -> list[tuple[str, str]]:
        return [
            ("Content-Type", self.kind),
            ("Content-Length", str(len(self.body))),
            ("Content-Security-Policy", self.policy),
            *_ALWAYS,
            *self.headers,
        ]


def as_json(code: int, data: Any, *headers: tuple[str, str]) -> Reply:
    body = json.dumps(data, default=_plain).encode() + b"\n"
    return Reply(code, body, "application/json", headers)


def see_other(url: str, *cookies: str) -> Reply:
    """Go and GET that."""
    set_cookies = (("Set-Cookie", cookie) for cookie in cookies)
    return Reply(303, headers=(("Location", url), *set_cookies))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
