"""The directory of an export: which files in it are ours, and how they are replaced.

- Nothing outside of it is touched: each step of a path is opened below its parent, and a symbolic
  link is never followed. Only the directory itself may be one.
- A file is replaced by renaming a whole new one over it, so whoever reads has the old or the new.
- What is ours is what the *manifest* of the last export lists, and what the *journal* names: a
  line written before each file since. So an export that was killed can be taken up, and nothing
  of it is forgotten in the tree. Nothing else is ever removed or, unless forced, overwritten.
- Page files are not synced to the disk one by one, which would cost more than all the rest: they
  are copies, a killed process loses nothing, and after a power cut ``rewrite`` makes them anew.
  The manifest and what nginx reads at its start are synced.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigurationError, ExportError
from .layout import OWN, PREFIX, is_prefix

FORMAT: Final = 1
#: Files of ours at the top that are no pages.
TOP: Final = ("_headers", "_redirects")
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Held:
    """A page that the tree holds. ``sizes``: bytes of its files by what is appended to the name."""

    path: str
    file: str
    digest: str
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> Iterator[str]:
        return (self.file + ending for ending in self.sizes)


class InTheWay(Exception):
    """A name that a page needs is taken by what is not ours."""


class Tree:
    """``with Tree(directory) as tree``: opened for one export, and locked against others.

    Raises `ConfigurationError` for a directory that cannot be used, `ExportError` if another export
    is at work there.
    """

    def __init__(self, directory: Path, *, force: bool = False) -> None:
        self.directory = directory
        self.site = ""
        self.prefix = PREFIX
        self.held: dict[str, Held] = {}
        self._force = force
        self._names: set[str] = set()
        self._open: list[int] = []

    def __enter__(self) -> Tree:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._root = self._keep(os.open(self.directory, _DIRECTORY))
            self._check_ours()
            self._own = self._keep(os.open(OWN, _DIRECTORY | os.O_NOFOLLOW, dir_fd=self._root))
            self._lock()
            self._read_manifest()
            self._journal = self._keep(self._open_journal())
        except OSError as error:
            self._close()
            raise ConfigurationError(
                f"Cannot export to {str(self.directory)!r}: {error.strerror}."
            ) from error
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._close()

    def _keep(self, descriptor: int) -> int:
        self._open.append(descriptor)
        return descriptor

    def _close(self) -> None:
        while self._open:
            os.close(self._open.pop())

    def _check_ours(self) -> None:
        found = os.listdir(self._root)
        if OWN not in found:
            if found and not self._force:
                raise ConfigurationError(
                    f"{str(self.directory)!r} is not empty, and no export has been there: name a "
                    "directory of its own, or say --force (force=True) to put the pages beside "
                    "what is there."
                )
            with contextlib.suppress(FileExistsError):
                os.mkdir(OWN, dir_fd=self._root)

    def _lock(self) -> None:
        lock = os.open("lock", _NEW, 0o666, dir_fd=self._own)
        self._keep(lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportError(
                f"Another export is at work in {str(self.directory)!r}; try again when it is done."
            ) from None

    # What is ours.

    def _read_manifest(self) -> None:
        try:
            self._load(json.loads(self._read("manifest", self._own) or b"{}"))
        except (ValueError, TypeError, KeyError, AttributeError):
            if not self._force:
                raise ConfigurationError(
                    f"The list of what is isgware's in {str(self.directory)!r} is damaged: empty "
                    "the directory, or say --force (force=True) to export over what is there."
                ) from None
        for line in self._read("journal", self._own).split(b"\n")[:-1]:
            with contextlib.suppress(UnicodeDecodeError):
                name = line.decode()
                if _inside(name):
                    self._names.add(name)

    def _load(self, manifest: Any) -> None:
        held = [Held(*row) for row in manifest.get("pages", ())]
        if (manifest and manifest["format"] != FORMAT) or not all(map(_sound, held)):
            raise ValueError("not a manifest of ours")
        prefix = manifest.get("prefix", PREFIX)
        if not is_prefix(prefix):
            raise ValueError("not a prefix of ours")
        self.site, self.prefix = str(manifest.get("site", "")), prefix
        self.held = {one.path: one for one in held}
        self._names = {name for one in held for name in one.names}
        self._names.update(set(TOP).intersection(manifest.get("top", ())))

    def _open_journal(self) -> int:
        """Files that an export which was cut off has written are not what the manifest says."""
        doubtful = set(self._read("journal", self._own).decode(errors="replace").split("\n"))
        for path, one in self.held.items():
            if not doubtful.isdisjoint(one.names):
                self.held[path] = Held(path, one.file, "", one.sizes)
        flags = (_NEW & ~os.O_TRUNC) | os.O_APPEND
        return os.open("journal", flags, 0o666, dir_fd=self._own)

    def finish(self, site: str, pages: Sequence[Held]) -> None:
        """What the tree holds from now on."""
        rows = [[one.path, one.file, one.digest, dict(one.sizes)] for one in pages]
        top = sorted(self._names.intersection(TOP))
        manifest = {
            "format": FORMAT, "site": site, "prefix": self.prefix, "top": top, "pages": rows,
        }  # fmt: skip
        self._replace("manifest", json.dumps(manifest).encode(), self._own)
        os.ftruncate(self._journal, 0)

    # Pages.

    def holds(self, before: Held | None, wanted: Held) -> bool:
        """Whether the files of a page are there as they should be."""
        if before != wanted:
            return False
        try:
            parent = self._parent(wanted.file)
        except (FileNotFoundError, InTheWay):
            return False
        try:
            sizes = {end: _size(_stat(wanted.file + end, parent)) for end in wanted.sizes}
        finally:
            os.close(parent)
        return sizes == wanted.sizes

    def put(self, file: str, bodies: Mapping[str, bytes]) -> None:
        """Write a page's files: ``bodies`` by what is appended to the name. Raises `InTheWay`."""
        self.remove(*(file + ending for ending in (".gz", ".br") if ending not in bodies))
        names = {file + ending: body for ending, body in bodies.items()}
        parent = self._parent(file, make=True)
        try:
            if any(_is_directory(_stat(name, parent)) for name in names):
                os.close(parent)  # it goes, if there is nothing else in it
                parent = -1
                self._clear(names)
                parent = self._parent(file, make=True)
            for name, body in names.items():
                self._put(name, body, parent)
        finally:
            if parent >= 0:
                os.close(parent)

    def _put(self, name: str, body: bytes, parent: int) -> None:
        before = _stat(name, parent)
        if before is not None and name not in self._names and not self._force:
            raise InTheWay(name)
        self._note(name)
        # nginx makes an ETag of time and size: no two versions may share a second.
        self._write(body, max(time.time(), before.st_mtime + 1 if before else 0.0))
        try:
            os.rename("next", _base(name), src_dir_fd=self._own, dst_dir_fd=parent)
        except (IsADirectoryError, FileExistsError):
            raise InTheWay(name) from None

    def remove(self, *names: str) -> None:
        """Remove files that are ours, and the directories that are empty then."""
        ours = sorted(self._names.intersection(names))
        directories: set[str] = set()
        for directory, inside in itertools.groupby(ours, lambda name: name.rpartition("/")[0]):
            self._unlink(list(inside))
            parts = directory.split("/") if directory else []
            directories.update("/".join(parts[:count]) for count in range(1, len(parts) + 1))
        self._names.difference_update(ours)
        for directory in sorted(directories, key=lambda name: name.count("/"), reverse=True):
            with contextlib.suppress(OSError, InTheWay):  # not empty, or not there
                parent = self._parent(directory)
                try:
                    os.rmdir(_base(directory), dir_fd=parent)
                finally:
                    os.close(parent)

    def _unlink(self, names: list[str]) -> None:
        """Of one directory."""
        with contextlib.suppress(FileNotFoundError, InTheWay):
            parent = self._parent(names[0])
            try:
                for name in names:
                    with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                        os.unlink(_base(name), dir_fd=parent)
            finally:
                os.close(parent)

    def leftovers(self, kept: Sequence[Held]) -> list[str]:
        """Names of ours that belong to none of ``kept``."""
        return sorted(self._names.difference(TOP, *(one.names for one in kept)))

    # What file servers read.

    def set_own(self, name: str, data: bytes) -> bool:
        """Write a file of the directory for what is not a page. False if it was like that."""
        return self._read(name, self._own) != data and self._replace(name, data, self._own)

    def set_top(self, name: str, data: bytes) -> bool:
        """The same for one of `TOP`; an empty one is none. False also if it is not ours."""
        before = _stat(name, self._root)
        if before is not None and name not in self._names and not (self._force and data):
            return False
        if not data:
            self.remove(name)
            return before is not None
        if before is not None and self._read(name, self._root) == data:
            return False
        self._note(name)
        return self._replace(name, data, self._root)

    # Steps.

    def _parent(self, name: str, *, make: bool = False) -> int:
        """The directory of a file, opened. Raises `InTheWay` if something else is in its place."""
        current = os.dup(self._root)
        parts = name.split("/")[:-1]
        for count, part in enumerate(parts, 1):
            try:
                below = self._step(part, current, make, "/".join(parts[:count]))
            finally:
                os.close(current)
            current = below
        return current

    def _step(self, part: str, parent: int, make: bool, so_far: str) -> int:
        try:
            return os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        except FileNotFoundError:
            if not make:
                raise
        except OSError as error:  # a file, or a symbolic link
            if not make or so_far not in self._names:
                raise InTheWay(so_far) from error
            os.unlink(part, dir_fd=parent)
            self._names.discard(so_far)
        os.mkdir(part, dir_fd=parent)
        return os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)

    def _clear(self, names: Iterable[str]) -> None:
        """Remove what is ours in directories whose names are needed for files."""
        for name in names:
            self.remove(*(one for one in self._names if one.startswith(name + "/")))

    def _note(self, name: str) -> None:
        os.write(self._journal, name.encode() + b"\n")
        self._names.add(name)

    def _write(self, data: bytes, changed: float | None, *, sync: bool = False) -> None:
        """The file ``next``, whole, to be renamed."""
        descriptor = os.open("next", _NEW, 0o666, dir_fd=self._own)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            if changed is not None:
                os.utime(descriptor, (changed, changed))
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _replace(self, name: str, data: bytes, directory: int) -> bool:
        self._write(data, None, sync=True)
        os.rename("next", name, src_dir_fd=self._own, dst_dir_fd=directory)
        return True

    def _read(self, name: str, directory: int) -> bytes:
        """What a file holds; nothing if it is not there."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        except FileNotFoundError:
            return b""
        with os.fdopen(descriptor, "rb") as file:
            return file.read()


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _stat(name: str, parent: int) -> os.stat_result | None:
    """What has this name now, in the directory where it belongs."""
    try:
        return os.stat(_base(name), dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_directory(found: os.stat_result | None) -> bool:
    return found is not None and stat.S_ISDIR(found.st_mode)


def _size(found: os.stat_result | None) -> int:
    """Of a regular file; -1 if there is none."""
    return found.st_size if found is not None and stat.S_ISREG(found.st_mode) else -1


def _inside(name: str) -> bool:
    """Whether a name that was read back stays within the tree, and out of what is no page."""
    parts = name.split("/")
    return name.isprintable() and parts[0] != OWN and not {"", ".", ".."} & set(parts)


def _sound(held: Held) -> bool:
    return (
        all(isinstance(part, str) for part in (held.path, held.file, held.digest))
        and _inside(held.file)
        and set(held.sizes) <= {"", ".gz", ".br"}
        and all(type(size) is int for size in held.sizes.values())
    )
