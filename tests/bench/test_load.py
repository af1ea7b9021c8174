"""The open loop counts from the moment at which a request is due."""

import socket
import threading
from collections.abc import Iterator

import pytest

from bench.kit.load import Due, Felt, every, load

ANSWER = b"HTTP/1.1 200 OK\r\nX-ISG-Cache: HIT\r\nContent-Length: 4\r\n\r\nbody"


class Server(threading.Thread):
    """Answers nobody before somebody asks for ``/last``; who asks for ``/refused`` is cut off."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.accepted: list[str] = []

    def run(self) -> None:
        held: list[socket.socket] = []
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            request = connection.recv(65_536).decode()
            self.accepted.append(request.split(" ")[1])
            if "/refused" in request:
                connection.close()
                continue
            held.append(connection)
            if "/last" in request:
                for waiting in held:
                    waiting.sendall(ANSWER)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    running.start()
    yield running
    running.listener.close()


def test_a_server_that_stalls_does_not_keep_requests_from_being_sent(server: Server) -> None:
    felt = load(server.port, [Due(0.0, "/first", "all"), Due(0.5, "/last", "all")])["all"]
    assert server.accepted == ["/first", "/last"]
    assert felt.times[-1] >= 500  # milliseconds, from when the first was due
    assert felt.labels == {"hit": 2}


def test_a_connection_that_ends_is_a_lost_request(server: Server) -> None:
    felt = load(server.port, [Due(0.0, "/refused", "all"), Due(0.01, "/last", "all")])["all"]
    assert felt.labels == {"lost": 1, "hit": 1}


def test_requests_are_due_evenly() -> None:
    assert [due.at for due in every(1.0, 4, "/", "all", offset=1.0)] == [1.0, 1.25, 1.5, 1.75]


def test_percentiles_of_several_rounds_are_of_all_their_requests() -> None:
    felt = Felt(times=[1.0, 3.0])
    felt.join(Felt(times=[2.0, 4.0]))
    assert felt.times == [1.0, 2.0, 3.0, 4.0]
    assert felt.percentile(0.5) == 3.0
    assert felt.row == (3.0, 4.0, 4.0)
