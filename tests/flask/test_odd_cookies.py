"""Session cookies that are broken, forged, foreign or too long are as the framework takes them, and
cost nobody else the stored page."""

from __future__ import annotations

import logging

import flask
import pytest
from flask import Flask, session
from flask.sessions import SecureCookieSessionInterface
from flask_wtf import CSRFProtect

from tests.promises.kit import Reply, visit

from .backends import SetUp, backend, redis  # noqa: F401  (fixtures)
from .test_csrf import TOKEN
from .test_reads_decide import Jar, Site

PATHS = ("/plain", "/name", "/whole", "/form")


def signed(key: str, value: object) -> str:
    app = Flask("another")
    app.secret_key = key
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    return str(signer.dumps(value))


COOKIES = {
    "empty": "", "a word": "x", "dots": "a.b.c", "no value": '""', "markup": "<script>alert(1)",
    "long": "x" * 5_000, "very long": "x" * 100_000, "a path": "../../../../etc/passwd",
    "a glob": "*", "spaces": "a b", "a quote": '"a', "octal": '"\\000\\377"', "NUL": "a\x00b",
    "a control character": "a\x01b", "not ASCII": "\xff\xfe", "half of UTF-8": "\xc3",
    "a percent sign": "%00%ff", "another app's": signed("another key", {"name": "Ann"}),
    "compressed nonsense": ".eJxx.abc.def", "null": signed("not a secret", None),
    "keys that are no text": signed("not a secret", {1: 2, None: 3}),
}  # fmt: skip


def site_of(backend: SetUp) -> Site:  # noqa: F811
    site = Site(backend)
    site.app.config["PROPAGATE_EXCEPTIONS"] = False
    CSRFProtect(site.app)
    site.app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    show = flask.render_template_string
    site.page("/plain", lambda: show("plain"))
    site.page("/name", lambda: show("{{ session.name }}"))
    site.page("/whole", lambda: str(sorted(set(session) - {"csrf_token"}, key=str)))
    site.page("/form", lambda: show("<input name=csrf_token value='{{ csrf_token() }}'>"))
    return site


def shown(reply: Reply) -> tuple[int, str]:
    return reply.code, TOKEN.sub("a token", reply.text)


def test_odd_session_cookies_are_as_the_framework_takes_them(
    backend: SetUp,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrapped, bare = site_of(backend), site_of(backend)
    bare.app.wsgi_app = bare.isg.core.application  # type: ignore[method-assign]
    stranger, ann, shopper = (Jar(wrapped) for _ in range(3))
    ann.visit("/set?name=Ann", "POST")
    shopper.visit("/set?basket=3", "POST")
    for path in PATHS:
        stranger.visit(path)
    for name, cookie in COOKIES.items():
        for sent in (cookie, f"{cookie}; session=x", f"x; session={cookie}"):
            for path in PATHS:
                headers = {"Cookie": f"session={sent}"}
                got, expected = (visit(s.app, path, headers=headers) for s in (wrapped, bare))
                assert (name, path, *shown(got)) == (name, path, *shown(expected))
        assert (name, shopper.visit("/name").cache) == (name, "HIT")
        assert ann.visit("/name").text == "Ann"
    told = [line for line in caplog.records if line.name == "isgware"]
    assert not [line.getMessage() for line in told if line.levelno > logging.INFO]
