"""Answers what lies under ``mount``: who may see what, and which module makes it.

Three ways in: a session cookie (browsers), the secret as a Bearer token (programs, which get JSON),
and none at all, which opens the login form, its stylesheet and its script.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, urlsplit

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header
from werkzeug.wrappers import Request

from ..core.cache_key import Visitor
from ..errors import BackendUnavailable, ConfigurationError, InvalidPath
from ..formatting import printable
from ..management.operations import Operations
from ..management.wrong_guesses import WrongGuesses
from ..version import VERSION
from .overview import overview
from .reply import Reply, as_json, see_other
from .same_origin import same_origin
from .sessions import Session, Sessions
from .survey import Surveyor
from .templating import MISSING, JinjaMissing, render, static

log: Final = logging.getLogger("isgware")
#: Bytes of a form.
_MAX_FORM: Final = 64 * 1024
_STATIC: Final = {
    "/dashboard.css": "text/css; charset=utf-8",
    "/dashboard.js": "text/javascript; charset=utf-8",
}
Given = dict[str, str]


class Dashboard:
    """``matches`` tells, in constant time, whether bytes are the secret; ``https``: visitors come
    by it, whatever a proxy in front makes of their requests."""

    def __init__(
        self, isg: Operations, secret: bytes, matches: Callable[[bytes], bool],
        guesses: WrongGuesses, https: bool,
    ) -> None:  # fmt: skip
        runtime = isg.core.runtime
        self._isg = isg
        self._runtime = runtime
        self._mount = runtime.settings.mount
        self._matches = matches
        self._guesses = guesses
        self._https = https
        self.sessions = Sessions(secret, runtime.store, runtime.now)
        self._surveyor = Surveyor(runtime)
        self._views: dict[str, Callable[[Given], dict[str, Any]]] = {
            "": self._overview,
            "/": self._overview,
        }

    def __call__(self, visitor: Visitor, environ: dict[str, Any], *, bearer: bool) -> Reply:
        """``bearer``: the request holds the secret as a Bearer token."""
        try:
            return self._reply(visitor, environ, bearer)
        except JinjaMissing:
            return Reply(501, MISSING)

    def _reply(self, visitor: Visitor, environ: dict[str, Any], bearer: bool) -> Reply:
        name = visitor.path[len(self._mount) :]
        if name in _STATIC:
            return Reply(200, static(name[1:])[0], _STATIC[name])
        request = Request(environ)
        request.max_content_length = request.max_form_memory_size = _MAX_FORM
        session = None if bearer else self.sessions.find(visitor.header("Cookie"))
        wants_json = bearer or _prefers_json(visitor)
        if name == "/login":
            return self._login(visitor, request)
        if session is None and not bearer:
            if visitor.method not in ("GET", "HEAD") or wants_json:
                challenge = ("WWW-Authenticate", 'Bearer realm="isgware"')
                return as_json(401, {"message": "Invalid token"}, challenge)
            return self._login_form(visitor, back=_here(visitor, name))
        if name == "/logout" and session is not None:
            return self._logout(visitor, request, session)
        view = self._views.get(name)
        if view is None:
            return self._error(visitor, session, 404, "There is no such page", wants_json)
        if visitor.method not in ("GET", "HEAD"):
            return self._error(visitor, session, 405, "Use GET", wants_json)
        return self._shown(visitor, session, name, view, dict(request.args), wants_json)

    def _shown(
        self, visitor: Visitor, session: Session | None, name: str,
        view: Callable[[Given], dict[str, Any]], given: Given, wants_json: bool,
    ) -> Reply:  # fmt: skip
        try:
            data = view(given)
        except (InvalidPath, ConfigurationError) as error:
            return self._error(visitor, session, 400, str(error), wants_json)
        except BackendUnavailable as error:
            return self._error(visitor, session, 503, str(error), wants_json)
        if wants_json:
            return as_json(200, data)
        return self._html(visitor, session, 200, _TEMPLATES[name], **data)

    def _html(
        self, visitor: Visitor, session: Session | None, status: int, template: str, **data: Any
    ) -> Reply:
        base = self._base(visitor)
        body = render(
            template, base=base, host=visitor.host, version=VERSION,
            token=session.token if session else "", signed_in=session is not None,
            now=self._runtime.now(), **data,
        )  # fmt: skip
        return Reply(status, body)

    def _error(
        self, visitor: Visitor, session: Session | None, code: int, text: str, wants_json: bool
    ) -> Reply:
        if wants_json:
            return as_json(code, {"message": text})
        return self._html(visitor, session, code, "error.html", code=code, text=text)

    def _base(self, visitor: Visitor) -> str:
        return quote(visitor.script_name.encode("latin-1")) + self._mount

    # Who is there.

    def _login_form(
        self, visitor: Visitor, back: str = "", code: int = 401, text: str = "", wait: int = 0
    ) -> Reply:
        # A browser that opens a page would log 401 as an error; programs are told.
        navigates = visitor.header("Sec-Fetch-Mode") == "navigate"
        return self._html(
            visitor, None, 200 if navigates and code == 401 else code, "login.html",
            login_token=self.sessions.login_token(), back=back, text=text, wait=wait,
        )  # fmt: skip

    def _login(self, visitor: Visitor, request: Request) -> Reply:
        link = request.args.get("link", "")
        if visitor.method in ("GET", "HEAD"):
            if visitor.method == "GET" and link:
                return self._by_link(visitor, link)
            return self._login_form(visitor)
        if visitor.method != "POST":
            return as_json(405, {"message": "Use POST"}, ("Allow", "GET, POST"))
        peer = _peer(visitor)
        back = request.form.get("back", "")
        if not self._ours(visitor) or not self.sessions.is_login_token(
            request.form.get("token", "")
        ):
            log.warning("Dashboard: a login from elsewhere was refused (%s).", peer)
            text = "That form was not from this page, or too old. Try again."
            return self._login_form(visitor, back, 403, text)
        given = request.form.get("secret", "").encode("utf-8", "replace").strip()
        if self._matches(given):
            if wait := self._guesses.pause(peer):
                return self._wait(visitor, back, wait)
            self._guesses.right(peer)
            return self._logged_in(visitor, back, "with the secret")
        wait = self._guesses.wrong(peer)
        log.warning("Dashboard: wrong secret from %s.", peer)
        if wait:
            return self._wait(visitor, back, wait)
        return self._login_form(visitor, back, 401, "That is not the secret.")

    def _wait(self, visitor: Visitor, back: str, wait: int) -> Reply:
        text = f"Too many wrong guesses. Try again in {wait} s."
        reply = self._login_form(visitor, back, 429, text, wait)
        return Reply(429, reply.body, headers=(("Retry-After", str(wait)),))

    def _by_link(self, visitor: Visitor, link: str) -> Reply:
        if not self.sessions.redeem(link):
            return self._login_form(
                visitor, text="That link was used already, or is too old. Log in with the secret."
            )
        return self._logged_in(visitor, "", "with a link that works once")

    def _logged_in(self, visitor: Visitor, back: str, how: str) -> Reply:
        log.warning("Dashboard: %s logged in %s.", _peer(visitor), how)
        base = self._base(visitor)
        cookie = self.sessions.cookie(base, secure=self._secure(visitor))
        return see_other(base + (back if _is_ours(back) else "/"), cookie)

    def _logout(self, visitor: Visitor, request: Request, session: Session) -> Reply:
        refusal = self._refusal(visitor, request, session)
        if refusal is not None:
            return refusal
        self.sessions.end(session)
        log.warning("Dashboard: %s logged out.", _peer(visitor))
        base = self._base(visitor)
        return see_other(base + "/", self.sessions.no_cookie(base, secure=self._secure(visitor)))

    def _refusal(self, visitor: Visitor, request: Request, session: Session) -> Reply | None:
        """Why what is asked for by a form is not done."""
        if visitor.method != "POST":
            return self._error(visitor, session, 405, "Use POST", False)
        token = request.form.get("token", "")
        if self._ours(visitor) and _same(token, session.token):
            return None
        log.warning("Dashboard: a request from elsewhere was refused (%s).", _peer(visitor))
        text = "That did not come from this dashboard, or the page was too old. Try again."
        return self._error(visitor, session, 403, text, False)

    def _ours(self, visitor: Visitor) -> bool:
        return same_origin(visitor, self._runtime.settings.base_url)

    def _secure(self, visitor: Visitor) -> bool:
        return self._https or visitor.scheme == "https"

    # What is shown.

    def _overview(self, given: Given) -> dict[str, Any]:
        return overview(self._runtime, self._surveyor)


_TEMPLATES: Final = {"": "overview.html", "/": "overview.html"}


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), known.encode())


def _peer(visitor: Visitor) -> str:
    return printable(str(visitor.headers.get("REMOTE_ADDR") or "an unknown peer"))


def _prefers_json(visitor: Visitor) -> bool:
    accept = parse_accept_header(visitor.header("Accept"), MIMEAccept)
    return accept.best_match(("text/html", "application/json")) == "application/json"


def _here(visitor: Visitor, name: str) -> str:
    """Where to go on after the login: below the mount."""
    there = quote(name.encode("latin-1", "replace"))
    return f"{there}?{visitor.query}" if visitor.query else there


def _is_ours(back: str) -> bool:
    """Whether this is a path below the mount, which a form has sent back."""
    if not back.startswith("/") or not back.isascii() or not back.isprintable() or "\\" in back:
        return False
    parts = urlsplit(back)
    return not parts.netloc and not parts.scheme and ".." not in parts.path


def login_link(isg: Operations) -> str:
    """A path that logs a browser in, once, within ten minutes. Raises `ConfigurationError` if the
    site has no secret."""
    runtime = isg.core.runtime
    secret = (runtime.settings.secret or "").encode().strip()
    if not secret:
        raise ConfigurationError("There is no dashboard without a secret: ISG(secret=...).")
    value = Sessions(secret, runtime.store, runtime.now).link()
    return f"{runtime.settings.mount}/login?link={value}"
