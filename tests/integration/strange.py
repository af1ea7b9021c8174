"""Requests that parsers disagree about, as bytes. `{path}` stands for the page asked for."""

from __future__ import annotations

import socket

from tests.integration.client import HOST

_END = b"\r\n\r\n"
_HOST = f"Host: {HOST}\r\nConnection: close".encode()

#: Targets of a GET.
_TARGETS = (
    "http://evil.example{path}", f"http://{HOST}{{path}}", "https://evil.example{path}", "/{path}",
    "//evil.example{path}", "{path}/", "{path}/.", "{path}/../", "/x/..{path}", "/x/%2e%2e{path}",
    "/%2f{path}", "{path}%2f", "{path}%00", "{path}%00.css", "{path}%0d%0aX-Evil:%201", "{path};x",
    "{path}/evil.css", "{path}%3fx=1", "{path}%23x", "{path}#x", "{path}\\x", "{path}%5c",
    "{path}%ff", "{path}%c3%a9", "{path}?", "{path}?x=evil", "{path}?utm_source=evil",
    "{path}?%75tm_source=evil", "{path}?a=1;utm_source=evil", "{path}?a%00=1", "{path}?isg",
    "{path}?_isg=1&__proto__=1", "{path}?a=\xe9", "{path}?" + "a=1&" * 900, "*", "evil.example:80",
    "{path}?set",
)  # fmt: skip
#: Header lines of a GET; what is repeated is repeated.
_LINES = (
    "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Port: 666", "X-Forwarded-Prefix: /evil", "X-Forwarded-Server: evil.example",
    "X-Forwarded-Scheme: https", "X-Forwarded-Ssl: on", "Forwarded: host=evil.example;proto=https",
    "X_Forwarded_Host: evil.example", "X-Forwarded_Host: evil.example", "Script-Name: /evil",
    "SCRIPT_NAME: /evil", "PATH_INFO: /evil", "Path-Info: /evil", "Remote-User: eve",
    "REMOTE_USER: eve", "Remote-Addr: 6.6.6.6", "X-Real-IP: 6.6.6.6", "X-Original-URL: /evil",
    "X-Rewrite-URL: /evil", "X-HTTP-Method-Override: POST", "X-HTTP-Method: DELETE",
    "X-Method-Override: PUT", "X-Status: 500", "X-Status: 404", "X-Vary: Foo", "X-Vary: *",
    "Cookie: sid=evil", "Cookie: a=1\r\nCookie: sid=evil", "Cookie:\tsid=evil", "cookie: =evil",
    "Authorization: Basic ZXZpbDp4", "authorization:Bearer evil", "Proxy: http://evil.example",
    "Range: bytes=0-3", "Range: bytes=0-0,-1", "Range: bytes=99999999-", "If-Range: evil",
    "If-None-Match: *", 'If-None-Match: "x"', "If-Match: evil", "Expect: 100-continue",
    "If-Modified-Since: Mon, 01 Jan 9999 00:00:00 GMT", "Expect: evil", "Max-Forwards: 0",
    "If-Modified-Since: Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Upgrade: h2c",
    "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 +99999999999999999999",
    "Accept-Encoding: gzip", "Accept-Encoding: evil, *;q=0", "Accept-Language: fr",
    "Cache-Control: no-store", "Cache-Control: only-if-cached", "Cache-Control: max-stale",
    "Pragma: no-cache", "User-Agent: evil", "Origin: http://evil.example", "Referer: http://evil/",
    "Host: evil.example", "Host:", "X-A: 1\r\n folded: evil", "X-A: 1\r\n\tCookie: sid=evil",
    "X-A : 1", " X-A: 1", "X-A: a\x00b", "X-A: a\rCookie: sid=evil", "X-A: a\nCookie: sid=evil",
    "X-\xe9: 1", "X-A: \xff\xfe", "X-ISG-Cache: HIT", "X-ISG-Poll: " + "0" * 40,
    "isgware.render: 1", "Isgware-Render: 1", "Cache-Status: evil; hit", "CDN-Cache-Control: no",
    "X-Big: " + "e" * 5_000, "X-Big: " + "e" * 20_000, "X-Big: " + "e" * 100_000,
    "\r\n".join(f"X-{number}: evil" for number in range(150)), "Connection: X-A, Host",
    "Connection: upgrade, close", "TE: trailers", "Content-Type: application/json", ": evil",
    "Content-Length: 0", "Content-Length: +0", "Content-Length: -1", "Content-Length: 0, 0",
)  # fmt: skip
_METHODS = ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "Get",
            "post", "PURGE", "PROPFIND", "G\xcbT", "GET\x00", "X" * 300)  # fmt: skip
