"""Whether the process that holds a lease of the embedded store still runs.

A lease's token names its owner, so that a lease whose owner was killed ends at once and not after
its time. If that cannot be found out (another PID namespace, another boot, an unknown token), the
owner counts as running.
"""

from __future__ import annotations

import functools
import os
import secrets
from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_ENDED: Final = ("Z", "X", "x")  # zombie, dead: proc(5)


def new_token() -> str:
    """A lease's token: random, then the process: namespace, PID, when it started."""
    pid = os.getpid()
    return f"{secrets.token_hex(8)}:{_namespace(pid)}:{pid}:{_started(pid)}"


def is_gone(token: str) -> bool:
    """Whether the process that made ``token`` has ended."""
    parts = token.split(":")
    if len(parts) != 4 or not parts[2].isdecimal():
        return False
    namespace, pid, started = parts[1], int(parts[2]), parts[3]
    if not namespace or namespace != _namespace(os.getpid()) or pid == os.getpid():
        return False
    status = _status(pid)
    if status is None:
        return not _exists(pid)
    return status[0] in _ENDED or (bool(started) and status[1] != started)


@functools.lru_cache(maxsize=4)
def _namespace(pid: int) -> str:
    """Identifies boot and PID namespace, within which PIDs are unique. Empty if the system does not
    say."""
    try:
        boot = _BOOT_ID.read_text().strip()
        namespace = os.stat(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""
    return f"{boot}-{namespace.st_ino}"


@functools.lru_cache(maxsize=4)
def _started(pid: int) -> str:
    status = _status(pid)
    return status[1] if status else ""


def _status(pid: int) -> tuple[str, str] | None:
    """State, and the clock tick of the start, of a process: fields 3 and 22 of proc(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return fields[0].decode(), fields[19].decode()
    except (OSError, IndexError):
        return None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
