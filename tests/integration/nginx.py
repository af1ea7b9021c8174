"""A real nginx with the configuration that the documentation shows, in front of a real app."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from werkzeug.serving import make_server

from tests.stores import Process, eventually

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
_MAIN = """\
daemon off;
worker_processes 1;
pid {own}/pid;
error_log stderr warn;
{user}
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {own}/body;
    proxy_temp_path {own}/proxy;
    fastcgi_temp_path {own}/fastcgi;
    scgi_temp_path {own}/scgi;
    uwsgi_temp_path {own}/uwsgi;
{documented}
}}
"""


_BLOCK = re.compile(
    r"^```\{code-block\} nginx\n:caption: [^\n]*\n\n(.*?)^```", re.MULTILINE | re.DOTALL
)


def documented() -> str:
    """The configuration as the page has it."""
    (block,) = _BLOCK.findall(PAGE.read_text())
    return str(block)


class Nginx(Process):
    """Serves ``tree``, and passes the rest to the app on ``app_port``."""

    program = package = "nginx"

    def __init__(self, tree: Path, app_port: int) -> None:
        super().__init__()
        self._tree = tree
        self._app_port = app_port

    def command(self) -> list[str]:
        text = documented()
        for shown, real in (
            ("/srv/site", str(self._tree)),
            ("listen 80;", f"listen 127.0.0.1:{self.port};"),
            ("127.0.0.1:8000", f"127.0.0.1:{self._app_port}"),
        ):
            assert shown in text
            text = text.replace(shown, real)
        user = "user root;" if os.geteuid() == 0 else ""  # who else may read the test's directory
        configuration = self.directory / "nginx.conf"
        configuration.write_text(_MAIN.format(own=self.directory, user=user, documented=text))
        return ["-p", str(self.directory), "-c", str(configuration), "-e", "stderr"]

    def answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=1),
        ):
            return True
        return False

    def reload(self) -> None:
        """As ``nginx -s reload``: done when a worker with the new configuration has begun."""
        before = self._workers()
        os.kill(self.pid, signal.SIGHUP)
        eventually(lambda: self._workers() and not self._workers() & before, within=60)

    def said(self) -> str:
        return (self.directory / "log").read_text()

    def kill(self) -> None:
        """By SIGTERM: workers outlive a master that is killed."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _workers(self) -> set[int]:
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return {int(pid) for pid in found.split()}


@contextlib.contextmanager
def app_server(app: Any) -> Iterator[int]:
    """``app`` on a free loopback port."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()
