"""nginx with ``proxy_cache`` in front of an app: it takes no notice of ``Age``."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from isgware import revalidate
from isgware.flask import ISG
from isgware.testing import FakeClock
from tests.integration.nginx import Nginx, app_server
from tests.stores import eventually

_CONFIGURATION = """\
daemon off; worker_processes 1; pid {own}/pid; error_log stderr warn; {user}
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {own}/body; proxy_temp_path {own}/proxy; fastcgi_temp_path {own}/fastcgi;
    scgi_temp_path {own}/scgi; uwsgi_temp_path {own}/uwsgi;
    proxy_cache_path {own}/cache keys_zone=pages:1m;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{app}; proxy_set_header Host site.test; proxy_cache pages;
            add_header X-Front $upstream_cache_status;
        }}
    }}
}}
"""


class CachingNginx(Nginx):
    def __init__(self, app_port: int) -> None:
        super().__init__(None, app_port)  # type: ignore[arg-type]

    def command(self) -> list[str]:
        user = "user root;" if os.geteuid() == 0 else ""
        configuration = self.directory / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(own=self.directory, user=user, port=self.port, app=self._app_port)
        )
        return ["-p", str(self.directory), "-c", str(configuration), "-e", "stderr"]

    def ask(self, path: str) -> tuple[str, str | None]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return answer.read().decode(), answer.headers["X-Front"]


class Site:
    def __init__(self) -> None:
        self.app, self.version, self.clock = Flask("site"), 1, FakeClock()
        self.isg = ISG(self.app, store="memory:", enabled=True, clock=self.clock, downstream=1)
        for path, seconds in (("/told", False), ("/timed", 3600), ("/stale", 3600)):
            view = revalidate(seconds)(lambda: f"version {self.version}")
            self.app.add_url_rule(path, path, view)


@pytest.fixture(scope="module")
def site() -> Iterator[Any]:
    site = Site()
    with app_server(site.app) as port:
        site.front = CachingNginx(port)  # type: ignore[attr-defined]
        site.front.start()  # type: ignore[attr-defined]
        try:
            yield site
        finally:
            site.front.close()  # type: ignore[attr-defined]
            site.isg.close(0)


@pytest.mark.parametrize("path", ["/told", "/timed"])
def test_an_old_page_is_not_kept_in_front_for_its_whole_life_once_more(
    site: Any, path: str
) -> None:
    site.version = 1
    site.isg.purge_all()
    client = site.app.test_client()
    client.get(path, base_url="http://site.test/")
    site.clock.advance(3599)
    assert site.front.ask(path) == ("version 1", "MISS")
    assert site.front.ask(path)[0] == "version 1"
    site.version = 2
    site.isg.purge_path(path)
    eventually(lambda: site.front.ask(path)[0] == "version 2", within=60)


def test_a_stale_page_is_kept_in_front_for_a_second(site: Any) -> None:
    site.version = 3
    client = site.app.test_client()
    client.get("/stale", base_url="http://site.test/")
    site.clock.advance(4000)
    site.version = 4
    eventually(lambda: site.front.ask("/stale")[0] == "version 4", within=60)
