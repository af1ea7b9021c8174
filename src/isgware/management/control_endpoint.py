"""The control endpoint under ``mount``: revalidation over HTTP, draft cookies, and the entrance to
the dashboard.

It exists only if a secret is set, and does nothing without it. It opens no connection: it calls, in
this process, the same operations that views use.
"""

from __future__ import annotations

import hmac
import json
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlsplit

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from ..core.cache_key import Visitor, decoded
from ..core.local_path import local_path, names_for_tags
from ..errors import BackendUnavailable, ConfigurationError, InvalidPath, RegenerationError
from ..formatting import printable
from ..render_context import Rendering, current
from ..rendering.clean_room import StartResponse
from ..routing.drafts import DEFAULT_SECONDS, MAX_SECONDS, Drafts
from ..serving.passthrough import Environ
from ..setting_checks import MIN_SECRET, SHORT_SECRET
from ..settings import Settings
from .operations import Operations
from .wrong_guesses import WrongGuesses

log: Final = logging.getLogger("isgware")
MAX_BODY: Final = 64 * 1024
MAX_NAMES: Final = 1_000
#: Names that the log repeats of one request.
_LOGGED: Final = 20
_BLANKS: Final = b" \t"
_MODES: Final = ("revalidate", "purge", "regenerate", "restore")


class Shown(Protocol):
    """An answer of the dashboard."""

    @property
    def line(self) -> str: ...
    @property
    def all_headers(self) -> list[tuple[str, str]]: ...
    @property
    def body(self) -> bytes: ...


class Dashboard(Protocol):
    def __call__(self, visitor: Visitor, environ: Environ, *, bearer: bool) -> Shown: ...


#: Told the secret, what compares with it, who has guessed wrong, and whether visitors come by
#: https: the dashboard, which is imported when somebody first opens it.
OpenDashboard = Callable[[bytes, Callable[[bytes], bool], WrongGuesses, bool], Dashboard]


