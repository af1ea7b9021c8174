"""Whether a request that changes something comes from the dashboard's own pages.

Browsers say so in ``Origin`` and ``Sec-Fetch-Site``. What is not a browser may say nothing; it
needs a token all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from ..core.cache_key import Visitor
from ..core.hosts import normal_host


def same_origin(visitor: Visitor, base_urls: Iterable[str]) -> bool:
    """``base_urls``: origins that the site has elsewhere, as proxies may change host and scheme."""
    fetched = visitor.header("Sec-Fetch-Site")
    if fetched not in (None, "same-origin"):
        return False
    origin = visitor.header("Origin")
    if origin is None or (origin == "null" and fetched):
        return True
    if origin in base_urls:
        return True
    try:
        scheme, host = urlsplit(origin)[:2]
    except ValueError:
        return False
    if scheme not in ("http", "https") or not host:
        return False
    # A proxy that ends TLS leaves the host as it is, and the scheme not.
    return normal_host(scheme, host) == normal_host(scheme, visitor.host)
