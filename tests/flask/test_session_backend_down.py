"""A Redis that holds the sessions goes down, and comes back."""

from __future__ import annotations

import re

from flask import Flask, session

from isgware.routing import visitor_check
from tests.stores import Redis, running

from .test_reads_decide import Jar, Site


def test_pages_of_a_site_whose_sessions_are_away(monkeypatch, caplog) -> None:  # type: ignore[no-untyped-def]
    with running(Redis()) as server:
        client = server.client(retry=None)

        def on_redis(app: Flask) -> None:
            from flask_session import Session

            app.config.update(SESSION_TYPE="redis", SESSION_REDIS=client)
            app.config["PROPAGATE_EXCEPTIONS"] = False
            Session(app)

        site = Site(on_redis)
        site.page("/plain", lambda: "plain")
        site.page("/name", lambda: f"hello {session.get('name')}")
        site.page("/later", lambda: f"later {session.get('name')}")
        ann, stranger = Jar(site), Jar(site)
        ann.visit("/set?name=Ann", "POST")
        for path in ("/plain", "/name"):
            stranger.visit(path)
        assert ann.visit("/name").text == "hello Ann"
        asked: list[object] = []
        original = site.isg.core.runtime.site.session

        def counted(visitor: object) -> object:
            asked.append(visitor)
            return original(visitor)  # type: ignore[arg-type]

        monkeypatch.setattr(site.isg.core.runtime.site, "session", counted)
        server.kill()
        assert [stranger.visit(path).code for path in ("/plain", "/name", "/later")] == [200] * 3
        assert ann.visit("/plain").cache == "HIT"  # the bare app answers this with a 500
        for _ in range(3):
            reply = ann.visit("/name")
            assert (reply.code, reply.cache, reply.detail) == (500, "BYPASS", "session-unreadable")
        assert len(asked) == 1
        told = [line for line in caplog.messages if "session could not be opened" in line]
        assert len(told) == 1
        server.start()
        assert re.fullmatch(r"hello (Ann|None)", ann.visit("/name").text)
        assert len(asked) == 1  # its five seconds are not over
        monkeypatch.setattr(visitor_check, "_PAUSE", 0.0)
        site.isg.core.runtime.engine.visitors._down_until = 0.0
        ann.visit("/set?name=Ann", "POST")
        assert (ann.visit("/name").text, len(asked)) == ("hello Ann", 2)
        assert stranger.visit("/name").cache == "HIT"
        client.close()
