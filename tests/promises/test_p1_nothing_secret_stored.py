"""Nothing that was secret of a visitor, or of ours, lies in the store: not in a page, a note, a key
that can be read, or what the database keeps beside its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from isgware import ISG, Policy
from tests.promises.kit import Clock, Inline, call, environ_of, html, visit
from tests.promises.strange import echo, honest

SECRET = "sesame"
OURS = f"ours-and-longer-{SECRET}"
#: Each as it would be found: `SECRET` is part of it.
HEADERS = {
    "Cookie": f"sid={SECRET}; isgware_draft=1.{SECRET}", "Authorization": f"Bearer {SECRET}",
    "X-Api-Key": SECRET, "Proxy-Authorization": f"Basic {SECRET}", "X-Forwarded-For": SECRET,
    "Referer": f"http://site.test/?token={SECRET}", "User-Agent": SECRET,
}  # fmt: skip
KINDS = {
    "declared": {"routes": {"/<path:x>": Policy(revalidate=60)}},
    "loading": {"routes": {"/<path:x>": Policy(revalidate=60, fallback="loading")}},
    "learned": {"revalidate": 60},
    "full": {"cache_control": "full"},
}


def stored_bytes(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


def fails(environ, start_response):
    """Raises what it was told, answers errors with it, or sets it as a cookie."""
    told = " ".join(str(value) for value in environ.values())
    if environ["PATH_INFO"] == "/raises":
        raise RuntimeError(told)
    cookie = ("Set-Cookie", f"sid={environ.get('HTTP_COOKIE', '')}")
    cookies = [cookie] if environ["PATH_INFO"] == "/sets" else []
    status, headers, body = html(told, *cookies, status="500 No" if not cookies else "200 OK")
    start_response(status, headers)
    return [body]


@pytest.mark.parametrize("kind", KINDS)
def test_p1_no_secret_of_a_visitor_lies_in_the_store(kind, tmp_path):
    clock = Clock()
    for number, app in enumerate((honest if kind == "full" else echo, fails)):
        directory = tmp_path / str(number)
        isg = ISG(app, store=f"file:{directory}", clock=clock, executor=Inline(),
                  secret=OURS, compress=False, **KINDS[kind])  # fmt: skip
        for path in ("/page", "/raises", "/sets", "/fails"):
            for name, value in (*HEADERS.items(), ("X-Nothing", "")):
                for extra in ({}, {"REMOTE_USER": SECRET, "REMOTE_ADDR": SECRET}):
                    if name == "User-Agent" and kind == "full":
                        continue  # which `honest` says that it varies by
                    for method in ("GET", "POST"):
                        environ = environ_of(path, method=method, headers={name: value},
                                             body=SECRET.encode(), **extra)  # fmt: skip
                        try:
                            call(isg, environ)
                        except RuntimeError:
                            pass
                    clock.tick(20)
        visit(isg, "/page")
        visit(isg, "/page")
        told = {"headers": {"Authorization": f"Bearer {OURS}"}, "method": "POST"}
        assert visit(isg, "/_isg/draft", **told).code == 200
        assert visit(isg, "/_isg/revalidate", f"secret={OURS}&tag=t", method="POST").code == 200
        isg.runtime.engine.page_store.flush_recency()
        kept = stored_bytes(directory)
        isg.close(1)
        kept += stored_bytes(directory)
        assert b"/page" in kept or app is fails
        assert SECRET.encode() not in kept
