"""`isgware.rendering.clean_room.capture`: one whole response of a WSGI app, or none (PEP 3333)."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import pytest

from isgware.core.storable import Response
from isgware.rendering.clean_room import GIVEN_UP, BrokenResponse, Unfit, WSGIApp, capture

HTML = ("Content-Type", "text/html")
OK = ("200 OK", [HTML])


class Body:
    """An iterable that counts how often it is closed, and may raise when it is."""

    def __init__(self, chunks: Iterable[Any], error: Exception | None = None) -> None:
        self._chunks = chunks
        self._error = error
        self.closed = 0
        self.taken = 0

    def __iter__(self) -> Iterator[Any]:
        for chunk in self._chunks:
            self.taken += 1
            yield chunk

    def close(self) -> None:
        self.closed += 1
        if self._error is not None:
            raise self._error


def answering(body: Iterable[bytes], status: str = "200 OK", *headers: tuple[str, str]) -> WSGIApp:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response(status, [HTML, *headers])
        return body

    return app


def captured(app: WSGIApp, max_page: int = 100) -> Response | Unfit:
    return capture(app, {}, max_page)


def body_of(app: WSGIApp) -> bytes:
    response = captured(app)
    assert isinstance(response, Response)
    return response.body


# Whole responses.


def test_status_headers_and_body_are_captured() -> None:
    app = answering([b"a", b"b"], "404 Not Found", ("X-A", "1"), ("X-A", "2"))
    assert captured(app) == Response("404 Not Found", (HTML, ("X-A", "1"), ("X-A", "2")), b"ab")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param([], b"", id="nothing"),
        pytest.param([b"", b"a", b""], b"a", id="empty chunks"),
        pytest.param((b"a", b"b"), b"ab", id="tuple"),
        pytest.param(iter([b"a", b"b"]), b"ab", id="iterator"),
        pytest.param((bytes([65 + number]) for number in range(3)), b"ABC", id="generator"),
        pytest.param(b"ab", None, id="bytes yield numbers"),
    ],
)
def test_any_iterable_of_bytes_is_a_body(body: Any, expected: bytes | None) -> None:
    if expected is None:
        with pytest.raises(TypeError):
            body_of(answering(body))
    else:
        assert body_of(answering(body)) == expected


def test_a_response_may_start_while_its_body_is_iterated() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response(*OK)
        yield b"late"

    assert captured(app) == Response("200 OK", (HTML,), b"late")


def test_a_response_may_start_after_empty_chunks() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        yield b""
        start_response(*OK)
        yield b"late"

    assert body_of(app) == b"late"


def test_what_is_written_comes_before_what_is_returned() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response(*OK)
        write(b"a")
        write(b"")
        write(b"b")
        return [b"c"]

    assert body_of(app) == b"abc"


def test_headers_changed_after_the_start_do_not_count() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        headers = [HTML]
        start_response("200 OK", headers)
        headers.append(("Set-Cookie", "late=1"))
        return []

    assert captured(app) == Response("200 OK", (HTML,), b"")


# Bodies without an end.


def endless(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response(*OK)
    while True:
        yield b""


def writing(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    write = start_response(*OK)
    while True:
        write(b"")


@pytest.mark.parametrize("app", [endless, writing])
def test_a_body_that_takes_too_long_and_says_no_length_streams(app: WSGIApp) -> None:
    assert capture(app, {}, 100, seconds=0.0) == Unfit("streaming")


@pytest.mark.parametrize("app", [endless, writing])
def test_a_body_without_length_that_was_given_up_streams(app: WSGIApp) -> None:
    assert capture(app, {}, 100, wanted=lambda: False) == Unfit("streaming")


def test_a_body_that_says_its_length_may_take_its_time() -> None:
    app = answering([b"a", b"b"], "200 OK", ("Content-Length", "2"))
    assert isinstance(capture(app, {}, 100, seconds=0.0), Response)


def test_a_body_that_says_its_length_is_left_when_it_is_given_up() -> None:
    body = Body([b"a", b"b", b"c"])
    app = answering(body, "200 OK", ("Content-Length", "3"))
    answers = iter([True, False])
    assert capture(app, {}, 100, wanted=lambda: next(answers)) == Unfit(GIVEN_UP)
    assert (body.taken, body.closed) == (2, 1)


@pytest.mark.parametrize(
    "media_type", ["text/event-stream", "multipart/x-mixed-replace; boundary=frame"]
)
def test_what_is_for_as_long_as_somebody_looks_is_not_read(media_type: str) -> None:
    body = Body([b"a"])

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", media_type)])
        return body

    assert captured(app) == Unfit("streaming")
    assert (body.taken, body.closed) == (0, 1)


# Errors after start_response.


def failing(environ: dict[str, Any]) -> NoReturn:
    raise ZeroDivisionError("in the view")


def test_an_error_page_replaces_what_was_not_yet_sent() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [HTML, ("X-Lost", "1")])
        try:
            failing(environ)
        except ZeroDivisionError:
            start_response("500 Oops", [HTML], sys.exc_info())
        return [b"error"]

    assert captured(app) == Response("500 Oops", (HTML,), b"error")


@pytest.mark.parametrize("written", [True, False], ids=["write()", "iterable"])
def test_an_error_after_output_is_raised(written: bool) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        write = start_response(*OK)
        if written:
            write(b"half")
        else:
            yield b"half"
        try:
            failing(environ)
        except ZeroDivisionError:
            start_response("500 Oops", [HTML], sys.exc_info())
        yield b"error"

    with pytest.raises(ZeroDivisionError, match="in the view"):
        captured(app)


def swallow(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception:
        pass


def after_output(start_response: Any) -> None:
    try:
        failing({})
    except ZeroDivisionError:
        start_response("500 Oops", [HTML], sys.exc_info())


@pytest.mark.parametrize(
    "again", [after_output, lambda start_response: start_response(*OK)], ids=["exc_info", "twice"]
)
def test_an_error_that_the_app_swallows_still_makes_no_page(again: Any) -> None:
    """P3: half a body is never a whole one."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response(*OK)
        yield b"half"
        swallow(lambda: again(start_response))

    with pytest.raises(BrokenResponse):
        captured(app)


