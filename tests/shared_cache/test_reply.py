"""`isgware.shared_cache.reply`: an app's reply is held until its head is known, then copied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from isgware.shared_cache.reply import Copied, Reply, copying

Told = list[tuple[str, list[tuple[str, str]]]]
HEADERS = [("X", "1")]


class Server:
    """What a server is told, by the rules of PEP 3333."""

    def __init__(self) -> None:
        self.told: Told = []
        self.written: list[bytes] = []

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        if self.told and exc_info is None:
            raise AssertionError("start_response was called twice")
        self.told.append((status, headers))
        return self.written.append


class Body:
    """An iterable that counts its closings."""

    def __init__(self, *chunks: bytes | Exception, before: Callable[[], object] = bool) -> None:
        self._chunks = chunks
        self._before = before
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        self._before()
        for chunk in self._chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def server() -> Server:
    return Server()


def ask(server: Server, app: Callable[[Any], Iterable[bytes]]) -> Reply:
    reply = Reply(server.start_response)
    reply.ask(app)
    return reply


def test_the_server_hears_nothing_before_it_is_decided(server: Server) -> None:
    def app(told: Any) -> Iterable[bytes]:
        told("200 OK", HEADERS)
        return [b"a"]

    reply = ask(server, app)
    assert (reply.status, reply.headers, server.told) == ("200 OK", HEADERS, [])
    reply.pass_on([*reply.headers, ("Y", "2")])
    assert server.told == [("200 OK", [*HEADERS, ("Y", "2")])]
    assert reply.chunks == [b"a"]


def test_an_app_may_say_its_head_with_its_first_chunk(server: Server) -> None:
    def app(told: Any) -> Iterable[bytes]:
        return Body(b"", b"a", b"b", before=lambda: told("200 OK", HEADERS))

    reply = ask(server, app)
    assert reply.status == "200 OK"
    reply.pass_on(reply.headers)
    assert b"".join(reply.chunks) == b"ab"


def test_what_was_taken_ahead_is_closed_once(server: Server) -> None:
    body = Body(b"a")

    def app(told: Any) -> Iterable[bytes]:
        body._before = lambda: told("200 OK", HEADERS)
        return body

    reply = ask(server, app)
    reply.drop()
    assert body.closed == 1


def test_an_error_before_the_head_closes_the_body(server: Server) -> None:
    body = Body(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        ask(server, lambda _: body)
    assert body.closed == 1


def test_an_app_that_never_says_its_head_is_the_servers_to_judge(server: Server) -> None:
    reply = ask(server, lambda _: Body(b"a"))
    assert reply.status == ""
    assert list(reply.chunks) == [b"a"]


def test_write_passes_at_once(server: Server) -> None:
    def app(told: Any) -> Iterable[bytes]:
        write = told("200 OK", HEADERS)
        write(b"a")
        write(b"b")
        return [b"c"]

    reply = ask(server, app)
    assert reply.committed
    assert (server.told, server.written) == ([("200 OK", HEADERS)], [b"a", b"b"])


def test_an_app_may_change_its_mind_before_anything_was_sent(server: Server) -> None:
    def app(told: Any) -> Iterable[bytes]:
        told("200 OK", HEADERS)
        try:
            raise ValueError
        except ValueError as error:
            told("500 No", [], (ValueError, error, error.__traceback__))
        return [b""]

    reply = ask(server, app)
    assert reply.status == "500 No"


def test_a_second_head_without_an_error_is_the_servers_to_refuse(server: Server) -> None:
    def app(told: Any) -> Iterable[bytes]:
        told("200 OK", HEADERS)
        told("200 OK", HEADERS)
        return []

    with pytest.raises(AssertionError, match="twice"):
        ask(server, app)


def test_after_it_was_passed_on_an_error_is_the_servers(server: Server) -> None:
    told: list[Any] = []

    def app(start: Any) -> Iterable[bytes]:
        told.append(start)
        start("200 OK", HEADERS)
        return [b""]

    reply = ask(server, app)
    reply.pass_on(reply.headers)
    told[0]("500 No", [], (ValueError, ValueError(), None))
    assert [status for status, _ in server.told] == ["200 OK", "500 No"]


# Copies.


@pytest.mark.parametrize(
    ("chunks", "announced", "copied"),
    [
        pytest.param([b"ab", b"cd"], 4, [b"abcd"], id="whole"),
        pytest.param([b"ab", b"cd"], None, [b"abcd"], id="nothing announced"),
        pytest.param([], 0, [b""], id="empty"),
        pytest.param([], None, [b""], id="empty, nothing announced"),
        pytest.param([b"ab", b"", b"cd", b""], 4, [b"abcd"], id="empty chunks"),
        pytest.param([b"ab"], 4, [], id="shorter than announced"),
        pytest.param([b"ab", b"cd", b"e"], 4, [], id="longer than announced"),
        pytest.param([b"abcde"], 4, [], id="longer in its last chunk"),
        pytest.param([b"a" * 11], None, [], id="too large"),
        pytest.param([b"a" * 6, b"a" * 6], None, [], id="too large together"),
        pytest.param([b"ab", ValueError("no")], None, [], id="breaks off"),
        pytest.param([b"ab", b"cd", ValueError("no")], 4, [], id="breaks off at its end"),
    ],
)
def test_only_a_whole_body_is_copied(
    chunks: list[Any], announced: int | None, copied: list[bytes]
) -> None:
    whole: list[bytes] = []
    passed = []
    try:
        passed += list(copying(Body(*chunks), announced, 10, whole.append))
    except ValueError:
        passed += [chunk for chunk in chunks if isinstance(chunk, bytes)]
    assert b"".join(passed) == b"".join(chunk for chunk in chunks if isinstance(chunk, bytes))
    assert whole == copied


def test_every_chunk_arrives_before_the_error_behind_it() -> None:
    body, whole = Body(b"ab", b"cd", ValueError("no")), list[bytes]()
    chunks = iter(copying(body, 4, 10, whole.append))
    assert [next(chunks), next(chunks)] == [b"ab", b"cd"]
    with pytest.raises(ValueError, match="no"):
        next(chunks)
    assert whole == []


def test_it_is_kept_before_the_visitor_can_know_that_it_is_whole() -> None:
    whole: list[bytes] = []
    chunks = iter(copying(Body(b"ab", b"cd"), 4, 10, whole.append))
    next(chunks)
    assert whole == []
    next(chunks)
    assert whole == [b"abcd"]


def test_a_client_that_goes_away_leaves_nothing() -> None:
    body, whole = Body(b"ab", b"cd"), list[bytes]()
    chunks = copying(body, None, 10, whole.append)
    assert isinstance(chunks, Copied)
    next(chunks)
    chunks.close()
    assert (whole, body.closed) == ([], 1)


def test_a_list_goes_to_the_server_as_it_is() -> None:
    chunks, whole = [b"ab", b"cd"], list[bytes]()
    assert copying(chunks, 4, 10, whole.append) is chunks
    assert whole == [b"abcd"]
    assert copying(chunks, 5, 10, whole.append) is chunks
    assert copying(chunks, 4, 3, whole.append) is chunks
    assert whole == [b"abcd"]
