"""The scripted origin of `tests.shared_cache` behind `ISG`, under a clock that the test sets."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.parse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from isgware import ISG
from tests.shared_cache.script import Origin

_now = time.time()


def now() -> float:
    return _now


_origin = Origin(now)


def _bare(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if not path.startswith("/-/"):
        return _origin(environ, start_response)
    _, _, verb, *rest = path.split("/")
    answer = json.dumps(_control(verb, rest, environ)).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [answer]


def _control(verb: str, rest: list[str], environ: dict[str, Any]) -> Any:
    global _now
    if verb == "play":
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        _origin.scripts[rest[0]], _origin.seen[rest[0]] = json.loads(body), []
    elif verb == "seen":
        return _origin.seen[rest[0]]
    elif verb == "tick":
        _now += float(urllib.parse.parse_qs(environ["QUERY_STRING"])["seconds"][0])
        return now()
    return os.getpid()


application = ISG(_bare, store=os.environ["SITE_STORE"], cache_control="full", clock=now)
