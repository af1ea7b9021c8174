"""Fork with an `ISG` in the parent, used already or not: both sides must go on regenerating."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from typing import Any

import plain_site
import sitecore
from werkzeug.test import Client

PATH = "/brief/a"
client = Client(plain_site.application)


def get() -> tuple[str | None, dict[str, Any]]:
    response = client.get(PATH, base_url="http://site.example")
    return response.headers.get("X-ISG-Cache"), sitecore.unseal(response.get_data())


def go_round() -> dict[str, Any]:
    """Wait until the page is stale, visit it, wait for the new one: what was seen, who rendered."""
    state, old = get()
    while state == "STALE":
        state, old = get()
    time.sleep(max(0, old["time"] + 1.1 - time.time()))
    state, page = get()
    assert page["nonce"] == old["nonce"], "the page was replaced by somebody else"
    deadline = time.monotonic() + 60
    while page["nonce"] == old["nonce"] and time.monotonic() < deadline:
        time.sleep(0.02)
        after, page = get()
    return {"pid": os.getpid(), "states": [state, after], "renderer": page["pid"]}


def in_child(pipe: int) -> int:
    try:
        os.write(pipe, json.dumps(go_round()).encode())
        return 0
    except BaseException:
        traceback.print_exc()
        return 1


if sys.argv[1] == "after-use":
    get()
    go_round()
reading, writing = os.pipe()
pid = os.fork()
if pid == 0:
    sys.exit(in_child(writing))
os.close(writing)
with os.fdopen(reading) as pipe:
    text = pipe.read()
_, status = os.waitpid(pid, 0)
child = {**json.loads(text or "{}"), "status": status}
print(json.dumps({"child": child, "parent": go_round()}))
