"""Requests as no browser sends them, and apps that tell all they are told."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from tests.promises.kit import environ_of

HOSTILE = [
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "Forwarded",
    "X-Forwarded-Prefix",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-Method",
    "Authorization",
    "Cookie",
    "If-None-Match",
    "If-Modified-Since",
    "Accept-Encoding",
    "Range",
    "Accept-Language",
    "Accept",
    "User-Agent",
    "Origin",
    "Referer",
    "X-Status",
    "X-Vary",
    "X-Foo",
    "X-ISG-Cache",
    "X-Isgware-Render",
    "Isgware-Render",
    "Isgware.Render",
    "Purpose",
    "X-Middleware",
    "Sec-Fetch-Mode",
    "Expect",
    "Connection",
    "Transfer-Encoding",
    "Upgrade",
    "Max-Forwards",
    "X-Real-IP",
    "Content-Type",
    "Cache-Control",
    "Pragma",
    "Host",
    "Proxy",
    "X-Nextjs-Data",
    "X-ISG-Poll",
    "If-Match",
    "If-Unmodified-Since",
    "If-Range",
    "Cdn-Cache-Control",
    "X-Set-Cookie",
]
VALUES = st.one_of(
    st.sampled_from(
        ["", "1", "evil.test", "DELETE", "POST", "500", "404", "302", "*", "fr", "gzip"]
    ),
    st.sampled_from(["/admin", "sid=abc", "_ga=1; sid=2", "Basic YTpi", '"x"', "bytes=0-0", "Foo"]),
    st.sampled_from(
        ["max-age=0", "no-store", "only-if-cached", "max-stale", "0" * 40, "100-continue"]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
)
QUERIES = [
    "",
    "utm_source=x",
    "a=1",
    "a=1&utm_x=2",
    "a=1;b=2",
    "a=1&a=2",
    "a=%26b",
    "&",
    "=",
    "_isg=1",
    "isg",
    "set",
    "%75tm_source=x",
]
PATHS = [
    "/page",
    "/page/",
    "/page/x.css",
    "/page;x.css",
    "//page",
    "/page/../page",
    "/Page",
    "/pa\0ge",
]
STRANGE = st.fixed_dictionaries(
    {
        "path": st.sampled_from(["/page"] * 8 + PATHS),
        "query": st.sampled_from([""] * 3 + QUERIES),
        "method": st.sampled_from(
            ["GET"] * 6 + ["HEAD", "POST", "PUT", "OPTIONS", "TRACE", "get", "BREW"]
        ),
        "host": st.sampled_from(
            ["site.test"] * 6
            + ["evil.test", "site.test:80", "SITE.test", "site.test."]
            + ["a:80@evil", "a,evil", ""]
        ),
        "headers": st.dictionaries(st.sampled_from(HOSTILE), VALUES, max_size=5),
        "body": st.sampled_from([b"", b"", b"name=fat", b"{}"]),
        "extra": st.dictionaries(
            st.sampled_from(
                ["REMOTE_USER", "AUTH_TYPE", "SSL_CLIENT_S_DN", "CONTENT_TYPE", "RAW_URI"]
            ),
            st.sampled_from(["", "eve", "text/plain"]),
            max_size=2,
        ),
    }
)


def body_of(environ):
    """Not a byte more than was announced: some servers would wait for it."""
    length = environ.get("CONTENT_LENGTH", "")
    return environ["wsgi.input"].read(int(length) if length.isdigit() else 0).decode("latin-1")


def echo(environ, start_response):
    """Says all it is told, and obeys headers that it should never see in the clean room."""
    told = {name: value for name, value in environ.items() if isinstance(value, str)}
    told["body"] = body_of(environ)
    headers = [("Content-Type", "application/json")]
    if vary := environ.get("HTTP_X_VARY"):
        headers.append(("Vary", vary))
    status = environ.get("HTTP_X_STATUS", "")
    status = f"{status} Odd" if status in ("500", "404", "302") else "200 OK"
    start_response(status, headers)
    return [json.dumps(told, sort_keys=True).encode()]


def request(strange):
    return environ_of(strange["path"], strange["query"], method=strange["method"],
                      host=strange["host"], headers=strange["headers"], body=strange["body"],
                      **strange["extra"])  # fmt: skip


#: What `honest` shows of a request's headers, and says so: these are all that one page may vary by.
NAMED = (
    "Accept-Language", "Cookie", "Origin", "User-Agent", "X-Forwarded-Host",
    "X-HTTP-Method-Override", "X-Status",
)  # fmt: skip


def honest(environ, start_response):
    """Echoes what it may under RFC 9111: what its Vary names, and what no cache may share."""
    told = {name: environ.get("HTTP_" + name.upper().replace("-", "_")) for name in NAMED}
    told["url"] = [environ.get(name, "") for name in ("HTTP_HOST", "PATH_INFO", "QUERY_STRING")]
    told["secrets"] = [environ.get(name) or None for name in ("HTTP_AUTHORIZATION", "REMOTE_USER")]
    told["body"] = body_of(environ)
    headers = [("Vary", ", ".join(NAMED)), ("Cache-Control", "max-age=60"), ("ETag", '"x"')]
    if environ.get("QUERY_STRING") == "set":
        headers.append(("Set-Cookie", "sid=1"))
    status = told["X-Status"] or "200"
    if environ.get("HTTP_IF_NONE_MATCH") == '"x"':
        status = "304"
    known = status in ("200", "500", "404", "302", "304")
    start_response(f"{status} Odd" if known else "200 OK", headers)
    silent = status == "304" or environ["REQUEST_METHOD"] == "HEAD"
    return [] if silent else [json.dumps(told, sort_keys=True).encode()]
