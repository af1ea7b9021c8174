"""Plays server and visitor for one quick start: ``python driver.py MODULE:APP OFFSET``.

Reads requests as lines of JSON, writes answers as lines of JSON. Time stands still but for
``{"sleep": seconds}``, and an answer is given when no render is under way any more, as it would be
for somebody who types. It is a process of its own because Django and ``ISG(app)`` are once per
process.
"""

import importlib
import json
import sys
import time
from types import SimpleNamespace
from typing import Any

from werkzeug.test import Client

from isgware import runtime, wsgi
from isgware.regeneration import render_threads as pools


class Clock:
    """Wall-clock time, moved by hand."""

    def __init__(self, offset: float) -> None:
        self.now = time.time() + offset

    def __call__(self) -> float:
        return self.now


def main() -> None:
    name, offset = sys.argv[1:]
    clock = Clock(float(offset))
    wsgi.wall_clock = clock
    runtime.time = SimpleNamespace(**{**vars(time), "time": clock})
    module, _, attribute = name.partition(":")
    client = Client(getattr(importlib.import_module(module), attribute), use_cookies=False)
    for line in sys.stdin:
        asked = json.loads(line)
        clock.now += asked.get("sleep", 0)
        answer = visit(client, **asked["request"]) if "request" in asked else None
        settle()
        print(json.dumps(answer), flush=True)


def visit(client: Client, **request: Any) -> dict[str, Any]:
    response = client.open(**request, buffered=True)
    head = [
        f"HTTP/1.1 {response.status}",
        *(f"{name}: {value}" for name, value in response.headers),
    ]
    return {"head": head, "body": response.get_data(as_text=True)}


def settle() -> None:
    deadline = time.monotonic() + 60
    while any(pool.waiting or pool._busy() for pool in pools._pools):
        if time.monotonic() > deadline:
            raise TimeoutError("a background render does not end")
        time.sleep(0.01)


if __name__ == "__main__":
    main()
