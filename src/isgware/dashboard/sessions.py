"""Who is logged in: session cookies, the tokens of forms, and links that log in once.

All of them are signed under keys that are derived from the secret and are not the secret; another
secret ends them all. A session that was logged out is noted in the store until it would have ended.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ..backends.base import Lease
from ..backends.breaker import Breaker
from ..core.cache_key import cookie_pairs
from ..errors import BackendUnavailable

COOKIE: Final = "isgware_dashboard"
SECONDS: Final = 12 * 3_600
LINK_SECONDS: Final = 600
#: Logged-out sessions that a process remembers by itself.
_MOST: Final = 1_000
_VALUE: Final = re.compile(r"([0-9]{1,12})\.([0-9a-f]{32})\.([0-9a-f]{64})\Z")


@dataclass(frozen=True, slots=True)
class Session:
    """``token`` is what its forms have to send along."""

    id: str
    end: int
    token: str


class Sessions:
    """``now`` is the clock, in seconds since the epoch."""

    def __init__(self, secret: bytes, store: Breaker, now: Callable[[], float]) -> None:
        self._key = hmac.digest(secret, b"isgware dashboard, version 1", "sha256")
        self._store = store
        self._now = now
        self._ended: dict[str, int] = {}

    def cookie(self, path: str, *, secure: bool) -> str:
        """A Set-Cookie value that begins a session."""
        return self._set_cookie(self._signed("session", SECONDS), SECONDS, path, secure)

    def no_cookie(self, path: str, *, secure: bool) -> str:
        return self._set_cookie("", 0, path, secure)

    def _set_cookie(self, value: str, seconds: int, path: str, secure: bool) -> str:
        marks = "; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")
        return f"{COOKIE}={value}; Path={path}; Max-Age={seconds}{marks}"

    def find(self, cookies: Any) -> Session | None:
        """The session of a Cookie header."""
        for name, value in cookie_pairs(cookies):
            found = self._opened("session", value, SECONDS) if name == COOKIE else None
            if found is not None and not self._is_over(found[0]):
                return Session(*found, token=self._sign("form", found[0]))
        return None

    def end(self, session: Session) -> None:
        """Log out: the cookie opens nothing any more, whoever has a copy."""
        if len(self._ended) >= _MOST:
            self._ended.clear()
        self._ended[session.id] = session.end
        try:
            left = session.end - self._now()
            self._store.write_note("x:" + session.id, b"1", left, self._now())
        except BackendUnavailable:  # other processes cannot be told
            pass

    def _is_over(self, id: str) -> bool:
        if id in self._ended:
            return True
        try:
            return self._store.read_note("x:" + id, self._now()) is not None
        except BackendUnavailable:
            return False

    # Before there is a session.

    def login_token(self) -> str:
        """What the login form has to send along."""
        return self._signed("login", SECONDS)

    def is_login_token(self, value: str) -> bool:
        return self._opened("login", value, SECONDS) is not None

    def link(self) -> str:
        """A value that logs in once, within ten minutes."""
        return self._signed("link", LINK_SECONDS)

    def redeem(self, value: str) -> bool:
        """Whether this is such a value, for the first time. False while the store is away."""
        found = self._opened("link", value, LINK_SECONDS)
        if found is None:
            return False
        now, used = self._now(), "x:" + found[0]
        try:  # of two at once only one gets the lease, which would end with this process
            lease = self._store.acquire("link:" + used, 60, now, generation=0, overtake_before=0)
            if not isinstance(lease, Lease) or self._store.read_note(used, now) is not None:
                return False
            self._store.write_note(used, b"1", LINK_SECONDS, now)
        except BackendUnavailable:
            return False
        return True

    # Signatures. Each says what it is for, so that none serves as another.

    def _signed(self, kind: str, seconds: int) -> str:
        said = f"{int(self._now()) + seconds}.{secrets.token_hex(16)}"
        return f"{said}.{self._sign(kind, said)}"

    def _opened(self, kind: str, value: str, seconds: int) -> tuple[str, int] | None:
        """Id and end of what was signed and lasts."""
        match = _VALUE.match(value)
        if match is None:
            return None
        end, id, signature = match.groups()
        signed = hmac.compare_digest(self._sign(kind, f"{end}.{id}"), signature)
        # A clock that was ahead signed what it would not sign now.
        return (id, int(end)) if signed and 0 < int(end) - self._now() <= seconds else None

    def sign(self, text: str) -> str:
        """What goes along with a notice."""
        return self._sign("notice", text)

    def is_signed(self, text: str, signature: str) -> bool:
        return hmac.compare_digest(self.sign(text).encode(), signature.encode("utf-8", "replace"))

    def _sign(self, kind: str, text: str) -> str:
        return hmac.new(self._key, f"{kind}:{text}".encode(), hashlib.sha256).hexdigest()
