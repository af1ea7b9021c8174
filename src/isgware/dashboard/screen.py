"""HTML pages and errors of the dashboard, and the notices that one page leaves for the next."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from ..core.cache_key import Visitor, cookie_pairs
from ..formatting import printable
from ..runtime import Runtime
from ..version import VERSION
from .actions import Notice
from .reply import Reply, as_json
from .sessions import Session, Sessions
from .templating import render

_NOTICE: Final = "isgware_notice"
_NOTICE_LENGTH: Final = 600


class Screen:
    """``https``: visitors come by it, whatever a proxy in front makes of their requests."""

    def __init__(
        self, runtime: Runtime, sessions: Sessions, *, https: bool, app: bool, name: str
    ) -> None:
        self._runtime = runtime
        self._sessions = sessions
        self._https = https
        self._app = app
        self._name = name

    def html(
        self, visitor: Visitor, session: Session | None, status: int, template: str, **data: Any
    ) -> Reply:
        """Raises `JinjaMissing`."""
        notice = self._notice(visitor) if session is not None else None
        body = render(
            template,
            base=self.base(visitor),
            host=self._name or visitor.host,
            release=VERSION,
            token=session.token if session else "",
            signed_in=session is not None,
            now=self._runtime.now(),
            has_app=self._app,
            **({"notice": notice} | data),
        )
        reply = Reply(status, body)
        if notice is None:
            return reply
        return replace(reply, headers=(("Set-Cookie", self._set_notice(visitor, "", 0)),))

    def error(
        self, visitor: Visitor, session: Session | None, code: int, text: str, wants_json: bool
    ) -> Reply:
        if wants_json:
            return as_json(code, {"message": text})
        return self.html(visitor, session, code, "error.html", code=code, text=text)

    def base(self, visitor: Visitor) -> str:
        """The URL path of the dashboard, without a slash at its end."""
        return quote(visitor.script_name.encode("latin-1")) + self._runtime.settings.mount

    def secure(self, visitor: Visitor) -> bool:
        return self._https or visitor.scheme == "https"

    def leave_notice(self, visitor: Visitor, notice: Notice) -> str:
        """A Set-Cookie value: what the next page is to say."""
        text = f"{notice.kind}:{notice.text[:_NOTICE_LENGTH]}"
        coded = base64.urlsafe_b64encode(text.encode("utf-8", "replace")).decode().rstrip("=")
        return self._set_notice(visitor, f"{coded}.{self._sessions.sign(coded)}", 60)

    def _set_notice(self, visitor: Visitor, value: str, seconds: int) -> str:
        marks = "; HttpOnly; SameSite=Strict" + ("; Secure" if self.secure(visitor) else "")
        return f"{_NOTICE}={value}; Path={self.base(visitor)}; Max-Age={seconds}{marks}"

    def _notice(self, visitor: Visitor) -> Notice | None:
        for name, value in cookie_pairs(visitor.header("Cookie")):
            coded, _, signature = value.partition(".")
            if name != _NOTICE or not self._sessions.is_signed(coded, signature):
                continue
            try:
                text = base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
            except (binascii.Error, ValueError):
                continue
            kind, _, said = text.partition(":")
            return Notice(said, kind)
        return None


def peer_of(visitor: Visitor) -> str:
    """The address of who asks, for the log."""
    return printable(str(visitor.headers.get("REMOTE_ADDR") or "an unknown peer"))
