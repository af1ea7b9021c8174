"""``isgware dashboard``: the dashboard on loopback, apart from the site."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

from werkzeug.test import Client

from isgware import ISG, Policy
from isgware.dashboard.loopback import Loopback

SECRET = "a secret of the site's own"


def application(environ: object, start_response: object) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/html")])  # type: ignore[operator]
    return [b"<h1>page</h1>"]


def site(**options: object) -> ISG:
    given = {"store": "memory:", "secret": SECRET, "routes": {"/p": Policy(revalidate=60)}}
    return ISG(application, **(given | options))


def client(isg: ISG) -> tuple[Client, str]:
    loopback = Loopback(isg, app=True, name="shop:app")
    link = loopback.link(80).removeprefix("http://127.0.0.1:80")
    return Client(loopback), link


LOCAL = {"base_url": "http://127.0.0.1:80"}


def test_the_link_logs_in_once_and_the_name_is_shown() -> None:
    browser, link = client(site(secret=None))
    assert browser.get(link, **LOCAL).headers["Location"] == "/_isg/"
    assert "shop:app" in browser.get("/_isg/", **LOCAL).text
    assert browser.get("/", **LOCAL).headers["Location"] == "/_isg/"
    assert "used already" in browser.get(link, **LOCAL).text


def test_a_login_here_opens_nothing_there() -> None:
    isg = site()
    browser, link = client(isg)
    browser.get(link, **LOCAL)
    cookie = browser.get_cookie("isgware_dashboard", "127.0.0.1", "/_isg")
    assert cookie is not None
    there = Client(isg)
    there.set_cookie("isgware_dashboard", cookie.value, path="/_isg")
    assert there.get("/_isg/").status_code == 401


def test_a_short_secret_logs_nobody_in() -> None:
    for secret, status in (("short", 401), (SECRET, 303)):
        browser, _ = client(site(secret=secret))
        token = re.search(r'name="token" value="([^"]+)"', browser.get("/_isg/", **LOCAL).text)
        assert token is not None
        form = {"token": token[1], "secret": secret}
        assert browser.post("/_isg/login", data=form, **LOCAL).status_code == status


def test_other_names_that_lead_here_are_refused() -> None:
    browser, _ = client(site())
    for host in ("evil.example:80", "127.0.0.1.evil.example:80", "127.0.0.1", "[::1]:80"):
        answer = browser.get("/_isg/", environ_overrides={"HTTP_HOST": host})
        assert answer.status_code == 403
    assert browser.get("/_isg/", base_url="http://localhost:8765").status_code == 401


def test_the_command_serves_a_store_until_it_is_told_to_stop(tmp_path: Path) -> None:
    isg = site(store=f"file:{tmp_path}/store", backend_timeout=30.0)
    Client(isg).get("/p")
    isg.close(1)
    command = [sys.executable, "-m", "isgware", "dashboard", f"file:{tmp_path}/store", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            link = serving.stdout.readline().split()[-1]
            browser = urllib.request.build_opener(
                urllib.request.HTTPCookieProcessor(CookieJar()), urllib.request.ProxyHandler({})
            )
            assert "Hit ratio" in browser.open(link, timeout=60).read().decode()
            pages = browser.open(link.split("/login")[0] + "/pages", timeout=60).read().decode()
            assert 'value="/p"' in pages
            assert "Regenerate" not in pages
        finally:
            serving.send_signal(signal.SIGTERM)
        assert serving.wait(60) == 0
