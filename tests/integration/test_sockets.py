"""The wire: clients that go away, HEAD, 304 and connections that are kept, on real servers."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Callable

import pytest

from tests.integration.client import HOST, eventually, exchange
from tests.integration.servers import Serve, Server
from tests.integration.world import World

THREADED = ["gunicorn-gthread", "gunicorn-gevent", "waitress", "granian", "uwsgi"]


def ask(path: str, *, method: str = "GET", close: bool = False, known: str | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
    lines += [f"If-None-Match: {known}"] if known else []
    lines += ["Connection: close"] if close else []
    return "\r\n".join([*lines, "", ""]).encode()


def leave_early(
    server: Server, path: str, *, read: int = 0, once: Callable[[], object] = lambda: True
) -> None:
    """Ask for a page and go away with a reset, as a closed browser tab does."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
        )
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        if read:
            connection.recv(read)
        eventually(once, bool, within=60)


@pytest.mark.parametrize("kind", THREADED)
def test_a_client_that_goes_away_during_a_miss_breaks_nothing(
    kind: str, serve: Serve, world: World
) -> None:
    server = serve(kind)
    world.knob("/page/a", sleep=0.7)
    leave_early(server, "/page/a", once=lambda: world.renders("/page/a"))
    answer = server.get("/page/a")
    assert (answer.status, answer.nonce) == (200, world.renders("/page/a")[0]["nonce"])
    assert (
        eventually(lambda: server.get("/page/a"), lambda it: it.state == "HIT", within=60).nonce
        == answer.nonce
    )
    assert len(world.renders("/page/a")) == 1


@pytest.mark.parametrize("kind", THREADED)
def test_a_client_that_goes_away_in_mid_body_breaks_nothing(
    kind: str, serve: Serve, world: World
) -> None:
    server = serve(kind)
    world.knob("/page/big", size=8_000_000)
    first = server.get("/page/big")
    for _ in range(12):
        leave_early(server, "/page/big", read=1000)
    answer = server.get("/page/big")
    assert (answer.state, answer.nonce) == ("HIT", first.nonce)


@pytest.mark.parametrize("kind", THREADED)
def test_head_is_answered_from_the_page_of_get(kind: str, serve: Serve, world: World) -> None:
    server = serve(kind)
    cold = server.get("/page/a", method="HEAD")
    page = server.get("/page/a")
    warm = server.get("/page/a", method="HEAD")
    assert (cold.status, cold.body, warm.status, warm.body) == (200, b"", 200, b"")
    assert (page.state, warm.state) == ("HIT", "HIT")
    same = ("etag", "content-length", "content-type", "vary", "cache-control")
    assert [warm.headers.get(name) for name in same] == [page.headers.get(name) for name in same]
    assert int(warm.headers["content-length"]) == len(page.body)
    assert len(world.renders("/page/a")) == 1


@pytest.mark.parametrize("kind", THREADED)
def test_a_validator_makes_the_round_trip(kind: str, serve: Serve) -> None:
    server = serve(kind)
    page = server.get("/page/a")
    etag = page.headers["etag"]
    assert etag.startswith('"')
    known = server.get("/page/a", headers={"If-None-Match": etag})
    assert (known.status, known.body, known.headers["etag"]) == (304, b"", etag)
    other = server.get("/page/a", headers={"If-None-Match": '"another"'})
    assert (other.status, other.nonce) == (200, page.nonce)
    server.do("purge_path", "/page/a")
    assert server.get("/page/a", headers={"If-None-Match": etag}).status == 200


@pytest.mark.parametrize("kind", ["gunicorn-gthread", "gunicorn-gevent", "waitress", "granian"])
def test_a_kept_connection_stays_in_step(kind: str, serve: Serve) -> None:
    """After HEAD and 304, which have no body, the next answer begins where it should."""
    server = serve(kind)
    page = server.get("/page/a")
    conditional = {"If-None-Match": page.headers["etag"]}
    asked = [("HEAD", {}), ("GET", conditional), ("GET", {}), ("HEAD", {}), ("GET", {})]
    got = []
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        for method, headers in asked:
            connection.request(method, "/page/a", headers={"Host": HOST, **headers})
            response = connection.getresponse()
            got.append((response.status, response.read()))
    whole = (200, page.body)
    assert got == [(200, b""), (304, b""), whole, (200, b""), whole]


ODD_TARGETS = [
    b"/page/%00", b"/page/%0d%0aX-Evil:1", b"/page/%ff%fe", b"/page/%2e%2e/a", b"//page/a",
    b"/page//a", b"/page/a;b", b"/page/%2fa", b"/page/a%3Fb", b"/page/" + b"a" * 3000,
    b"/page/a?" + b"&".join([b"x=1"] * 500), b"http://other.example/page/a", b"/page/a?q=%ff",
    b"/page/\xc3\xa9",
]  # fmt: skip
ODD_HOSTS = [
    b"",
    b"a,evil",
    b"a:80@evil",
    b"site.example.",
    b"SITE.example",
    b"[::1",
    b"a b",
    b"\xff",
    b"x" * 300,
]


@pytest.mark.parametrize("kind", THREADED)
def test_bad_bytes_get_what_the_bare_site_says_or_a_refusal(kind: str, serve: Serve) -> None:
    served, bare = serve(kind), serve(kind, env={"SITE_BARE": "1"})
    host = HOST.encode()
    requests = [(target, host) for target in ODD_TARGETS] + [(b"/page/a", odd) for odd in ODD_HOSTS]
    for target, name in requests:
        data = b"GET " + target + b" HTTP/1.1\r\nHost: " + name + b"\r\nConnection: close\r\n\r\n"
        ours, plain = (
            exchange(server.port, data).split(b"\r\n", 1)[0] for server in (served, bare)
        )
        assert ours[9:12] in {plain[9:12], b"400"}, (
            f"{target!r} at {name!r}: {ours!r}, without isgware {plain!r}"
        )
    assert served.get("/page/a").status == 200
    assert ("Traceback" in served.stderr()) <= ("Traceback" in bare.stderr())
