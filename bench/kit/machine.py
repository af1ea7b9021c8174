"""What has to be known of this machine to compare its figures with others: `described`."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
#: Programs that take part where they are installed, and Debian's packages that bring them.
PACKAGES: Final = {
    "nginx": "nginx",
    "varnishd": "varnish",
    "wrk": "wrk",
    "valgrind": "valgrind",
    "redis-server": "redis-server",
}
_VERSION_OPTION: Final = {"nginx": "-v", "varnishd": "-V", "wrk": "-v"}


def program(name: str) -> str | None:
    """Where a program is. Debian keeps servers in a directory that users do not search."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")


def missing(name: str) -> str:
    """Why something is left out, and what would bring it."""
    return f"{name} is not installed (Debian: apt install {PACKAGES[name]})"


def settle(core: int) -> None:
    """Keep this process on one of the cores it may use: the first (0) or the last (-1)."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core]})


def resident() -> float:
    """MiB of memory that this process takes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024**2


def described(versions: Sequence[str], load: float) -> dict[str, Any]:
    """``versions``: packages and programs that matter; ``load``: the load average at the start."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: found for name in versions if (found := _version(name))},
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "nice": _nice(),
        "real_time": _real_time(),
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
    }


def in_words(machine: dict[str, Any]) -> str:
    versions = [f"{name} {version}" for name, version in machine["versions"].items()]
    start, end = machine["load"]
    nice = f", at nice {machine['nice']}" if machine.get("nice") else ""
    if machine.get("real_time"):  # which lets nobody else run before
        nice = ", at real-time priority"
    told = (
        f"{machine['cores']} cores ({machine['processor']}), {machine['system']}",
        ", ".join([f"Python {machine['python']}", *versions]),
        f"commit {machine['commit']}, {machine['date']}",
        f"load average {start:.1f} at the start and {end:.1f} at the end{nice}",
    )
    return "; ".join(told)


def commit() -> str:
    """The last commit of what is measured, and whether it was changed since."""
    try:
        named = _git("log", "-1", "--format=%h", "--", "src/isgware")
        changed = _git("status", "--porcelain", "src/isgware")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{named}, changed" if changed else named


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.check_output(command, cwd=ROOT, text=True, stderr=subprocess.DEVNULL).strip()


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as told:
        for line in told:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _nice() -> int:
    """The priority of this process: its session's, where Linux schedules sessions as groups."""
    with contextlib.suppress(OSError, ValueError), open("/proc/self/autogroup") as told:
        if session := int(told.read().rpartition("nice")[2]):
            return session
    return os.nice(0) if hasattr(os, "nice") else 0


def _real_time() -> bool:
    scheduler = getattr(os, "sched_getscheduler", None)
    return scheduler is not None and scheduler(0) in (os.SCHED_RR, os.SCHED_FIFO)


def _version(name: str) -> str:
    """Of a Python package, or of a program: the first word of its description with a digit."""
    option = _VERSION_OPTION.get(name, "--version")
    if name not in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
        return ""
    found = program(name)
    if found is None:
        return ""
    done = subprocess.run([found, option], capture_output=True, text=True)
    words = (done.stderr + done.stdout).replace("(", " ").replace(")", " ").split()
    numbered = (word for word in words if any(sign.isdigit() for sign in word) and "." in word)
    return re.sub(r"^(.*/|varnish-|v=)", "", next(numbered, ""))