def test_starting_twice_without_an_error_is_refused() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(*OK)
        start_response(*OK)
        return []

    with pytest.raises(BrokenResponse, match="twice"):
        captured(app)


# Responses that are not whole.


def test_an_app_that_raises_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        captured(lambda environ, start_response: failing(environ))


@pytest.mark.parametrize("body", [[], [b"", b""]], ids=["no body", "empty chunks"])
def test_an_app_that_never_starts_a_response_is_broken(body: list[bytes]) -> None:
    with pytest.raises(BrokenResponse, match="never called"):
        captured(lambda environ, start_response: body)


def test_a_body_before_the_start_is_broken() -> None:
    with pytest.raises(BrokenResponse, match="before"):
        captured(lambda environ, start_response: [b"body"])


def test_a_body_that_breaks_off_raises() -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise OSError("database gone")

    with pytest.raises(OSError, match="database gone"):
        captured(answering(broken()))


@pytest.mark.parametrize(
    "lengths",
    [["3"], ["5"], ["four"], ["-4"], ["4", "5"], ["5", "4"], ["4, 5"]],
    ids=",".join,
)
def test_a_body_that_is_not_as_long_as_announced_is_broken(lengths: list[str]) -> None:
    headers = [("Content-Length", length) for length in lengths]
    with pytest.raises(BrokenResponse, match="announced"):
        captured(answering([b"four"], "200 OK", *headers))


@pytest.mark.parametrize("length", ["4", " 4 "])
def test_a_body_as_long_as_announced_is_whole(length: str) -> None:
    assert body_of(answering([b"fo", b"ur"], "200 OK", ("content-LENGTH", length))) == b"four"


