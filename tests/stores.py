"""Real Redis and Memcached servers on free loopback ports, each ended by the pid it began with."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.conftest import unavailable

STARTS_WITHIN = 180.0


def free_port() -> int:
    """One that the system gives to nobody by itself, before a server binds it or while that is
    restarted."""
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def listens(pid: int, port: int) -> bool:
    """Whether it is this process that has the port: another may have been faster to bind it."""
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    wanted = {
        f"socket:[{fields[9]}]" for fields in sockets
        if fields[3] == "0A" and fields[1].endswith(f":{port:04X}")
    }  # fmt: skip
    with contextlib.suppress(OSError):  # it has ended meanwhile
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):  # closed meanwhile
                if os.readlink(f"/proc/{pid}/fd/{descriptor}") in wanted:
                    return True
    return False


class Process:
    """A server's process: started, stopped (SIGSTOP), continued, killed, started again."""

    program = ""

    def __init__(self) -> None:
        found = shutil.which(self.program, path=os.environ.get("PATH", "") + ":/usr/sbin")
        if found is None:
            unavailable(f"{self.program} is not installed (Debian: {self.package})")
        self._path = found
        self.directory = Path(tempfile.mkdtemp(prefix="isgware-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    package = ""

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        for _ in range(5):
            with (self.directory / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    [self._path, *self.command()], cwd=self.directory, stdout=log, stderr=log,
                    stdin=subprocess.DEVNULL,
                )  # fmt: skip
            deadline = time.monotonic() + STARTS_WITHIN
            while time.monotonic() < deadline and self._process.poll() is None:
                if self.answers() and listens(self._process.pid, self.port):
                    return
                time.sleep(0.01)
            self.kill()
            self.port = free_port()  # somebody else was faster to bind it
        raise AssertionError((self.directory / "log").read_text())

    def suspend(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        eventually(self._is_stopped, within=60)  # a signal may take its time on a busy machine

    def _is_stopped(self) -> bool:
        """Whether every thread of the server stands still."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/stat")
        return all(task.read_text().rpartition(")")[2].split()[0] == "T" for task in tasks)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Redis(Process):
    """A redis-server. ``extra``: arguments of its command line."""

    program, package = "redis-server", "redis-server"

    def __init__(self, *extra: str) -> None:
        super().__init__()
        self.extra = extra

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket(self) -> Path:
        return self.directory / "s"

    def command(self) -> list[str]:
        return [
            "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory),
            "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no",
            "--enable-debug-command", "yes", *self.extra,
        ]  # fmt: skip

    def answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection,
        ):
            connection.sendall(b"PING\r\n")
            return bool(connection.recv(64))
        return False

    def client(self, **options: Any) -> Any:
        """A client of the test's own."""
        import redis

        return redis.Redis(port=self.port, socket_timeout=60, **options)


class SentinelServer(Redis):
    """A Sentinel that watches a master, and alone decides that another takes over."""

    def __init__(self, master: Redis) -> None:
        super().__init__()
        self._master = master

    def command(self) -> list[str]:
        config = self.directory / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self.directory}\n"
            f"sentinel monitor site 127.0.0.1 {self._master.port} 1\n"
            "sentinel down-after-milliseconds site 500\nsentinel failover-timeout site 2000\n"
        )
        return [str(config), "--sentinel"]


class Memcached(Process):
    program = package = "memcached"

    @property
    def url(self) -> str:
        return f"memcached://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        return ["-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-m", "64", "-c", "100", *user]

    def answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection,
        ):
            connection.sendall(b"version\r\n")
            return bool(connection.recv(64))
        return False


@contextlib.contextmanager
def running(server: Any) -> Iterator[Any]:
    try:
        server.start()
        yield server
    finally:
        server.close()


class Proxy:
    """A TCP proxy on loopback: passes on after ``delay`` seconds, or, when ``silent``, never.
    With ``deaf`` it lets nobody subscribe; when ``trickling`` it takes 12 s for a megabyte."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.delay = 0.0
        self.silent = self.deaf = self.trickling = False
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def cut(self) -> None:
        """Break all connections."""
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join(60)
        self._listener.close()

    def _start(self, work: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    client.close()
                    continue
                self._open += [client, server]
                self._start(self._pass, client, server, True)
                self._start(self._pass, server, client, False)

    def _pass(self, source: socket.socket, sink: socket.socket, up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if up and self.deaf and b"SUBSCRIBE" in data:
                    break
                if not up and self.delay:
                    time.sleep(self.delay)
                if not up and self.trickling and len(data) > 1_000:
                    for start in range(0, len(data), 4_000):
                        sink.sendall(data[start : start + 4_000])
                        time.sleep(0.05)
                elif not self.silent:
                    sink.sendall(data)
        for one in (source, sink):  # wakes the thread of the other direction
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        source.close()


def in_time(seconds: float, work: Callable[[], object], tries: int = 20) -> None:
    """Do ``work`` until it took less than ``seconds``. A machine that stalls spoils some tries;
    work that takes too long by itself, all of them."""
    for _ in range(tries):
        started = time.monotonic()
        work()
        took = time.monotonic() - started
        if took < seconds:
            return
    raise AssertionError(f"never within {seconds} s; the last time it took {took:.3f} s")


def eventually(true: Any, within: float) -> float:
    """Seconds until ``true()`` was. Fails if that took longer than ``within``."""
    started = time.monotonic()
    while not true():
        took = time.monotonic() - started
        assert took < within, f"not within {within} s"
        time.sleep(0.002)
    return time.monotonic() - started
