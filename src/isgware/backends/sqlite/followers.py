"""Who follows the decisions of a ``file:`` store's processes: datagram sockets in its directory.

Whoever follows binds one there; a process that has something to tell sends it to each, and never
waits: what finds no room is lost to that follower.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ...errors import BackendUnavailable

#: Bytes of a socket's path that every system takes.
_LONGEST: Final = 100
#: Bytes that wait for a follower that is slow, if the system allows.
_ROOM: Final = 4 * 1024**2
_LARGEST: Final = 1 << 20


class SocketFollowers:
    """``directory``: the store's."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "followers"

    def there(self) -> bool:
        """Whether anybody follows."""
        return bool(self._names())

    def tell(self, message: bytes) -> bool:
        """Send ``message`` to all who follow. False if somebody did not get it."""
        told = True
        with _sender() as sender:
            for name in self._names():
                try:
                    with _reachable(self._directory, name) as path:
                        sender.sendto(message, path)
                except BlockingIOError:
                    told = False
                except ConnectionRefusedError:  # who followed was killed
                    _remove_socket(self._directory / name)
                except FileNotFoundError:  # who followed has gone
                    pass
                except OSError:  # not to be reached: the others are told all the same
                    told = False
        return told

    def _names(self) -> list[str]:
        """Of the sockets. Nothing is told in a directory that others may write to: decisions hold
        visitors' URLs."""
        try:
            _check_ours(self._directory)
            return os.listdir(self._directory)
        except OSError:
            return []

    def follow(self) -> SocketFollower:
        """Raises `BackendUnavailable`."""
        try:
            return SocketFollower(self._directory)
        except OSError as error:
            raise BackendUnavailable(
                f"{self._directory} holds no socket: {error.strerror or error}."
            ) from error


class SocketFollower:
    """Receives what is told while it is there."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        _check_ours(directory)
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._path = directory / name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
        with _reachable(directory, name) as path:
            self._socket.bind(path)

    def read(self, seconds: float) -> bytes | None:
        """The next message, or ``None`` if none came within so many seconds."""
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(_LARGEST)
        except TimeoutError:
            return None

    def close(self) -> None:
        self._socket.close()
        with contextlib.suppress(OSError):
            self._path.unlink()


def _check_ours(directory: Path) -> None:
    """Raises `OSError` unless this is a directory, and only this user may write to it."""
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "others may write to it; remove it")


def _remove_socket(path: Path) -> None:
    """A file that is none refuses connections, too, and stays."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()


@contextlib.contextmanager
def _sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        yield sender


@contextlib.contextmanager
def _reachable(directory: Path, name: str) -> Iterator[str]:
    """A path of a socket that is short enough: through the opened directory, if there is no
    other."""
    path = str(directory / name)
    if len(os.fsencode(path)) <= _LONGEST or not os.path.isdir("/proc/self/fd"):
        yield path
        return
    opened = os.open(directory, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{opened}/{name}"
    finally:
        os.close(opened)
