"""Make the pictures in the documentation: ``.venv/bin/python tools/screenshots.py``.

Needs Chromium (`sh tools/servers.sh` installs Debian's) and what ``make test`` installs.
"""

from __future__ import annotations

import html
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

from isgware import ISG, Policy

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
            for picture in (loading_page, build_table):
                print(picture(browser).relative_to(PICTURES.parents[1]))
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
