"""Draft cookies: their owners get the app's own, unstored answers, to preview unpublished content.

The cookie has the second at which it expires and a signature. The key of the signature is derived
from the secret and differs from it, so that a copied cookie does not open the control endpoint.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any, Final

from ..core.cache_key import cookie_pairs

COOKIE: Final = "isgware_draft"
DEFAULT_SECONDS: Final = 3_600
MAX_SECONDS: Final = 7 * 86_400
_VALUE = re.compile(r"([0-9]{1,12})\.([0-9a-f]{64})\Z")


class Drafts:
    """Makes and checks draft cookies."""

    def __init__(self, secret: str, now: Callable[[], float]) -> None:
        self._key = hmac.digest(secret.encode(), b"isgware draft cookies, version 1", "sha256")
        self._now = now

    def issue(self, seconds: int, *, secure: bool) -> str:
        """A Set-Cookie value that lasts ``seconds``; 0 deletes the cookie."""
        end = str(int(self._now()) + seconds)
        value = f"{end}.{self._sign(end)}" if seconds else ""
        marks = "; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
        return f"{COOKIE}={value}; Path=/; Max-Age={seconds}{marks}"

    def owned(self, cookies: Any) -> bool:
        """Whether a Cookie header has a valid draft cookie that has not expired."""
        return any(name == COOKIE and self._valid(value) for name, value in cookie_pairs(cookies))

    def _valid(self, value: str) -> bool:
        match = _VALUE.match(value)
        if match is None:
            return False
        end, signature = match.groups()
        signed = hmac.compare_digest(self._sign(end).encode(), signature.encode())
        now = self._now()  # a clock that was ahead may have signed a later end than is allowed now
        return signed and now < int(end) <= now + MAX_SECONDS

    def _sign(self, end: str) -> str:
        return hmac.new(self._key, end.encode(), hashlib.sha256).hexdigest()
