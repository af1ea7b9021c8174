"""A small HTTP client: one connection a request, every answer timed and checked for wholeness."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.integration.sites import sitecore

HOST = "site.example"
"""The Host every client says, so that servers on different ports serve the same pages."""

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float
    page: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def state(self) -> str | None:
        return self.headers.get("x-isg-cache")

    @property
    def nonce(self) -> str:
        nonce: str = self.page["nonce"]
        return nonce

    @property
    def served_by(self) -> int:
        return int(self.headers["x-served-by"])


def request(
    port: int,
    path: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 90,
) -> Answer:
    """One request over one connection. A page that is not whole fails the test here."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    started = time.monotonic()
    try:
        connection.request(
            method,
            path,
            body=body,
            headers={"Host": HOST, "Connection": "close", **(headers or {})},
        )
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    seconds = time.monotonic() - started
    named = {name.lower(): value for name, value in response.getheaders()}
    sealed = method == "GET" and len(content) > 65 and content[64:65] == b"\n"
    if (
        method == "GET"
        and response.status == 200
        and path.startswith(("/page/", "/brief/", "/kept/", "/open/"))
    ):
        assert sealed, f"{path} answered 200 with no whole page: {content[:200]!r}"
    return Answer(
        response.status, named, content, seconds, sitecore.unseal(content) if sealed else {}
    )


def exchange(port: int, data: bytes, *, timeout: float = 90) -> bytes:
    """Everything the server answers to these bytes until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(data)
        received = bytearray()
        while part := connection.recv(65536):
            received += part
    return bytes(received)


def herd(call: Callable[[], Answer], *, clients: int, requests: int) -> list[Answer]:
    """The answers to `requests` calls made by `clients` threads at once."""

    def visit(count: int) -> list[Answer]:
        return [call() for _ in range(count)]

    shares = [requests // clients + (number < requests % clients) for number in range(clients)]
    with ThreadPoolExecutor(clients) as pool:
        return [answer for answers in pool.map(visit, shares) for answer in answers]


def eventually(
    call: Callable[[], T], accept: Callable[[T], bool], *, within: float, every: float = 0.05
) -> T:
    """The first result of `call` that is accepted; fails, with the last one, when time is up."""
    deadline = time.monotonic() + within
    while not accept(result := call()):
        assert time.monotonic() < deadline, f"not within {within} s; the last was {result!r}"
        time.sleep(every)
    return result


def usual(answers: Iterable[Answer]) -> float:
    """Seconds that three of four answers took at most; a machine that stalls spoils some."""
    seconds = sorted(answer.seconds for answer in answers)
    return seconds[len(seconds) * 3 // 4]


def states(answers: Iterable[Answer]) -> set[str | None]:
    return {answer.state for answer in answers}


def nonces(answers: Iterable[Answer]) -> set[str]:
    return {answer.nonce for answer in answers}
