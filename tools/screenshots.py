"""Make the pictures in the documentation: ``.venv/bin/python tools/screenshots.py``.

Needs Chromium (`sh tools/servers.sh` installs Debian's) and what ``make test`` installs.
"""

from __future__ import annotations

import shutil
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


def main() -> None:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("No chromium is installed; sh tools/servers.sh installs Debian's.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            for picture in (loading_page,):
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
