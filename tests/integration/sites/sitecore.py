"""What every test site shares: one render, its log, and a layer outside isgware.

A site is told by its environment where it lives: `SITE_WORLD` is a directory with `knobs/` (one
JSON file a page, read at each render: how long it takes, how it fails, what it says), `renders.log`
(a line when a render begins and one when it ends, each appended with one write, so that lines of
several processes never mix) and the store. Only the standard library is imported: the tests read
pages with this module too.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]

REASONS = {
    200: "OK",
    303: "See Other",
    400: "Bad Request",
    404: "Not Found",
    410: "Gone",
    500: "Internal Server Error",
}


def world() -> Path:
    return Path(os.environ["SITE_WORLD"])


def store_url() -> str:
    return os.environ.get("SITE_STORE") or f"file:{world() / 'store'}"


def knob_file(directory: Path, path: str) -> Path:
    return directory / "knobs" / hashlib.sha256(path.encode()).hexdigest()


def knob(path: str) -> dict[str, Any]:
    """What the tests have set for this page, or nothing."""
    try:
        text = knob_file(world(), path).read_text()
    except FileNotFoundError:
        return {}
    values: dict[str, Any] = json.loads(text)
    return values


def log(**fields: Any) -> None:
    line = json.dumps({"pid": os.getpid(), "at": time.time(), **fields}) + "\n"
    descriptor = os.open(world() / "renders.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


Headers = list[tuple[str, str]]


def render(environ: Environ) -> tuple[int, Headers, bytes]:
    """This request's page: status, headers of its own, and a body that carries its checksum."""
    path = environ["PATH_INFO"]
    values = knob(path)
    nonce = uuid.uuid4().hex
    log(event="begin", path=path, nonce=nonce)
    if values.get("sleep"):
        time.sleep(values["sleep"])
    if values.get("until"):
        while not os.path.exists(values["until"]):
            time.sleep(0.01)
    if values.get("raises"):
        raise RuntimeError(f"the knob of {path} says so")
    fields = {
        "path": path,
        "nonce": nonce,
        "pid": os.getpid(),
        "time": time.time(),
        "text": values.get("text", ""),
        "client": environ.get("REMOTE_ADDR", ""),
        "cookie": environ.get("HTTP_COOKIE", ""),
        "probe": environ.get("HTTP_X_PROBE", ""),
        "padding": "x" * values.get("size", 1000),
    }
    log(event="end", path=path, nonce=nonce)
    headers = [(name, value) for name, value in values.get("headers", {}).items()]
    return values.get("status", 200), headers, seal(fields)


def seal(fields: dict[str, Any]) -> bytes:
    text = json.dumps(fields).encode()
    return hashlib.sha256(text).hexdigest().encode() + b"\n" + text


def unseal(body: bytes) -> dict[str, Any]:
    """The fields of a whole body; `AssertionError` for a torn one."""
    digest, _, text = body.partition(b"\n")
    assert digest.decode("latin-1") == hashlib.sha256(text).hexdigest(), (
        f"torn or foreign page: {body[:200]!r}"
    )
    fields: dict[str, Any] = json.loads(text)
    return fields


def answer(
    start_response: StartResponse, status: int, body: bytes, extra: Headers | None = None
) -> list[bytes]:
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *(extra or [])]
    start_response(f"{status} {REASONS.get(status, 'Other')}", headers)
    return [body]


class Outside:
    """The layer around isgware: says which process answered, and calls its verbs there.

    `/-/pid` answers the pid (`?wait`: after a moment, so that other processes get the next one),
    `/-/do?verb=purge_tag&arg=a` calls `isg.purge_tag("a")`, `/-/waiting` answers how many visitors
    wait there for the render of another.
    """

    def __init__(self, application: WSGIApp, isg: Any = None) -> None:
        self.application = application
        self.isg = isg

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/-/pid":
            time.sleep(0.02 if environ["QUERY_STRING"] else 0)
            return answer(start_response, 200, str(os.getpid()).encode())
        if path == "/-/waiting":
            waiting = self.isg.runtime.engine.renderer.flights.waiting
            return answer(start_response, 200, str(waiting).encode())
        if path == "/-/do":
            return answer(
                start_response, 200, json.dumps(self.do(environ["QUERY_STRING"])).encode()
            )
        pid = ("X-Served-By", str(os.getpid()))

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, pid], *rest)

        return self.application(environ, start)

    def do(self, query: str) -> dict[str, Any]:
        asked = urllib.parse.parse_qs(query)
        try:
            result = getattr(self.isg, asked["verb"][0])(*asked.get("arg", []))
            if asked["verb"][0] == "pages":
                result = [page.path for page in result]
        except Exception as error:  # whatever it is, the test wants its name
            return {"error": type(error).__name__, "message": str(error), "pid": os.getpid()}
        return {"result": repr(result), "pid": os.getpid()}