# What is not collected.


@pytest.mark.parametrize("kind", ["text/event-stream", "Text/Event-Stream; charset=utf-8"])
def test_an_event_stream_is_not_read(kind: str) -> None:
    body = Body(itertools.repeat(b"event"))

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("content-type", kind)])
        return body

    assert captured(app) == Unfit("streaming")
    assert (body.taken, body.closed) == (0, 1)


def test_an_event_stream_that_starts_late_is_not_read_on() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        yield from itertools.repeat(b"event")

    assert captured(app) == Unfit("streaming")


def test_an_error_page_in_place_of_an_event_stream_is_read() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        try:
            failing(environ)
        except ZeroDivisionError:
            start_response("500 Oops", [HTML], sys.exc_info())
        return [b"error"]

    assert captured(app) == Response("500 Oops", (HTML,), b"error")


@pytest.mark.parametrize(
    ("chunks", "fits"),
    [([b"x" * 100], True), ([b"x" * 101], False), ([b"x" * 60] * 2, False), ([b"x"] * 100, True)],
    ids=["limit", "one more", "in two chunks", "limit in many chunks"],
)
def test_a_body_over_the_limit_is_not_kept(chunks: list[bytes], fits: bool) -> None:
    response = captured(answering(chunks))
    assert isinstance(response, Response) == fits
    assert fits or response == Unfit("too-big")


def test_an_endless_body_is_left_at_the_limit() -> None:
    body = Body(itertools.repeat(b"x" * 10))
    assert captured(answering(body)) == Unfit("too-big")
    assert (body.taken, body.closed) == (11, 1)


def test_what_is_written_counts_towards_the_limit() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response(*OK)
        for _ in range(20):
            write(b"x" * 10)
        return []

    assert captured(app) == Unfit("too-big")


# close() exactly once, on every path.


@pytest.mark.parametrize(
    ("chunks", "headers", "error"),
    [
        pytest.param([b"a"], [HTML], None, id="whole"),
        pytest.param([], [HTML], None, id="empty"),
        pytest.param([b"x" * 200], [HTML], None, id="too big"),
        pytest.param([b"a"], [("Content-Type", "text/event-stream")], None, id="streaming"),
        pytest.param([b"a"], [("Content-Length", "9")], BrokenResponse, id="too short"),
        pytest.param([b"a"], None, BrokenResponse, id="never started"),
        pytest.param((1 // zero for zero in [0]), [HTML], ZeroDivisionError, id="breaks off"),
        pytest.param([None], [HTML], TypeError, id="not bytes"),
    ],
)
def test_the_body_is_closed_once(chunks: Any, headers: Any, error: Any) -> None:
    body = Body(chunks)

    def app(environ: dict[str, Any], start_response: Any) -> Body:
        if headers is not None:
            start_response("200 OK", headers)
        return body

    if error is None:
        assert captured(app)
    else:
        with pytest.raises(error):
            captured(app)
    assert body.closed == 1


def test_a_close_that_raises_makes_no_page() -> None:
    body = Body([b"a"], error=OSError("commit failed"))
    with pytest.raises(OSError, match="commit failed"):
        captured(answering(body))
    assert body.closed == 1


def test_a_close_that_raises_after_an_error_is_called_once() -> None:
    body = Body((1 // zero for zero in [0]), error=OSError("twice unlucky"))
    with pytest.raises(OSError, match="twice unlucky") as caught:
        captured(answering(body))
    assert isinstance(caught.value.__context__, ZeroDivisionError)
    assert body.closed == 1


def test_a_generator_is_finished_when_it_is_left() -> None:
    ended = []

    def endless() -> Iterator[bytes]:
        try:
            yield from itertools.repeat(b"x" * 60)
        finally:
            ended.append(True)

    assert captured(answering(endless())) == Unfit("too-big")
    assert ended == [True]
