"""What tests look at in a store's directory."""

from __future__ import annotations

import stat
from pathlib import Path


def modes(directory: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()}


def locks(file: Path) -> int:
    inode = str(file.stat().st_ino)
    lines = Path("/proc/locks").read_text().splitlines()
    return sum("POSIX" in line and line.split()[5].split(":")[2] == inode for line in lines)


def remove(directory: Path) -> None:
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()
