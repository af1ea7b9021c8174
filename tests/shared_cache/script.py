"""What the tables of HTTP behaviour are made of: steps, and an app that plays the origin.

A case is a list of steps. Each is a request, what the app would answer to it, and what is expected:
that the app was asked, that it was asked whether a stored response still holds, or that it was not
asked at all. The app goes by the request's ``X-Step``, and counts what reaches it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from werkzeug.http import http_date

ASKED, VALIDATED, CACHED, TIMEOUT = "asked", "validated", "cached", "timeout"
#: The app was asked and failed; ``code`` and ``text`` are what the client sees of it.
FAILED = "failed"
#: A value of seconds is written as a date, so many seconds from the time of the answer.
Value = str | float
Pairs = tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class Step:
    """``after`` seconds, a request, its answer by the app, and what is to come of it.

    ``code``, ``text`` and ``shows`` are what the client must see; a value of ``None`` in ``shows``
    stands for a field that must be absent. ``saw`` is what the app must have been asked with. With
    ``fails`` the app raises.
    """

    expect: str
    answer: Pairs = ()
    status: str = "200 OK"
    body: str | None = None
    asks: tuple[tuple[str, Value], ...] = ()
    method: str = "GET"
    path: str = ""
    query: str = ""
    sends: str = ""
    after: float = 0.0
    code: int | None = None
    text: str | None = None
    shows: dict[str, str | None] = field(default_factory=dict)
    saw: dict[str, str | None] = field(default_factory=dict)
    fails: bool = False


@dataclass(frozen=True)
class Case:
    id: str
    steps: tuple[Step, ...]


def case(id: str, *steps: Step) -> Case:
    return Case(id, steps)


def stored(*answer: tuple[str, Value], **given: Any) -> Step:
    """The first visit: the app answers."""
    return Step(ASKED, answer, **given)


def asked(**given: Any) -> Step:
    """A later visit for which the app has to answer."""
    return Step(ASKED, given.pop("answer", (("Cache-Control", "no-store"),)), **given)


def cached(**given: Any) -> Step:
    """A later visit that is answered from the store."""
    return Step(CACHED, **given)


def validated(*answer: tuple[str, Value], **given: Any) -> Step:
    """A later visit for which the app says that what is stored still holds."""
    return Step(VALIDATED, answer, **given)


def written(pairs: Iterable[tuple[str, Value]], now: float) -> list[tuple[str, str]]:
    return [
        (name, value if isinstance(value, str) else http_date(now + value)) for name, value in pairs
    ]


class Origin:
    """A WSGI app that answers by script. ``now`` tells the time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.scripts: dict[str, list[dict[str, Any]]] = {}
        self.seen: dict[str, list[dict[str, Any]]] = {}

    def play(self, name: str, steps: Iterable[Step]) -> None:
        self.scripts[name] = json.loads(json.dumps([dataclasses.asdict(step) for step in steps]))
        self.seen[name] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        name = environ["PATH_INFO"].split("/")[2]
        steps = self.scripts[name]
        number = int(environ.get("HTTP_X_STEP", len(self.seen[name])))
        step = steps[min(number, len(steps) - 1)]
        told = {key: value for key, value in environ.items() if isinstance(value, str)}
        behind = "HTTP_X_STEP" not in environ  # nobody's request, but isgware's own
        self.seen[name].append({**told, "step": -1 if behind else number})
        if step["fails"]:
            raise RuntimeError("the script says so")
        status, text = step["status"], step["body"]
        if step["expect"] == VALIDATED:
            conditional = "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MODIFIED_SINCE" in environ
            status = "304 Not Modified" if conditional else "500 Not Conditional"
        body = f"body {number}" if text is None else text
        headers = written([(key, value) for key, value in step["answer"]], self.now())
        headers.append(("X-Made-By", str(number)))
        if status[:3] in ("204", "304"):
            start_response(status, headers)
            return []
        if not any(key.lower() == "content-type" for key, _ in headers):
            headers.append(("Content-Type", "text/plain"))
        headers.append(("Content-Length", str(len(body.encode()))))
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body.encode()]


@dataclass(frozen=True)
class Seen:
    """What a client was answered."""

    code: int
    headers: list[tuple[str, str]]
    body: bytes

    def get(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(found) if found else None


class Client(Protocol):
    """However the origin is reached."""

    def play(self, name: str, steps: Iterable[Step]) -> None: ...
    def tick(self, seconds: float) -> None: ...
    def now(self) -> float: ...
    def ask(
        self, method: str, path: str, query: str, headers: list[tuple[str, str]], body: bytes
    ) -> Seen: ...
    def seen(self, name: str) -> list[dict[str, Any]]: ...


def check(client: Client, name: str, steps: tuple[Step, ...]) -> None:
    """Take the steps one by one; fails at the first that comes out otherwise."""
    client.play(name, steps)
    for number, step in enumerate(steps):
        client.tick(step.after)
        before = len(client.seen(name))
        headers = [*written(step.asks, client.now()), ("X-Step", str(number))]
        path = f"/script/{name}{step.path}"
        answer = client.ask(step.method, path, step.query, headers, step.sends.encode())
        reached = [asking for asking in client.seen(name)[before:] if asking["step"] == number]
        judge(number, step, answer, reached)


def judge(number: int, step: Step, answer: Seen, reached: list[dict[str, Any]]) -> None:
    where = f"step {number}: {answer.code} {answer.headers} {answer.body!r}"
    if step.expect == ASKED:
        assert len(reached) == 1, f"the app was asked {len(reached)} times; {where}"
        assert step.fails or answer.get("X-Made-By") == str(number), where
    elif step.expect == VALIDATED:
        assert len(reached) == 1, f"the app was asked {len(reached)} times; {where}"
        assert answer.code < 500, f"not validated; {where}"
    elif step.expect == FAILED:
        assert len(reached) == 1, f"the app was asked {len(reached)} times; {where}"
    elif step.expect == CACHED:
        assert not reached, f"the app was asked; {where}"
    else:
        assert (answer.code, reached) == (504, []), where
    for key, value in step.saw.items():
        assert reached[0].get(key) == value, f"the app saw {key}: {reached[0].get(key)!r}"
    if not step.fails or step.code:
        expected = int(step.status[:3]) if step.expect == ASKED else 200
        expected = 504 if step.expect == TIMEOUT else expected
        assert answer.code == (step.code or expected), where
    if step.text is not None:
        assert answer.body.decode() == step.text, where
    for key, value in step.shows.items():
        assert answer.get(key) == value, f"{key} is {answer.get(key)!r}; {where}"
