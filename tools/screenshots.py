"""Make the pictures in the documentation: ``.venv/bin/python tools/screenshots.py``.

Needs Chromium (`sh tools/servers.sh` installs Debian's) and what ``make test`` installs.
"""

from __future__ import annotations

import html
import math
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server
from werkzeug.test import Client

from isgware import ISG, Policy, RegenerationError
from isgware.core import series

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "_static"
WIDTH, HEIGHT = 640, 240
TERMINAL = """
body { margin: 0 }
pre { margin: 0; padding: 14px 18px; width: max-content; background: #1d2433; color: #e8e6e0;
  font: 13px/1.45 "DejaVu Sans Mono", monospace }
"""


def main() -> None:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("No chromium is installed; sh tools/servers.sh installs Debian's.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            for file in (loading_page(browser), build_table(browser), *dashboard(browser)):
                print(file.relative_to(PICTURES.parents[1]))
        finally:
            browser.close()


def loading_page(browser: Browser) -> Path:
    """The built-in loading page, while a render goes on."""
    done = threading.Event()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        done.wait(30)
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"<h1>The page</h1>"]

    policy = Policy(revalidate=60, fallback="loading")
    isg = ISG(app, store="memory:", routes={"/": policy})
    file = PICTURES / "loading.png"
    try:
        with served(isg) as url:
            page = browser.new_page(
                viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce"
            )
            page.goto(url)
            page.screenshot(path=file)
            done.set()
            page.get_by_text("The page").wait_for()
            page.close()
    finally:
        done.set()
        isg.close(1)
    return file


#: A shop whose routes are of each kind that the table knows.
SHOP = """
import time

from flask import Flask, request
from isgware import revalidate
from isgware.flask import ISG

app = Flask("shop")
ISG(app, base_url="https://shop.example")
LINE = "<p>A line of text that says something about a thing that is for sale.</p>"


@app.get("/")
@revalidate(600)
def home():
    return LINE * 40


@app.get("/terms")
@revalidate(False)
def terms():
    return LINE * 200


@app.get("/products/<int:id>")
@revalidate(3600, expire=86400, paths=lambda: ({"id": id} for id in range(1, 241)))
def product(id):
    if id % 100 == 42:
        time.sleep(0.6)
    return LINE * (20 + id % 30)


@app.get("/brands/<name>")
@revalidate(3600, fallback="loading")
def brand(name):
    return LINE


@app.get("/basket")
def basket():
    return request.cookies.get("basket", "")
"""


def build_table(browser: Browser) -> Path:
    """What ``isgware build`` prints."""
    program = Path(sys.executable).with_name("isgware")
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "shop.py").write_text(SHOP)
        done = subprocess.run(
            [program, "build", "shop:app"],
            cwd=directory,
            capture_output=True,
            text=True,
            check=True,
        )
    text = "$ isgware build shop:app\n" + done.stdout.replace("\n\n\n", "\n\n")
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.set_content(f"<style>{TERMINAL}</style><pre>{html.escape(text.rstrip())}</pre>")
    file = PICTURES / "build.png"
    page.locator("pre").screenshot(path=file)
    page.close()
    return file


SECRET = "of the pictures, and of no site"


def dashboard(browser: Browser) -> Iterator[Path]:
    """The dashboard of a shop that has been visited for two hours."""
    policies = {
        "/": Policy(revalidate=60),
        "/products/<id>": Policy(revalidate=3600, tags=["products", "product:{id}"]),
        "/brands/<name>": Policy(revalidate=600, tags=["brands"]),
        "/basket": Policy(revalidate=60),
        "/stock": Policy(revalidate=10),
    }
    isg = ISG(_shop, store="memory:", secret=SECRET, routes=policies)
    client = Client(isg)
    for number in range(240):
        client.get(f"/products/{number}")
    for path in ("/", "/basket", "/stock", "/brands/acme", "/brands/initech"):
        client.get(path)
    _visited(isg, list(policies))
    with suppress(RegenerationError):
        client.get("/stock?broken")
        isg.regenerate("/stock?broken")
    try:
        with served(isg) as url:
            for scheme, path, name in (
                ("light", "", "dashboard"),
                ("dark", "", "dashboard-dark"),
                ("light", "routes", "dashboard-routes"),
            ):
                page = browser.new_page(
                    viewport={"width": 1200, "height": 700},
                    color_scheme=scheme,  # type: ignore[arg-type]
                )
                page.goto(f"{url}_isg/{path}")
                page.get_by_label("Secret").fill(SECRET)
                page.get_by_role("button", name="Log in").click()
                page.get_by_role("heading", level=1).wait_for()
                page.wait_for_load_state()
                yield _screenshot(page, name)
                page.close()
    finally:
        isg.close(1)


def _screenshot(page: Page, name: str) -> Path:
    file = PICTURES / f"{name}.png"
    page.screenshot(path=file, full_page=True)
    return file


def _shop(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path, headers = environ["PATH_INFO"], [("Content-Type", "text/html")]
    if path == "/basket":
        headers.append(("Set-Cookie", "basket=1"))
    if environ["QUERY_STRING"] == "broken" and path in _SEEN:
        raise ConnectionError("the warehouse does not answer")
    _SEEN.add(environ["QUERY_STRING"] and path)
    start_response("200 OK", headers)
    return [LINE * 40]


LINE = b"<p>A line of text that says something about a thing that is for sale.</p>"
_SEEN: set[str] = set()


def _visited(isg: ISG, routes: list[str]) -> None:
    """What two hours of visitors leave in the counts."""
    chosen, store, now = random.Random(2), isg.runtime.store, time.time()
    shares = dict(zip(routes, (5.0, 8.0, 3.0, 0.4, 2.0), strict=True))
    for minute in range(120, 0, -1):
        load = 60 + 30 * math.sin(minute / 19) + 20 * chosen.random()
        cold = 0.35 if 62 <= minute <= 66 else 0.0  # a release
        amounts: dict[str, float] = {
            series.name_of(series.REQUESTS, "undeclared", "pass", ""): load
        }
        for route, share in shares.items():
            _count(amounts, route, int(load * share), cold + 0.03 + 0.05 * chosen.random(), chosen)
        store.add_counts("pictures", 121 - minute, amounts, now - 60 * minute)


def _count(
    amounts: dict[str, float], route: str, asked: int, cold: float, chosen: random.Random
) -> None:
    if route == "/basket":
        amounts[series.name_of(series.REQUESTS, route, "bypass", "set-cookie")] = asked
        return
    missed = int(asked * cold)
    results = {"hit": asked - missed - missed // 3, "stale": missed // 3, "miss": missed}
    for result, amount in results.items():
        amounts[series.name_of(series.REQUESTS, route, result, "")] = amount
    renders = max(1, missed // 2)
    amounts[series.name_of(series.RENDERS, route, "rendered")] = renders
    amounts[series.name_of(series.UNCHANGED, route)] = renders if route == "/" else renders // 4
    amounts[series.name_of(series.SAVED, route)] = 0.07 * (asked - missed)
    for _ in range(renders):
        seconds = chosen.lognormvariate(-3.2, 0.8)
        bucket = series.name_of(series.RENDER_BUCKET, route, series.bound_of(seconds))
        total = series.name_of(series.RENDER_SECONDS, route)
        amounts[bucket] = amounts.get(bucket, 0) + 1
        amounts[total] = amounts.get(total, 0) + seconds


@contextmanager
def served(application: Any) -> Iterator[str]:
    """A server on loopback, for as long as a picture takes."""
    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}/"
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
