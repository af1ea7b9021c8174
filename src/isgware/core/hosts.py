"""Spellings of a host: which are the same origin, and which are trusted.

``www.example.com``, ``WWW.example.com`` and, under http, ``www.example.com:80`` are one origin
(RFC 9110, section 4.2.3), so they have the same pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@lru_cache(maxsize=1_024)
def normal_host(scheme: str, host: str) -> str:
    """A Host in lower case and without a default port. Invalid hosts are returned unchanged."""
    name, port = _parts(host)
    return name if port == _DEFAULT_PORTS.get(scheme) else host.lower()


def is_trusted(scheme: str, host: str, trusted: Iterable[str]) -> bool:
    """Whether ``host`` is one of ``trusted``: names with or without a port. Without a port, the
    default port is meant. A leading dot matches the domain and all its subdomains."""
    default = _DEFAULT_PORTS.get(scheme)
    name, port = _parts(host)
    for given in trusted:
        known, known_port = _parts(given)
        if (known_port or default) != (port or default):
            continue
        exact = _ascii(known.removeprefix("."))
        if name == exact or (known.startswith(".") and name.endswith("." + exact)):
            return True
    return False


def _parts(host: str) -> tuple[str, int | None]:
    """The name in lower case, and the port if there is one. An IPv6 address stands in brackets."""
    name, colon, port = host.lower().rpartition(":")
    if colon and port.isascii() and port.isdigit() and len(port) <= 5:
        return name, int(port)
    return host.lower(), None


@lru_cache(maxsize=1_024)
def _ascii(name: str) -> str:
    """As a Host has it: international names are encoded (RFC 5890)."""
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name
