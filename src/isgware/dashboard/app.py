"""Answers what lies under ``mount``: who may see what, and which module makes it.

Three ways in: a session cookie (browsers), the secret as a Bearer token (programs, which get JSON),
and none at all, which opens the login form, its stylesheet and its script.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_accept_header
from werkzeug.wrappers import Request

from ..core.cache_key import Visitor
from ..errors import BackendUnavailable, ConfigurationError, InvalidPath
from ..formatting import printable
from ..management.operations import Operations
from ..management.wrong_guesses import WrongGuesses
from ..setting_checks import MIN_SECRET, SHORT_SECRET
from .actions import act, described
from .login import Login, is_below
from .overview import overview
from .page_details import page_details, page_diff, stored_page
from .page_list import page_list
from .reply import SANDBOX, Reply, as_json, see_other
from .route_list import route_list
from .screen import Screen, peer_of
from .sessions import Session, Sessions
from .survey import Surveyor
from .templating import MISSING, JinjaMissing, static
from .traffic import Watch
from .why_form import why_form

log: Final = logging.getLogger("isgware")
#: Bytes of a form.
_MAX_FORM: Final = 64 * 1024
_STATIC: Final = {
    "/dashboard.css": "text/css; charset=utf-8",
    "/dashboard.js": "text/javascript; charset=utf-8",
}
Given = dict[str, str]


class View(NamedTuple):
    """``make`` gets what a query or a form says; ``posted``: a form that only asks."""

    template: str
    make: Callable[[Given], dict[str, Any]]
    posted: bool = False


class Dashboard:
    """``https``: visitors come by it, whatever a proxy in front makes of their requests. ``app``:
    there is an app behind it, and not a store alone; ``name`` is shown in place of its host."""

    def __init__(
        self, isg: Operations, secret: bytes, matches: Callable[[bytes], bool],
        guesses: WrongGuesses, https: bool, *, app: bool = True, name: str = "",
    ) -> None:  # fmt: skip
        runtime = isg.core.runtime
        self._isg = isg
        self._runtime = runtime
        self._mount = runtime.settings.mount
        self._sessions = sessions = Sessions(secret, runtime.store, runtime.now)
        self._screen = Screen(runtime, sessions, https=https, app=app, name=name)
        base_urls = runtime.settings.base_url
        self._login = Login(self._screen, sessions, matches, guesses, base_urls)
        self.surveyor = surveyor = Surveyor(runtime)
        watch = Watch(runtime.store)
        front = View("overview.html", lambda given: overview(runtime, surveyor, watch))
        self._views = {
            "": front,
            "/": front,
            "/routes": View("routes.html", lambda given: route_list(runtime, surveyor, given)),
            "/pages": View("pages.html", lambda given: page_list(isg, given)),
            "/page": View("page.html", lambda given: page_details(isg, given)),
            "/page/diff": View("diff.html", lambda given: page_diff(isg, given)),
            "/why": View("why.html", lambda given: why_form(isg, given), posted=True),
        }

    def __call__(self, visitor: Visitor, environ: dict[str, Any], *, bearer: bool) -> Reply:
        """``bearer``: the request holds the secret as a Bearer token."""
        try:
            return self._reply(visitor, environ, bearer)
        except JinjaMissing:
            return Reply(501, MISSING)
        except HTTPException as error:  # of a form that is too long, or none
            return as_json(error.code or 400, {"message": error.name})

    def _reply(self, visitor: Visitor, environ: dict[str, Any], bearer: bool) -> Reply:
        name = visitor.path[len(self._mount) :]
        if name in _STATIC:
            return Reply(200, static(name[1:])[0], _STATIC[name])
        request = Request(environ)
        request.max_content_length = request.max_form_memory_size = _MAX_FORM
        if name == "/login":
            return self._login(visitor, request)
        session = None if bearer else self._sessions.find(visitor.header("Cookie"))
        wants_json = bearer or _prefers_json(visitor)
        if session is None and not bearer:
            return self._closed(visitor, name, wants_json)
        if name == "/logout" and session is not None:
            return self._login.out(visitor, request, session)
        if name == "/page/stored":
            return self._stored(visitor, session, _given(request, wants_json))
        view = self._views.get(name)
        if view is None:
            return self._screen.error(visitor, session, 404, "There is no such page", wants_json)
        if visitor.method in ("GET", "HEAD"):
            # What is asked of Why is posted, lest it end in logs.
            given = {} if view.posted else dict(request.args)
            return self._shown(visitor, session, view, given, wants_json)
        if session is not None and (refusal := self._login.refusal(visitor, request, session)):
            return refusal
        if visitor.method == "POST" and view.posted:
            return self._shown(visitor, session, view, _given(request, bearer), wants_json)
        if visitor.method == "POST" and session is not None and name in _ACTING:
            return self._act(visitor, request, name)
        return self._screen.error(visitor, session, 405, "Use GET", wants_json)

    def _closed(self, visitor: Visitor, name: str, wants_json: bool) -> Reply:
        if visitor.method not in ("GET", "HEAD") or wants_json:
            challenge = ("WWW-Authenticate", 'Bearer realm="isgware"')
            return as_json(401, {"message": "Invalid token"}, challenge)
        there = quote(name.encode("latin-1", "replace"))
        if name == "/page/stored":
            there = ""
        return self._login.form(visitor, f"{there}?{visitor.query}" if visitor.query else there)

    def _shown(
        self, visitor: Visitor, session: Session | None, view: View, given: Given, wants_json: bool
    ) -> Reply:
        try:
            data = view.make(given)
        except (InvalidPath, ConfigurationError) as error:
            return self._screen.error(visitor, session, 400, str(error), wants_json)
        except BackendUnavailable as error:
            return self._screen.error(visitor, session, 503, str(error), wants_json)
        if wants_json:
            return as_json(200, data)
        return self._screen.html(visitor, session, 200, view.template, **data)

    def _stored(self, visitor: Visitor, session: Session | None, given: Given) -> Reply:
        """A stored page as it is, in a sandbox: no script of it runs, and it has no origin."""
        try:
            entry = stored_page(self._runtime, given)
        except BackendUnavailable as error:
            return self._screen.error(visitor, session, 503, str(error), False)
        if entry is None:
            return self._screen.error(visitor, session, 404, "That page is gone", False)
        kinds = [value for name, value in entry.headers if name.lower() == "content-type"]
        return Reply(200, entry.body, (*kinds, "text/plain")[0], policy=SANDBOX)

    def _act(self, visitor: Visitor, request: Request, name: str) -> Reply:
        log.warning("Dashboard: %s asked: %s", peer_of(visitor), printable(described(request.form)))
        notice = act(self._isg, request.form)
        if notice.kind != "good":
            log.warning("Dashboard: that failed: %s", printable(notice.text))
        self.surveyor.forget()
        back = request.form.get("back", "")
        there = self._screen.base(visitor) + (back if is_below(back) else name)
        return see_other(there, self._screen.leave_notice(visitor, notice))


_ACTING: Final = ("/routes", "/pages", "/page")


def _given(request: Request, documents: bool) -> Given:
    """What a query, a form or, where those are taken, a JSON document says."""
    given = {**request.args.to_dict(), **request.form.to_dict()}
    try:
        document = request.get_json(silent=True) if documents and request.is_json else None
    except RecursionError:  # arrays in arrays
        document = None
    if isinstance(document, dict):
        given |= {str(name): str(value) for name, value in document.items()}
    return given


def _prefers_json(visitor: Visitor) -> bool:
    accept = parse_accept_header(visitor.header("Accept"), MIMEAccept)
    return accept.best_match(("text/html", "application/json")) == "application/json"


def login_link(isg: Operations) -> str:
    """A path that logs a browser in, once, within ten minutes. Raises `ConfigurationError` if the
    site has no secret."""
    runtime = isg.core.runtime
    secret = (runtime.settings.secret or "").encode().strip()
    if not secret:
        raise ConfigurationError("There is no dashboard without a secret: ISG(secret=...).")
    if len(secret) < MIN_SECRET:
        raise ConfigurationError(f"The dashboard is closed. secret=: {SHORT_SECRET}")
    value = Sessions(secret, runtime.store, runtime.now).link()
    return f"{runtime.settings.mount}/login?link={value}"
