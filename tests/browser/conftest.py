"""A real Chromium, and a server for it on loopback.

The browser lives as long as the tests of one module in one process: Playwright's event loop runs in
the main thread meanwhile, where other tests may want one of their own.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from tests.conftest import unavailable

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
#: Milliseconds within which what a test waits for in the browser has to happen.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        unavailable("chromium (make test installs Debian's as root)")
    # Chromium's sandbox needs a user that is not root.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=program, args=options, timeout=5 * PATIENCE
            )
        except Error as error:
            unavailable(f"a chromium that starts: {error.message.splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def open_tab(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open a tab with nothing in its memory; keywords are those of a Playwright context."""
    contexts = []

    def open_tab(**options: Any) -> Page:
        contexts.append(chromium.new_context(**options))
        contexts[-1].set_default_timeout(PATIENCE)
        return contexts[-1].new_page()

    yield open_tab
    for context in contexts:
        context.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Any], str]]:
    """Serve a WSGI app until the test ends; returns its URL, without a slash at its end."""
    servers: list[tuple[BaseWSGIServer, threading.Thread]] = []

    def serve(application: Any) -> str:
        server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        servers.append((server, thread))
        thread.start()
        return f"http://127.0.0.1:{server.port}"

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join(60)
        server.server_close()
