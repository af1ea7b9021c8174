"""What is counted of an answer by its own headers."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client

from isgware import ISG, Policy
from isgware.core.series import REQUESTS, parts_of
from isgware.serving.counted_answers import told_by
from tests.promises.kit import Clock, Manual


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ([], ("pass", "")),
        ([("X-ISG-Cache", "HIT"), ("Cache-Status", "isgware; hit; ttl=41")], ("hit", "")),
        (
            [("X-ISG-Cache", "BYPASS"), ("Cache-Status", "isgware; fwd=bypass; detail=cookie")],
            ("bypass", "cookie"),
        ),
        ([("X-ISG-Cache", "anything"), ("Cache-Status", "Nginx; hit")], ("pass", "")),
        ([("Cache-Status", 'isgware; fwd=miss; detail="status-403"')], ("pass", "status-403")),
    ],
)
def test_result_and_reason_are_those_of_the_headers(
    headers: list[tuple[str, str]], told: tuple[str, str]
) -> None:
    assert told_by(headers) == told


def test_methods_are_counted_together_whatever_they_are_called() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("204 No Content", [])
        return []

    isg = ISG(app, store="memory:", enabled=True, routes={"/": Policy(revalidate=60)})
    for method in ("POST", "PUT", "MKCOL"):
        Client(isg).open("/", method=method)
    isg.runtime.counts.flush()
    counts = {parts_of(name): amount for _, name, amount in isg.runtime.store.counts(0, 0.0)}
    found = {parts[1:]: amount for parts, amount in counts.items() if parts[0] == REQUESTS}
    assert found == {("/", "bypass", "method"): 3}
    isg.close(0)


@pytest.mark.parametrize("nonce", [False, True], ids=["plain", "filled"])
def test_a_stored_page_that_is_fetched_ahead_is_a_prefetch(nonce: bool) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        policy = [("Content-Security-Policy", f"script-src 'nonce-{'n' * 16}'")] if nonce else []
        start_response("200 OK", [("Content-Type", "text/html"), *policy])
        return [b"page"]

    clock = Clock()
    isg = ISG(app, store="memory:", enabled=True, clock=clock, executor=Manual(),
              routes={"/<p>": Policy(revalidate=60)})  # fmt: skip
    client, ahead = Client(isg), {"Sec-Purpose": "prefetch;prerender"}
    client.get("/p", headers=ahead)  # rendered for it: a miss
    for headers in (ahead, ahead, {}, {"Sec-Purpose": "other"}, ahead | {"Range": "bytes=0-1"}):
        client.get("/p", headers=headers)
    clock.now += 61
    for _ in range(2):  # stale, and stale from what is prepared
        client.get("/p", headers=ahead)
    isg.runtime.counts.flush()
    counts = {parts_of(name): amount for _, name, amount in isg.runtime.store.counts(0, 0.0)}
    found = {parts[2]: amount for parts, amount in counts.items() if parts[0] == REQUESTS}
    assert found == {"miss": 1, "prefetch": 5, "filled" if nonce else "hit": 2}
    isg.close(0)
