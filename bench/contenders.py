"""Who takes part in `bench.versus`, and how each is started and stopped."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.kit.load import HOST
from bench.kit.machine import program, settle

BOTH: Final = ("", "gzip")
IDENTITY: Final = ("",)
_TICKS: Final = os.sysconf("SC_CLK_TCK")

NGINX: Final = """\
daemon off;
worker_processes 1;
pid {own}/pid;
error_log stderr crit;
{user}
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {own}/body;
    proxy_temp_path {own}/proxy;
    fastcgi_temp_path {own}/fastcgi;
    scgi_temp_path {own}/scgi;
    uwsgi_temp_path {own}/uwsgi;
    proxy_cache_path {own}/cache keys_zone=pages:1m;
    keepalive_requests 1000000000;
    sendfile on;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{origin};
            proxy_cache pages;
            proxy_cache_valid 200 1h;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Contender:
    """``site``: the function of `bench.sites` that granian serves; ``needs``: the program in front
    of the constant bytes instead; ``encodings``: what it is asked for; ``stores``: whether it has
    the page, and so bears the open loop's rate."""

    name: str
    site: str = ""
    needs: str = ""
    encodings: tuple[str, ...] = BOTH
    stores: bool = True


#: The first is what the others are compared with. nginx and Varnish stand in front of it.
CONTENDERS: Final = (
    Contender("constant bytes", "constant"),
    Contender("isgware, memory:", "isgware_memory"),
    Contender("isgware, file:", "isgware_file"),
    Contender("nginx proxy_cache", needs="nginx"),
    Contender("Varnish", needs="varnishd"),
    Contender("Flask-Caching", "flask_caching", encodings=IDENTITY),
    Contender("Django cache middleware", "django_cache"),
    Contender("Flask, rendered each time", "flask_site", encodings=IDENTITY, stores=False),
)


@dataclass
class Running:
    kind: Contender
    port: int
    process: subprocess.Popen[bytes]

    def cpu(self) -> float:
        """Seconds of CPU of the server's processes so far."""
        return cpu_of(self.process.pid)


def cpu_of(pid: int) -> float:
    """Seconds of CPU so far of a process and all that descend from it."""
    return sum(_ticks(each) for each in _family(pid)) / _TICKS


def _ticks(pid: int) -> int:
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just ended
        return 0
    return int(told[11]) + int(told[12])  # utime and stime


def _family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found += _family(int(stat.parent.name))
    return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _path(name: str) -> str:
    found = program(name)
    assert found is not None, name
    return found


def command(kind: Contender, port: int, directory: str, origin: int) -> list[str]:
    if kind.needs == "nginx":
        own = Path(directory, "nginx")
        own.mkdir()
        user = "user root;" if os.getuid() == 0 else ""
        Path(own, "conf").write_text(NGINX.format(own=own, user=user, port=port, origin=origin))
        return [_path("nginx"), "-p", str(own), "-c", f"{own}/conf"]
    if kind.needs == "varnishd":
        return [
            _path("varnishd"), "-F", "-j", "none", "-a", f"127.0.0.1:{port}",
            "-b", f"127.0.0.1:{origin}", "-n", f"{directory}/varnish", "-s", "malloc,64m",
            "-t", "3600",
            "-p", "http_gzip_support=off",  # keep both encodings, as nginx does, and unpack none
        ]  # fmt: skip
    return [
        sys.executable, "-m", "granian", f"bench.sites:{kind.site}", "--factory", "--interface",
        "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--runtime-threads",
        "1", "--blocking-threads", "1", "--http", "1", "--no-ws", "--log-level", "critical",
    ]  # fmt: skip


@contextlib.contextmanager
def started(kind: Contender, directory: str, before: list[Running]) -> Iterator[Running]:
    """A server that answers and has the page; stopped at the end by its own process id."""
    port = free_port()
    origin = before[0].port if before else 0
    process = subprocess.Popen(
        command(kind, port, directory, origin),
        env={**os.environ, "BENCH_DIRECTORY": directory},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: settle(0),
    )
    try:
        for accept in ("", "gzip", "", "gzip"):  # a miss, which stores the page, and a hit
            _await(port, accept, process, kind.name)
        yield Running(kind, port, process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(port: int, accept: str, process: subprocess.Popen[bytes], name: str) -> None:
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/page", headers={"Host": HOST})
    if accept:
        asked.add_header("Accept-Encoding", accept)
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                answer.read()
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{name} did not begin to answer.")