#: The policy of a page that loads nothing but its icon, which is empty.
_NOTHING: Final = "default-src 'none'; img-src data:; frame-ancestors 'none'; base-uri 'none'"
#: For browsers, in place of the login form. It tells strangers nothing of the secret.
_CLOSED: Final = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>isgware: the dashboard is closed</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"></head>
<body><main><h1>The dashboard is closed</h1>
<p>The log of the site says why, and what opens it.</p></main></body></html>
"""


class BadRequest(Exception):
    """What the caller got wrong, in words for them."""


@dataclass(frozen=True, slots=True)
class Reply:
    code: int
    body: dict[str, Any]
    headers: tuple[tuple[str, str], ...] = ()


class Control:
    """Answers what lies under ``mount``."""

    def __init__(
        self, isg: Operations, settings: Settings, drafts: Drafts, guesses: WrongGuesses,
        open_dashboard: OpenDashboard,
    ) -> None:  # fmt: skip
        self._isg = isg
        self._guesses = guesses
        self._open_dashboard = open_dashboard
        self._dashboard: Dashboard | None = None
        self._secret = (settings.secret or "").encode().strip(_BLANKS)
        self._short = len(self._secret) < MIN_SECRET
        if self._short:
            log.warning("secret= is short, so the dashboard stays closed: %s", SHORT_SECRET)
        self._mount = settings.mount
        self.covers = settings.is_control_path
        #: Visitors always come by it then, whatever a proxy in front makes of their requests.
        self._https = {urlsplit(url).scheme for url in settings.base_url} == {"https"}
        self._drafts = drafts
        self._actions: dict[str, Callable[[Given, Visitor], Reply]] = {
            "/revalidate": self._revalidate,
            "/draft": self._draft,
        }

    def __call__(
        self, visitor: Visitor, environ: Environ, start_response: StartResponse,
        rendering: Rendering,
    ) -> Iterable[bytes]:  # fmt: skip
        name = visitor.path[len(self._mount) :]
        if name not in self._actions and self._may_see(visitor):
            return self._show(visitor, environ, start_response, rendering)
        reply, kind = self._reply(visitor, environ, rendering), "application/json"
        body = json.dumps(reply.body).encode() + b"\n"
        if self._short and reply.code == 401 and _opens(visitor) and name not in self._actions:
            kind, body = "text/html; charset=utf-8", _CLOSED
            reply = Reply(403, {}, (("Content-Security-Policy", _NOTHING),))
        headers = [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),  # the URL may hold the secret
            *reply.headers,
        ]
        start_response(_LINES[reply.code], headers)
        return [] if visitor.method == "HEAD" else [body]

    def _may_see(self, visitor: Visitor) -> bool:
        """Whether the dashboard is to answer: to its login form, or to the secret as Bearer."""
        return not self._short and (not _bearer(visitor) or self._matches(_bearer(visitor)))

    def _show(
        self, visitor: Visitor, environ: Environ, start_response: StartResponse,
        rendering: Rendering,
    ) -> Iterable[bytes]:  # fmt: skip
        if self._dashboard is None:
            self._dashboard = self._open_dashboard(
                self._secret, self._matches, self._guesses, self._https
            )
        token = current.set(rendering)
        try:
            reply = self._dashboard(visitor, environ, bearer=bool(_bearer(visitor)))
        finally:
            current.reset(token)
        start_response(reply.line, reply.all_headers)
        return [] if visitor.method == "HEAD" else [reply.body]

    def _reply(self, visitor: Visitor, environ: Environ, rendering: Rendering) -> Reply:
        given = _bearer(visitor) or _in_query(visitor)
        if not self._matches(given):
            return self._refused(visitor, given)
        action = self._actions.get(visitor.path[len(self._mount) :])
        if action is None:
            return Reply(403, {"message": f"The dashboard is closed. secret=: {SHORT_SECRET}"})
        if visitor.method != "POST":
            return Reply(405, {"message": "Use POST"}, (("Allow", "POST"),))
        token = current.set(rendering)  # a page's host, if nothing else tells it, is this request's
        try:
            return action(Given.read(environ), visitor)
        except (BadRequest, InvalidPath, ConfigurationError) as error:
            return Reply(400, {"message": str(error)})
        except RegenerationError as error:
            log.warning("Control: %s", error)
            return Reply(500, {"message": "Error revalidating"})
        except BackendUnavailable:
            return Reply(503, {"message": "The store is out of reach; try again"})
        finally:
            current.reset(token)

    def _refused(self, visitor: Visitor, given: bytes) -> Reply:
        message = {"message": "Invalid token"}
        peer = str(visitor.headers.get("REMOTE_ADDR", ""))
        wait = self._guesses.wrong(peer) if given else 0  # who says nothing has not guessed
        if wait:
            return Reply(429, message, (("Retry-After", str(wait)),))
        return Reply(401, message, (("WWW-Authenticate", 'Bearer realm="isgware"'),))

    def _matches(self, given: bytes) -> bool:
        """Compared as bytes, in constant time (a str that is not ASCII raises TypeError)."""
        return bool(given) and hmac.compare_digest(given, self._secret)

    def _revalidate(self, given: Given, visitor: Visitor) -> Reply:
        paths, tags, touched = given.all("path"), given.all("tag"), given.all("touched")
        mode, force = given.one("mode"), given.one("force")
        if not (paths or tags or touched):
            raise BadRequest("Name a path, a tag, or what was touched")
        if len(paths) + len(tags) + len(touched) > MAX_NAMES:
            raise BadRequest(f"At most {MAX_NAMES} paths, tags and touched names at once")
        if mode is not None and mode not in _MODES:
            raise BadRequest("mode is one of " + ", ".join(_MODES))
        if force not in (None, "0", "1"):
            raise BadRequest("force is 1 or 0")
        if tags and mode == "regenerate":
            raise BadRequest("A tag can be revalidated or purged; regenerate takes a path")
        self._check(paths, tags, mode or "regenerate", decoded(visitor.script_name))
        log.info(
            "Control: %s asked: %s %s",
            printable(str(visitor.headers.get("REMOTE_ADDR") or "an unknown peer")),
            mode or "the default",
            printable(", ".join((*paths, *tags, *touched)[:_LOGGED])),
        )
        if mode == "restore":
            return self._restore(paths, [*tags, *touched], given.one("version") or "")
        if touched:
            self._isg.touched(*touched)
        if tags:
            verb = self._isg.purge_tag if mode == "purge" else self._isg.revalidate_tag
            verb(*tags)
        for path in paths:
            self._on_path(mode or "regenerate", path, force == "1")
        done: dict[str, object] = {}
        if touched:
            done = {"touched": touched, "pages": self._isg._count_affected(touched)}
        return Reply(200, {"revalidated": True, "paths": paths, "tags": tags, **done})

    def _restore(self, paths: list[str], others: list[str], version: str) -> Reply:
        if len(paths) != 1 or others or not re.fullmatch("[0-9]{1,9}", version):
            raise BadRequest("restore takes one path and its version")
        self._isg.restore(paths[0], int(version))
        return Reply(200, {"restored": int(version), "paths": paths})

    def _check(self, paths: list[str], tags: list[str], mode: str, script_name: str) -> None:
        """Everything, before anything is done."""
        if tags:
            names_for_tags(tags)
        for path in paths:
            text, _ = local_path(path)
            if self.covers(text) or self.covers(_below(text, script_name)):
                raise BadRequest("That is the control endpoint itself")
            if mode == "regenerate" and path.endswith("/*"):
                raise BadRequest("regenerate takes one page; use mode=revalidate or mode=purge")

    def _on_path(self, mode: str, path: str, force: bool) -> None:
        if mode == "revalidate":
            self._isg.revalidate_path(path)
        elif mode == "purge":
            self._isg.purge_path(path)
        else:
            self._isg.regenerate(path, force=force)

    def _draft(self, given: Given, visitor: Visitor) -> Reply:
        """Set the cookie (``max_age`` seconds), or with ``max_age=0`` end it; ``path`` is where
        to go next."""
        text = given.one("max_age")
        seconds = DEFAULT_SECONDS
        if text is not None:
            if not re.fullmatch("[0-9]{1,9}", text) or int(text) > MAX_SECONDS:
                raise BadRequest(f"max_age is a number of seconds, at most {MAX_SECONDS}")
            seconds = int(text)
        secure = self._https or visitor.scheme == "https"
        cookie = ("Set-Cookie", self._drafts.issue(seconds, secure=secure))
        path = given.one("path")
        if path is None:
            return Reply(200, {"draft": seconds > 0, "max_age": seconds}, (cookie,))
        local_path(path)
        if not path.isascii():
            raise BadRequest("Percent-encode the path")
        return Reply(303, {"draft": seconds > 0}, (cookie, ("Location", path)))


@dataclass(frozen=True, slots=True)
class Given:
    """What the caller sent: query, form and JSON together."""

    values: dict[str, list[str]]

    @classmethod
    def read(cls, environ: Environ) -> Given:
        """Raises `BadRequest` for a body that is too large or is not what it says."""
        request = Request(environ)
        request.max_content_length = request.max_form_memory_size = MAX_BODY
        request.max_form_parts = MAX_NAMES + 10
        try:
            values = {name: request.args.getlist(name) for name in request.args}
            for name in request.form:
                values.setdefault(name, []).extend(request.form.getlist(name))
            document = request.get_json() if request.is_json else {}
        except HTTPException as error:
            raise BadRequest(error.name) from None
        except RecursionError:
            raise BadRequest("The JSON document is nested too deeply") from None
        if not isinstance(document, dict):
            raise BadRequest("The JSON document is not an object")
        for name, value in document.items():
            values.setdefault(name, []).extend(_texts(name, value))
        return cls(values)

    def all(self, name: str) -> list[str]:
        return list(dict.fromkeys(self.values.get(name, ())))

    def one(self, name: str) -> str | None:
        found = self.all(name)
        if len(found) > 1:
            raise BadRequest(f"{name} is given more than once")
        return found[0] if found else None


def _opens(visitor: Visitor) -> bool:
    """Whether somebody looks at it in a browser."""
    return visitor.method in ("GET", "HEAD") and "text/html" in (visitor.header("Accept") or "")


def _bearer(visitor: Visitor) -> bytes:
    """What the request gives as its Authorization; empty for nothing of the kind."""
    scheme, _, token = (visitor.header("Authorization") or "").partition(" ")
    return _stripped(token) if scheme.lower() == "bearer" else b""


def _in_query(visitor: Visitor) -> bytes:
    """``?secret=``, of webhooks that can send nothing else."""
    pairs = parse_qsl(visitor.query, keep_blank_values=True, encoding="latin-1")
    return _stripped(dict(pairs).get("secret", ""))


def _stripped(token: str) -> bytes:
    # Not str.strip, which takes the last byte of "à" in UTF-8 for a space.
    return token.encode("latin-1", "replace").strip(_BLANKS)


def _below(path: str, script_name: str) -> str:
    """``path`` without where the app is mounted."""
    return path.removeprefix(script_name) if path.startswith(script_name + "/") else path


def _texts(name: str, value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str | int) and not isinstance(item, bool) for item in items):
        raise BadRequest(f"{name} is a string or a list of strings")
    return [str(item) for item in items]


_LINES: Final = {
    200: "200 OK",
    303: "303 See Other",
    400: "400 Bad Request",
    401: "401 Unauthorized",
    403: "403 Forbidden",
    405: "405 Method Not Allowed",
    429: "429 Too Many Requests",
    500: "500 Internal Server Error",
    503: "503 Service Unavailable",
}
