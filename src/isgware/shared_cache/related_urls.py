"""The URLs that a response to an unsafe method says it made or changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from ..core.cache_key import Request, Visitor
from ..core.hosts import normal_host
from ..routing.framework import Site, origin_of
from ..serving.passthrough import HeaderList


def located(site: Site, visitor: Visitor, headers: HeaderList) -> Iterator[Visitor]:
    """Visits to the URLs that a response to an unsafe method declares as made or changed:
    Location and Content-Location, of the same origin only (RFC 9111, section 4.4)."""
    scheme, host = origin_of(site, visitor)
    here = Request(scheme, host, visitor.script_name, visitor.path, visitor.query).url
    for name, value in headers:
        if name.lower() not in ("location", "content-location"):
            continue
        try:
            there = urlsplit(urljoin(here, value))
            path = unquote_to_bytes(there.path).decode("latin-1")
        except ValueError:
            continue
        if (there.scheme, normal_host(there.scheme, there.netloc)) != (scheme, host):
            continue
        if path.startswith(visitor.script_name):
            path = path[len(visitor.script_name) :]
            yield replace(visitor, method="GET", path=path, query=there.query)
