"""`isgware.serving.after_answer`: what is rendered behind a visitor's own answer, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from isgware import ISG, Policy, revalidate
from tests.promises.kit import Manual

PLAIN = ("Content-Type", "text/plain")


class Chunks:
    """A body whose length nobody knows."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks

    def close(self) -> None:
        self.closed += 1


class App:
    """Answers with ``body()``; counts its clean-room renders."""

    def __init__(self, body: Callable[[], Any], *headers: tuple[str, str]) -> None:
        self.body = body
        self.headers = [PLAIN, *headers]
        self.renders = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.renders += "isgware.render" in environ
        start_response("200 OK", list(self.headers))
        return self.body()


def generating(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [PLAIN])
    yield b"a"
    yield b"b"


def ask(app: Any, **extra: Any) -> Iterable[bytes]:
    environ = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": "",
        "SERVER_NAME": "site.test", "SERVER_PORT": "80", "wsgi.url_scheme": "http", **extra,
    }  # fmt: skip
    return app(environ, lambda status, headers, exc_info=None: lambda data: None)  # type: ignore[no-any-return]


@pytest.fixture
def later() -> Manual:
    return Manual()


@pytest.fixture(params=["shared", "full"])
def wrap(request: pytest.FixtureRequest, later: Manual) -> Iterator[Callable[..., ISG]]:
    made: list[ISG] = []

    def make(app: Any, **options: Any) -> ISG:
        options = {"revalidate": 60, "cache_control": request.param, **options}
        made.append(ISG(app, store="memory:", executor=later, **options))
        return made[-1]

    yield make
    for isg in made:
        isg.close(0)


def test_what_was_read_to_its_end_is_rendered(wrap: Callable[..., ISG], later: Manual) -> None:
    body = Chunks(b"a", b"b")
    chunks = ask(wrap(App(lambda: body)))
    assert later.jobs == []
    assert b"".join(chunks) == b"ab"
    assert len(later.jobs) == 1
    chunks.close()  # type: ignore[attr-defined]
    assert body.closed == 1


def test_what_its_visitor_has_left_is_not_rendered(wrap: Callable[..., ISG], later: Manual) -> None:
    body = Chunks(b"a", b"b")
    chunks = ask(wrap(App(lambda: body)))
    assert next(iter(chunks)) == b"a"
    chunks.close()  # type: ignore[attr-defined]
    assert (later.jobs, body.closed) == ([], 1)


def test_what_breaks_off_is_not_rendered(wrap: Callable[..., ISG], later: Manual) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"a"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        b"".join(ask(wrap(App(breaking))))
    assert later.jobs == []


def test_an_app_that_is_a_generator_waits_too(wrap: Callable[..., ISG], later: Manual) -> None:
    chunks = iter(ask(wrap(generating)))
    assert (next(chunks), next(chunks), later.jobs) == (b"a", b"b", [])
    assert next(chunks, None) is None
    assert len(later.jobs) == 1


def test_what_says_its_length_is_passed_on_as_it_is(
    wrap: Callable[..., ISG], later: Manual
) -> None:
    body = Chunks(b"a")
    assert ask(wrap(App(lambda: body, ("Content-Length", "1")))) is body
    assert len(later.jobs) == 1


def test_a_list_is_passed_on_as_it_is(wrap: Callable[..., ISG], later: Manual) -> None:
    body = [b"a"]
    assert ask(wrap(App(lambda: body))) is body
    assert len(later.jobs) == 1


def test_a_file_is_left_to_the_server(wrap: Callable[..., ISG], later: Manual) -> None:
    body = Chunks(b"a")
    assert ask(wrap(App(lambda: body)), **{"wsgi.file_wrapper": Chunks}) is body
    assert len(later.jobs) == 1


@pytest.mark.parametrize(
    "media_type", ["text/event-stream", "multipart/x-mixed-replace; boundary=a"]
)
def test_a_stream_by_its_media_type_is_the_apps_own(
    wrap: Callable[..., ISG], later: Manual, media_type: str
) -> None:
    body = Chunks(b"a")
    app = App(lambda: body)
    app.headers = [("Content-Type", media_type)]
    assert ask(wrap(app)) is body
    assert later.jobs == []


def test_a_decorator_that_was_only_met_waits_for_the_end_too(
    wrap: Callable[..., ISG], later: Manual
) -> None:
    view = revalidate(60)(lambda: [b"a"])
    app = App(lambda: Chunks(*view()))

    def decorated(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = app.body()
        start_response("200 OK", [PLAIN])
        return body  # type: ignore[no-any-return]

    chunks = ask(wrap(decorated, revalidate=None))
    assert later.jobs == []
    assert b"".join(chunks) == b"a"
    assert len(later.jobs) == 1


def test_a_declared_stream_is_left_after_its_time_and_is_its_visitors(later: Manual) -> None:
    """A visitor waits for the clean room no longer than ``render_timeout``, if nothing says that
    the page has an end."""
    closed = []

    def lines() -> Iterator[bytes]:
        try:
            while True:
                yield b"line"
        finally:
            closed.append(True)

    app = App(lines)
    isg = ISG(
        app, store="memory:", executor=later, routes={"/": Policy(revalidate=60)},
        render_timeout=0.01, max_page=10**9,
    )  # fmt: skip
    chunks = iter(ask(isg))
    assert next(chunks) == b"line"
    assert (app.renders, closed) == (1, [True])
    isg.close(0)


def test_a_learned_page_that_does_not_end_in_the_clean_room_is_tried_once(later: Manual) -> None:
    renders = 0

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        nonlocal renders
        start_response("200 OK", [PLAIN])
        yield b"line"
        if "isgware.render" in environ:
            renders += 1
            while True:
                yield b""

    isg = ISG(app, store="memory:", executor=later, revalidate=60, render_timeout=0.01)
    for number in range(5):
        assert b"".join(ask(isg, QUERY_STRING=f"visitor={number}")) == b"line"
        later.run()
    assert renders == 1
    isg.close(0)
