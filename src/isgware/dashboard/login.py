"""The login form, links that log in once, and logging out."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from werkzeug.wrappers import Request

from ..core.cache_key import Visitor
from ..management.wrong_guesses import WrongGuesses
from .reply import Reply, as_json, see_other
from .same_origin import same_origin
from .screen import Screen, peer_of
from .sessions import Session, Sessions

log: Final = logging.getLogger("isgware")


class Login:
    """``matches`` tells, in constant time, whether bytes are the secret; ``base_urls``: the origins
    that the site has besides."""

    def __init__(
        self, screen: Screen, sessions: Sessions, matches: Callable[[bytes], bool],
        guesses: WrongGuesses, base_urls: Sequence[str],
    ) -> None:  # fmt: skip
        self._screen = screen
        self._sessions = sessions
        self._matches = matches
        self._guesses = guesses
        self._base_urls = base_urls

    def form(self, visitor: Visitor, back: str = "", code: int = 401, text: str = "") -> Reply:
        """``back``: where to go on, below the mount."""
        # A browser that opens a page would log 401 as an error; programs are told.
        mode, upgrades = map(visitor.header, ("Sec-Fetch-Mode", "Upgrade-Insecure-Requests"))
        opens = mode == "navigate" or (mode is None and upgrades == "1")  # without TLS it says less
        navigates = opens and visitor.method == "GET"
        return self._screen.html(
            visitor, None, 200 if navigates and code == 401 else code, "login.html",
            login_token=self._sessions.login_token(), back=back, text=text,
        )  # fmt: skip

    def __call__(self, visitor: Visitor, request: Request) -> Reply:
        if visitor.method == "GET" and (link := request.args.get("link")):
            return self._by_link(visitor, link)
        if visitor.method in ("GET", "HEAD"):
            return self.form(visitor)
        if visitor.method != "POST":
            return as_json(405, {"message": "Use POST"}, ("Allow", "GET, POST"))
        peer, back = peer_of(visitor), request.form.get("back", "")
        token = request.form.get("token", "")
        if not self._ours(visitor) or not self._sessions.is_login_token(token):
            log.warning("Dashboard: a login from elsewhere was refused (%s).", peer)
            text = "That form was not from this page, or too old. Try again."
            return self.form(visitor, back, 403, text)
        if self._matches(request.form.get("secret", "").encode("utf-8", "replace").strip()):
            if wait := self._guesses.pause(peer):
                return self._wait(visitor, back, wait)
            self._guesses.right(peer)
            return self._logged_in(visitor, back, "with the secret")
        log.warning("Dashboard: wrong secret from %s.", peer)
        if wait := self._guesses.wrong(peer):
            return self._wait(visitor, back, wait)
        return self.form(visitor, back, 401, "That is not the secret.")

    def _wait(self, visitor: Visitor, back: str, wait: int) -> Reply:
        text = f"Too many wrong guesses. Try again in {wait} s."
        reply = self.form(visitor, back, 429, text)
        return replace(reply, headers=(("Retry-After", str(wait)),))

    def _by_link(self, visitor: Visitor, link: str) -> Reply:
        if not self._sessions.redeem(link):
            text = "That link was used already, or is too old. Log in with the secret."
            return self.form(visitor, text=text)
        return self._logged_in(visitor, "", "with a link that works once")

    def _logged_in(self, visitor: Visitor, back: str, how: str) -> Reply:
        log.warning("Dashboard: %s logged in %s.", peer_of(visitor), how)
        base = self._screen.base(visitor)
        cookie = self._sessions.cookie(base, secure=self._screen.secure(visitor))
        return see_other(base + (back if is_below(back) else "/"), cookie)

    def out(self, visitor: Visitor, request: Request, session: Session) -> Reply:
        """Log out."""
        if refusal := self.refusal(visitor, request, session):
            return refusal
        self._sessions.end(session)
        log.warning("Dashboard: %s logged out.", peer_of(visitor))
        base = self._screen.base(visitor)
        secure = self._screen.secure(visitor)
        return see_other(base + "/", self._sessions.no_cookie(base, secure=secure))

    def refusal(self, visitor: Visitor, request: Request, session: Session) -> Reply | None:
        """Why what a form asks for is not done, if it is not."""
        if visitor.method != "POST":
            return self._screen.error(visitor, session, 405, "Use POST", False)
        if self._ours(visitor) and _same(request.form.get("token", ""), session.token):
            return None
        log.warning("Dashboard: a request from elsewhere was refused (%s).", peer_of(visitor))
        text = "That did not come from this dashboard, or the page was too old. Try again."
        return self._screen.error(visitor, session, 403, text, False)

    def _ours(self, visitor: Visitor) -> bool:
        return same_origin(visitor, self._base_urls)


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), known.encode())


def is_below(back: str) -> bool:
    """Whether this is a path below the mount, which a form has sent back."""
    if not back.startswith("/") or not back.isascii() or not back.isprintable() or "\\" in back:
        return False
    parts = urlsplit(back)
    return not parts.netloc and not parts.scheme and ".." not in parts.path