#: What comes after the target, whole.
_LINE = b"GET {path} HTTP/1.1\r\n" + _HOST + b"\r\n"
_EVIL = b"4\r\nevil\r\n0" + _END
_WHOLE = (
    _LINE + b"Content-Length: 9\r\n\r\nname=evil",
    _LINE + b"Content-Length: 4\r\nContent-Length: 9\r\n\r\na=evil123",
    _LINE + b"Transfer-Encoding: chunked\r\n\r\n" + _EVIL,
    _LINE + b"Transfer-Encoding: xchunked\r\n\r\n" + _EVIL,
    _LINE + b"Transfer-Encoding : chunked\r\n\r\n0" + _END,
    _LINE + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + _EVIL
    + b"GET /echo/evil HTTP/1.1\r\nHost: evil.example" + _END,
    b"GET {path} HTTP/1.1\r\nHost: site.example\r\nContent-Length: 0" + _END
    + b"GET {path} HTTP/1.1\r\nHost: site.example\r\nX-Status: 500\r\nCookie: sid=evil" + _END,
    b"GET {path} HTTP/1.0" + _END,
    b"GET {path} HTTP/1.0\r\nHost: evil.example" + _END,
    b"GET {path} HTTP/1.1" + _END,
    b"GET {path} HTTP/2.0\r\n" + _HOST + _END,
    b"GET {path}\r\n",
    b"GET {path} HTTP/1.1\n" + _HOST.replace(b"\r", b"") + b"\n\n",
    b"\r\nGET {path} HTTP/1.1\r\n" + _HOST + _END,
    b"GET  {path} HTTP/1.1\r\n" + _HOST + _END,
    b"GET\t{path}\tHTTP/1.1\r\n" + _HOST + _END,
    b"GET {path} evil HTTP/1.1\r\n" + _HOST + _END,
    b"GET {path} HTTP/1.1\r\n" + _HOST,
    b"PRI * HTTP/2.0\r\n\r\nSM" + _END,
)  # fmt: skip
_HOSTS = (
    "", "evil.example", "site.example:80", "site.example:443", "SITE.example", "site.example.",
    "a:80@evil", "site.example,evil", "site.example evil", "[::1]", "[:::]", "[evil]", "\xe9",
    "site.example/evil", "site.example?evil", "site.example#", "site.example\\", "e" * 300,
)  # fmt: skip


def _get(target: str, *lines: str) -> bytes:
    head = [f"GET {target} HTTP/1.1", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n" + _HOST + _END


def _at(host: str) -> bytes:
    return f"GET {{path}} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1")


REQUESTS: tuple[bytes, ...] = (
    *(_get(target) for target in _TARGETS),
    *(_get("{path}", line) for line in _LINES),
    *(_get("{path}").replace(b"GET", method.encode("latin-1"), 1) for method in _METHODS),
    *(_at(host) for host in _HOSTS),
    *_WHOLE,
)


def send(port: int, data: bytes, *, patience: float = 0.25) -> bytes:
    """What comes back within ``patience`` seconds each; a server may also hang up, or wait."""
    received = bytearray()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.settimeout(patience)
            connection.sendall(data)
            while part := connection.recv(65536):
                received += part
    except OSError:
        pass
    return bytes(received)
