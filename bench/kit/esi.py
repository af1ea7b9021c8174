"""Servers for a page with two personal pieces: one app alone, and behind Varnish with ESI."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.contenders import free_port
from bench.kit.machine import program, settle

#: The page is everybody's and loses its cookie; what it includes is asked for with it, each time.
VCL: Final = """\
vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "%d"; }
sub vcl_recv {
    if (req.esi_level == 0) {
        set req.http.X-Cookie = req.http.Cookie;
        unset req.http.Cookie;
        return (hash);
    }
    if (req.http.X-Cookie) {
        set req.http.Cookie = req.http.X-Cookie;
    }
    return (pass);
}
sub vcl_backend_response {
    if (bereq.url == "/esi") {
        unset beresp.http.Set-Cookie;
        unset beresp.http.Vary;
        set beresp.do_esi = true;
        set beresp.ttl = 1h;
    }
}
"""


@contextlib.contextmanager
def app_server(factory: str) -> Iterator[tuple[int, int]]:
    """Process id and port of one granian process that serves what ``factory`` makes."""
    port = free_port()
    command = [
        sys.executable, "-m", "granian", factory, "--factory", "--interface", "wsgi", "--host",
        "127.0.0.1", "--port", str(port), "--workers", "1", "--runtime-threads", "1",
        "--blocking-threads", "1", "--http", "1", "--no-ws", "--log-level", "critical",
    ]  # fmt: skip
    with _running(command, port) as pid:
        yield pid, port


@contextlib.contextmanager
def varnish(origin: int) -> Iterator[tuple[int, int]]:
    """Process id and port of a Varnish in front of the port ``origin``."""
    found = program("varnishd")
    assert found is not None
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "site.vcl").write_text(VCL % origin)
        command = [
            found, "-F", "-j", "none", "-a", f"127.0.0.1:{port}", "-f", f"{directory}/site.vcl",
            "-n", f"{directory}/varnish", "-s", "malloc,64m",
        ]  # fmt: skip
        with _running(command, port) as pid:
            yield pid, port


@contextlib.contextmanager
def _running(command: list[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ),
        preexec_fn=lambda: settle(0),
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while not _answers(port):
            if time.monotonic() > until or process.poll() is not None:
                raise SystemExit(f"{command[0]} did not begin to answer.")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        ask(http.client.HTTPConnection("127.0.0.1", port, timeout=10), "/empty", "")
        return True
    return False


def ask(connection: http.client.HTTPConnection, path: str, cookie: str) -> bytes:
    """The body of an answer. Raises `SystemExit` for an error."""
    connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path} answered {answer.status}.")
    return body
