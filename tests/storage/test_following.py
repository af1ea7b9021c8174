"""``isgware log``'s two sides: processes that tell, and who follows."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from isgware import ISG, BackendUnavailable, Policy
from isgware.backends.sqlite.followers import SocketFollowers
from isgware.events import DecisionEvent
from isgware.storage.following import Log
from tests.promises.kit import LONG


def site(directory: Path) -> ISG:
    return ISG(
        Response("page", mimetype="text/html"), store=f"file:{directory}", enabled=True,
        routes={"/posts/<id>": Policy(revalidate=60)}, backend_timeout=30.0,
    )  # fmt: skip


@pytest.fixture
def isg(tmp_path: Path) -> Iterator[ISG]:
    isg = site(tmp_path)
    yield isg
    isg.close(0)


def look(isg: ISG) -> None:
    """As the maintenance thread does once a second."""
    isg.runtime.engine.renderer.maintenance.tasks[-1]()


def read(log: Log, number: int) -> list[DecisionEvent]:
    found: list[DecisionEvent] = []
    while len(found) < number:
        found += log.read(LONG)
    return found


def test_who_follows_hears_of_every_process_from_then_on(isg: ISG, tmp_path: Path) -> None:
    other = site(tmp_path)
    Client(isg).get("/posts/0")
    log = Log(isg.runtime.store)
    for each in (isg, other):
        look(each)
        Client(each).get("/posts/1?a=b")
        each.runtime.observing.close(LONG)
    told = [(it.path, it.query, it.route, it.result) for it in read(log, 2)]
    assert told == [
        ("/posts/1", "a=b", "/posts/<id>", "miss"),
        ("/posts/1", "a=b", "/posts/<id>", "hit"),
    ]
    log.close()
    other.close(0)


def test_when_nobody_follows_any_more_nothing_is_told(isg: ISG, tmp_path: Path) -> None:
    log = Log(isg.runtime.store)
    look(isg)
    assert isg.runtime.observing.active
    log.close()
    look(isg)
    assert not isg.runtime.observing.active
    assert os.listdir(tmp_path / "followers") == []


def test_one_who_was_killed_is_forgotten(tmp_path: Path) -> None:
    script = (
        "import sys, os, pathlib; from isgware.backends.sqlite.followers import SocketFollowers\n"
        "SocketFollowers(pathlib.Path(sys.argv[1])).follow(); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    followers = SocketFollowers(tmp_path)
    assert followers.there()
    followers.tell(b"anybody?")
    assert not followers.there()


def test_files_in_the_directory_are_left_and_keep_nobody_from_being_told(tmp_path: Path) -> None:
    followers = SocketFollowers(tmp_path)
    follower = followers.follow()
    kept = [tmp_path / "followers" / name for name in ("0-file", "zz-file")]
    for path in kept:
        path.write_text("text")
    path = tmp_path / "followers" / "00-stream"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen()
        assert not followers.tell(b"hello")
    assert follower.read(LONG) == b"hello"
    assert [path.read_text() for path in kept] == ["text", "text"]
    follower.close()


@pytest.mark.parametrize("made_by_others", ["open to all", "a link", "a file"])
def test_nothing_is_told_in_a_directory_that_others_have_made(
    tmp_path: Path, made_by_others: str
) -> None:
    directory, theirs = tmp_path / "followers", tmp_path / "theirs"
    theirs.mkdir()
    if made_by_others == "open to all":
        directory.mkdir()
        directory.chmod(0o777)
    elif made_by_others == "a link":
        directory.symlink_to(theirs)
    else:
        directory.write_text("")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        if made_by_others != "a file":
            listening.bind(str(directory / "1-0"))
        followers = SocketFollowers(tmp_path)
        assert not followers.there()
        followers.tell(b"who visits what")
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.recv(100)
    with pytest.raises(BackendUnavailable, match="followers holds no socket"):
        followers.follow()


def test_a_slow_follower_holds_nobody_up_and_is_told_what_is_lost(isg: ISG) -> None:
    log = Log(isg.runtime.store)
    look(isg)
    client = Client(isg)
    for number in range(3):
        client.get(f"/posts/{number}")
    isg.runtime.observing.close(LONG)
    assert len(read(log, 3)) == 3
    filled = 0
    while isg.runtime.store.followers.tell(b"x" * 10_000):
        filled += 1
        assert filled < 100_000
    client.get("/posts/1")
    isg.runtime.observing.close(LONG)
    for _ in range(filled):
        assert list(log.read(LONG)) == []
    client.get("/posts/2")
    assert [it.path for it in read(log, 1)] == ["/posts/2"]
    assert log.lost == 1
    log.close()


def test_directories_with_long_names_hold_sockets_too(tmp_path: Path) -> None:
    directory = tmp_path / ("deep" * 30)
    directory.mkdir()
    followers = SocketFollowers(directory)
    follower = followers.follow()
    assert followers.tell(b"hello")
    assert follower.read(LONG) == b"hello"
    assert follower.read(0.01) is None
    follower.close()
    assert not followers.there()


def test_a_store_in_memory_cannot_be_followed() -> None:
    isg = ISG(Response("page"), store="memory:", enabled=True)
    look(isg)
    with pytest.raises(BackendUnavailable, match="cannot be followed"):
        Log(isg.runtime.store)
    isg.close(0)


def test_while_the_store_is_away_it_is_not_known_that_nobody_follows(isg: ISG) -> None:
    log = Log(isg.runtime.store)
    look(isg)
    isg.runtime.store.trip(OSError("away"))
    log.close()
    look(isg)
    assert isg.runtime.observing.active
