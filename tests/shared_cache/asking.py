"""Plain questions to the scripted origin, for tests that are no tables."""

from __future__ import annotations

from typing import Any

from tests.shared_cache.conftest import InProcess
from tests.shared_cache.script import Seen, Step

CC = "Cache-Control"
TAG = ("ETag", '"a"')


def ask(client: InProcess, *, path: str = "", query: str = "", **headers: str) -> Seen:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return client.ask("GET", f"/script/a{path}", query, named, b"")


def play(client: InProcess, *answers: tuple[tuple[str, str], ...], **given: Any) -> None:
    """The app's answers, one after the other, whoever asks."""
    client.play("a", [Step("asked", answer, **given) for answer in answers])
