"""What the promise tests share: a clock, an executor, a scripted app."""

from __future__ import annotations

import gc
import io
import sys
import threading
import time
import types
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from isgware.core.cache_key import cgi_name

#: Seconds after which a test gives up; nothing takes that long, but for a machine that stalls.
LONG = 60.0
Environ = dict[str, Any]
MARK = "isgware.render"


class Clock:
    """Time stands still until told. ``on_read`` runs whenever somebody looks at it."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now
        self.on_read: Callable[[], None] | None = None

    def __call__(self) -> float:
        if self.on_read is not None:
            self.on_read()
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


class Manual(Executor):
    """Keeps background work until the test runs it."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.jobs.append((future, lambda: fn(*args, **kwargs)))
        return future

    def run(self) -> int:
        """Run all that waits, and what that leads to. Returns how many jobs there were."""
        done = 0
        while self.jobs:
            future, job = self.jobs.pop(0)
            future.set_result(job())
            done += 1
        return done


class Inline(Executor):
    """Runs background work at once, on a thread of its own, and waits for it."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        thread = threading.Thread(target=lambda: future.set_result(fn(*args, **kwargs)))
        thread.start()
        thread.join(LONG)
        return future


@dataclass
class Reply:
    status: str
    headers: list[tuple[str, str]]
    body: bytes
    error: BaseException | None = None

    @property
    def code(self) -> int:
        return int(self.status[:3])

    @property
    def text(self) -> str:
        return self.body.decode()

    def get(self, name: str, default: str = "") -> str:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(found) if found else default

    @property
    def cache(self) -> str:
        """X-ISG-Cache."""
        return self.get("X-ISG-Cache")

    @property
    def detail(self) -> str:
        """``detail=`` of Cache-Status."""
        for part in self.get("Cache-Status").split("; "):
            if part.startswith("detail="):
                return part.removeprefix("detail=")
        return ""


def forget(isg: Any) -> None:
    """Leave a process nothing but the store: it is as one that has just started."""
    isg.runtime.memory.clear()
    isg.runtime.engine.planner.learned_routes._known.clear()


def environ_of(
    path: str = "/", query: str = "", *, method: str = "GET", host: str = "site.test",
    headers: dict[str, str] | None = None, body: bytes = b"", **extra: Any,
) -> Environ:  # fmt: skip
    environ: Environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.9",
        "HTTP_HOST": host,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in (headers or {}).items():
        environ[cgi_name(name)] = value
    environ.update(extra)
    return environ


def visit(app: Any, path: str = "/", query: str = "", **options: Any) -> Reply:
    """One request, read to its end; what the app raises is raised."""
    return call(app, environ_of(path, query, **options))


def call(app: Any, environ: Environ) -> Reply:
    told: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        told.append((status, list(headers)))
        return written.append

    chunks = app(environ, start_response)
    try:
        body = b"".join([*chunks])
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    status, headers = told[-1]
    return Reply(status, headers, b"".join(written) + body)


Answer = tuple[str, list[tuple[str, str]], bytes]
View = Callable[[Environ], Answer]
HTML = ("Content-Type", "text/html; charset=utf-8")


def html(text: str | bytes, *headers: tuple[str, str], status: str = "200 OK") -> Answer:
    body = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return status, [HTML, *headers], body


@dataclass
class Site:
    """A WSGI app of views by path, which keeps what it was asked. Unlisted paths count their
    renders: ``/x #1``, ``/x #2`` …"""

    views: dict[str, View] = field(default_factory=dict)
    seen: list[Environ] = field(default_factory=list)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        self.seen.append(environ)
        path = environ["PATH_INFO"]
        view = self.views.get(path) or self.views.get("*")
        if view is None:
            status, headers, body = html(f"{path} #{len(self.asked(path))}")
        else:
            status, headers, body = view(environ)
        start_response(status, headers)
        return [body]

    def asked(self, path: str) -> list[Environ]:
        return [environ for environ in list(self.seen) if environ["PATH_INFO"] == path]

    def rendered(self, path: str) -> int:
        """How often a page was rendered in the clean room."""
        return sum(MARK in environ for environ in self.asked(path))

    def own(self, path: str) -> int:
        """How often visitors' own requests reached the app."""
        return sum(MARK not in environ for environ in self.asked(path))


def together(count: int, work: Callable[[int], Any], seconds: float = LONG) -> list[Any]:
    """Run ``work(n)`` on threads that start as one. Their results; an exception counts as one."""
    barrier, results = threading.Barrier(count), [None] * count

    def run(number: int) -> None:
        barrier.wait(LONG)
        try:
            results[number] = work(number)
        except BaseException as error:
            results[number] = error  # type: ignore[call-overload]

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
        assert not thread.is_alive(), "a request hangs"
    return results


class Later:
    """Work on a thread of its own; ``result`` waits for what it returns or raises."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._outcome: list[Any] = []
        self._failed = False

        def run() -> None:
            try:
                self._outcome.append(work())
            except BaseException as error:
                self._failed = True
                self._outcome.append(error)

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def result(self, seconds: float = LONG) -> Any:
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "it hangs"
        if self._failed:
            raise self._outcome[0]
        return self._outcome[0]

    @property
    def done(self) -> bool:
        return not self.thread.is_alive()


def eventually(condition: Callable[[], Any], seconds: float = LONG) -> Any:
    """Wait for what happens on other threads."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)
    return value


def just_after_a_look(isg: Any, monkeypatch: Any, happens: Callable[[], Any]) -> None:
    """Let something happen when the next visitor has looked for their page, and not gone on."""
    find = isg.runtime.engine.page_store.find

    def look(*arguments: Any, **options: Any) -> Any:
        found = find(*arguments, **options)
        monkeypatch.setattr(isg.runtime.engine.page_store, "find", find)
        happens()
        return found

    monkeypatch.setattr(isg.runtime.engine.page_store, "find", look)


class Gate:
    """A place in a render where it waits until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def pass_through(self) -> None:
        self.reached.set()
        assert self.open.wait(2 * LONG), "the gate was never opened"

    def wait(self) -> None:
        assert self.reached.wait(LONG), "nobody came to the gate"


def reachable(root: Any) -> Iterator[tuple[Any, str]]:
    """Every object that hangs on ``root``, with the types on the way; code and threads aside."""
    skipped = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType,
               Site, Clock, threading.Thread)  # fmt: skip
    seen: set[int] = set()
    pending = [(root, type(root).__name__)]
    while pending:
        here, name = pending.pop()
        if id(here) in seen or isinstance(here, skipped):
            continue
        seen.add(id(here))
        yield here, name
        pending += [(child, f"{name}.{type(child).__name__}") for child in gc.get_referents(here)]
