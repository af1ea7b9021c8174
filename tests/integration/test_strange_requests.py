"""P1 on the wire: servers read the same bytes differently, and no reading changes a stored page.

Each request comes first to a page of its own, and again when that is stored. In between, plain
visitors get what the bare app says to a plain request.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from isgware.version import VERSION
from tests.integration.client import HOST, Answer
from tests.integration.servers import Serve
from tests.integration.strange import REQUESTS, send
from tests.promises.kit import call, environ_of
from tests.promises.strange import honest

KINDS = ["waitress", "gunicorn-sync", "gunicorn-gevent", "uwsgi", "wsgiref", "granian"]


def clean(path: str) -> bytes:
    """What the app says in the clean room, to a request for ``path`` and nothing else."""
    told = {
        "HTTP_ACCEPT_ENCODING": "identity",
        "HTTP_HOST": HOST,
        "HTTP_USER_AGENT": f"isgware/{VERSION}",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "REMOTE_ADDR": "192.0.2.1",
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "body": "",
        "wsgi.url_scheme": "http",
    }
    return json.dumps(told, sort_keys=True).encode()


def bare(path: str) -> bytes:
    """What the app says that is kept from visitors' own requests, to a plain one."""
    return call(honest, environ_of(path, host=HOST)).body


@pytest.mark.parametrize(("prefix", "expected"), [("/echo", clean), ("/free", bare)])
@pytest.mark.parametrize("kind", KINDS)
def test_no_bytes_change_what_a_plain_visitor_gets(
    kind: str, prefix: str, expected, serve: Serve
) -> None:
    server = serve(kind, app="echo", threads=4)

    def haunt(number: int) -> tuple[str, bytes, list[Answer], bytes]:
        path = f"{prefix}/{number}"
        data = REQUESTS[number].replace(b"{path}", path.encode())
        answers = []
        for _ in range(2):
            said = send(server.port, data)
            answers += [server.get(path) for _ in range(2)]
        return path, data, answers, said

    with ThreadPoolExecutor(4) as pool:
        haunted = list(pool.map(haunt, range(len(REQUESTS))))
    for path, data, answers, said in haunted:
        for answer in answers:
            assert (answer.status, answer.body) == (200, expected(path)), data[:300]
        assert answers[-1].state == "HIT", data[:300]
        assert b"X-Evil" not in said.split(b"\r\n\r\n")[0], data[:300]
    said_aloud = server.stderr()
    if kind != "wsgiref":  # which tells of every client that goes away
        assert "Traceback" not in said_aloud, said_aloud.partition("Traceback")[2][:3500]
