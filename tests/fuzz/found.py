"""Inputs that broke a promise once, by target."""

from __future__ import annotations

import json
from typing import Any, Final

from tests.fuzz.targets import SEEDS


def _described(**changes: Any) -> bytes:
    text, _, bodies = SEEDS["description"][0].partition(b"\n")
    return json.dumps({**json.loads(text), **changes}).encode() + b"\n" + bodies


FOUND: Final[dict[str, tuple[str, bytes]]] = {
    "a page whose path is no native string": (
        "description", _described(request=["http", "h", "", "/\u15e9", ""]),
    ),
    "a page whose host is half a bracket": (
        "description", _described(request=["http", "].b", "", "/", ""]),
    ),
    "a host in brackets that is no IPv6 address": ("request", b"[:::]\n\n/page\n"),
    "an IPv4 address in brackets": ("request", b"[1.2.3.4]:80\n\n/page\n"),
    "a failure that was counted to infinity": ("note", b"[Infinity, 1, 1, 1]"),
    "a failure until a time beyond all numbers": (
        "note", b"[1, 1" + b"0" * 400 + b', "error", 1700000000]',
    ),
    "a sign of life at a time beyond all numbers": ("note", b'{"host-1": 1' + b"0" * 400 + b"}"),
    "a note nested without end": ("note", b"[" * 100_000),
    "a day beyond all numbers": ("fields", b"Mon, 99999999999999999999 Jan 2024 00:00:00 GMT"),
    "a time zone beyond all numbers": (
        "fields", b"Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
    ),
}  # fmt: skip
